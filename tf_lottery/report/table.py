"""The table that ends a run on the terminal."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from tf_lottery.config.matching import DEFAULT_TOLERANCE, matching_rule
from tf_lottery.report.console import default_console
from tf_lottery.report.emptied_levels import footnotes, marked_level
from tf_lottery.report.formats import (
    MISSING,
    format_accuracy,
    format_count,
    format_density,
    format_numbers,
    format_points,
)
from tf_lottery.report.summary import dense_summary, matching_levels
from tf_lottery.store.schema import LevelSummary

_HEADERS = (
    "level",
    "density",
    "weights\nremaining",
    "test\naccuracy",
    "early-stop\nstep",
    "accuracy\nthere",
    "vs. dense\n(points)",
    "seconds",
)
_UNLIMITED = 100_000


def summary_table(summaries: Sequence[LevelSummary], tolerance: float = DEFAULT_TOLERANCE) -> Table:
    """Lays out the levels as a table, the sparsest matching level in bold.

    Levels at which a layer has no weight left are marked; `footnotes` says what the mark means.

    Args:
      summaries: the levels, in the order in which they are shown.
      tolerance: how far below the dense network's a matching level's test accuracy may be, as a
        fraction.

    Returns:
      The table: 80 columns wide at most for networks of up to 999 million weights.
    """
    table = table_of_numbers(_HEADERS)
    dense = dense_summary(summaries)
    matching = matching_levels(summaries, dense and dense.test_accuracy, tolerance)
    for summary in summaries:
        style = "bold" if summary in matching[:1] else None
        table.add_row(*_cells(summary, dense), style=style)
    return table


def table_of_numbers(headers: Sequence[str]) -> Table:
    """Returns an empty table whose columns have these headers and are flush right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for header in headers:
        # "fold" breaks a text that is too wide where the default would cut it short.
        table.add_column(header, justify="right", vertical="bottom", overflow="fold")
    return table


def print_with_names(console: Console, table: Table, names: int = 1) -> None:
    """Prints a table whose first columns hold names, which are broken only between words.

    Args:
      console: where to print.
      table: of `table_of_numbers`.
      names: how many of the first columns hold names; if the table is too wide, they get narrower
        before the numbers do.
    """
    columns = table.columns[:names]
    for column in columns:
        column.justify = "left"
    widest = console.options.update(max_width=_UNLIMITED)
    excess = console.measure(table, options=widest).maximum - console.width
    texts = [[str(cell) for cell in (column.header, *column.cells)] for column in columns]
    widths = [max(len(line) for text in cells for line in text.split("\n")) for cells in texts]
    least = [max(len(word) for text in cells for word in text.split()) for cells in texts]
    while excess > 0 and any(width > word for width, word in zip(widths, least, strict=True)):
        place = max(range(names), key=lambda at: (widths[at] > least[at], widths[at]))
        widths[place], excess = widths[place] - 1, excess - 1
        columns[place].width = widths[place]
    console.print(table)


def summary_sentences(
    summaries: Sequence[LevelSummary], tolerance: float = DEFAULT_TOLERANCE
) -> list[str]:
    """Says which levels match the dense network, and what that means.

    Args:
      summaries: the levels.
      tolerance: how far below the dense network's a matching level's test accuracy may be, as a
        fraction.

    Returns:
      One or two sentences.
    """
    dense = dense_summary(summaries)
    if dense is None:
        return ["The test accuracy of the dense network (level 0) is not known."]
    if all(summary.level == 0 for summary in summaries):
        accuracy = format_accuracy(dense.test_accuracy)
        return [f"The dense network's test accuracy is {accuracy}; no level was pruned."]
    return matching_sentences(summaries, dense.test_accuracy, tolerance)


def matching_sentences(
    summaries: Sequence[LevelSummary], dense_accuracy: float | None, tolerance: float
) -> list[str]:
    """Says which levels match the dense network, the sparsest of them, and the rule.

    Args:
      summaries: levels of a run or of a branch.
      dense_accuracy: test accuracy of the run's dense network.
      tolerance: as of `matching.matches`.
    """
    dense = f"the dense network ({format_accuracy(dense_accuracy)})"
    rule = matching_rule(tolerance)
    matching = matching_levels(summaries, dense_accuracy, tolerance)
    if not matching:
        return [f"No pruned level matches {dense}.", rule]
    sparsest = matching[0]
    levels = format_numbers(level.level for level in matching)
    return [
        f"Sparsest level that matches {dense}: level {sparsest.level}, "
        f"{format_density(sparsest.density)} of the weights, "
        f"{format_accuracy(sparsest.test_accuracy)}. Matching levels: {levels}.",
        rule,
    ]


def print_summary(
    summaries: Sequence[LevelSummary],
    console: Console | None = None,
    tolerance: float = DEFAULT_TOLERANCE,
) -> None:
    """Prints the table and the sentences below it.

    Args:
      summaries: the levels, in the order in which they are shown.
      console: where to print; standard output by default.
      tolerance: how far below the dense network's a matching level's test accuracy may be, as a
        fraction.
    """
    console = console or default_console()
    console.print(summary_table(summaries, tolerance))
    print_footnotes(console, summaries)
    console.print()
    print_sentences(console, summary_sentences(summaries, tolerance))


def print_footnotes(console: Console, summaries: Sequence[LevelSummary]) -> None:
    """Prints what the marks of levels mean, if there are any."""
    if sentences := footnotes(summaries):
        console.print()
        print_sentences(console, sentences)


def level_cell(summary: LevelSummary) -> str:
    """Writes the level, with a mark if a layer has no weight left."""
    return marked_level(summary.level, emptied=bool(summary.empty_layers))


def print_sentences(console: Console, sentences: Sequence[str]) -> None:
    """Prints sentences, each from a new line."""
    for sentence in sentences:
        console.print(sentence, highlight=False, markup=False)


def _cells(summary: LevelSummary, dense: LevelSummary | None) -> tuple[str, ...]:
    return (
        level_cell(summary),
        format_density(summary.density),
        format_count(summary.weights_remaining),
        format_accuracy(summary.test_accuracy),
        format_count(summary.early_stop_step),
        format_accuracy(summary.early_stop_test_accuracy),
        _points_to_dense(summary, dense),
        f"{summary.seconds:.1f}" if summary.seconds < 1000 else f"{summary.seconds:,.0f}",
    )


def _points_to_dense(summary: LevelSummary, dense: LevelSummary | None) -> str:
    if dense is None or summary.level == 0:
        return MISSING
    return format_points(summary.test_accuracy, dense.test_accuracy)
