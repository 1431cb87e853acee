"""The table that ends a run on the terminal."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from tf_lottery.report.formats import (
    MISSING,
    format_accuracy,
    format_count,
    format_density,
    format_points,
)
from tf_lottery.report.summary import LevelSummary, dense_summary, sparsest_matching

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


def summary_table(summaries: Sequence[LevelSummary], tolerance: float = 0.0) -> Table:
    """Lays out the levels as a table, the sparsest matching level in bold.

    Args:
      summaries: the levels, in the order in which they are shown.
      tolerance: how far below the dense network's a matching level's test accuracy may be, as a
        fraction.

    Returns:
      The table: 80 columns wide at most for networks of up to 999 million weights.
    """
    table = table_of_numbers(_HEADERS)
    dense = dense_summary(summaries)
    matching = sparsest_matching(summaries, tolerance)
    for summary in summaries:
        table.add_row(*_cells(summary, dense), style="bold" if summary is matching else None)
    return table


def table_of_numbers(headers: Sequence[str]) -> Table:
    """Returns an empty table whose columns have these headers and are flush right."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for header in headers:
        # "fold" breaks a text that is too wide where the default would cut it short.
        table.add_column(header, justify="right", vertical="bottom", overflow="fold")
    return table


def summary_sentence(summaries: Sequence[LevelSummary], tolerance: float = 0.0) -> str:
    """Says which is the sparsest level that matches the dense network.

    Args:
      summaries: the levels.
      tolerance: how far below the dense network's a matching level's test accuracy may be, as a
        fraction.

    Returns:
      One sentence.
    """
    dense = dense_summary(summaries)
    if dense is None:
        return "The test accuracy of the dense network (level 0) is not known."
    dense_accuracy = format_accuracy(dense.test_accuracy, 1)
    if all(summary.level == 0 for summary in summaries):
        return f"The dense network's test accuracy is {dense_accuracy}; no level was pruned."
    claim = (
        f"within {100 * tolerance:g} points of" if tolerance else "at least as accurate as"
    ) + f" the dense network ({dense_accuracy})"
    matching = sparsest_matching(summaries, tolerance)
    if matching is None:
        return f"No pruned level is {claim}."
    return (
        f"Sparsest level {claim}: level {matching.level}, {format_density(matching.density)} of "
        f"the weights, {format_accuracy(matching.test_accuracy, 1)}."
    )


def print_summary(
    summaries: Sequence[LevelSummary], console: Console | None = None, tolerance: float = 0.0
) -> None:
    """Prints the table and the sentence below it.

    Args:
      summaries: the levels, in the order in which they are shown.
      console: where to print; standard output by default.
      tolerance: how far below the dense network's a matching level's test accuracy may be, as a
        fraction.
    """
    console = console or Console()
    console.print(summary_table(summaries, tolerance))
    console.print()
    console.print(summary_sentence(summaries, tolerance), highlight=False, markup=False)


def _cells(summary: LevelSummary, dense: LevelSummary | None) -> tuple[str, ...]:
    return (
        str(summary.level),
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
