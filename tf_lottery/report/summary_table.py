"""The tables of levels on the terminal: of a run, and of a branch beside its run."""

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table

from tf_lottery.config.matching import DEFAULT_TOLERANCE, matching_rule
from tf_lottery.report.console import default_console, print_line
from tf_lottery.report.emptied_levels import footnotes, marked_level
from tf_lottery.report.formats import (
    MISSING,
    decimals_of_comparison,
    format_accuracy,
    format_count,
    format_density,
    format_large,
    format_levels,
    format_numbers,
    format_points,
)
from tf_lottery.report.summary import dense_summary, is_ticket, matching_levels
from tf_lottery.report.table import (
    NO_BREAK,
    Column,
    print_sentences,
    print_table,
    show_table,
    table_of,
)
from tf_lottery.store.schema import LevelSummary

_Column = Column[LevelSummary]
# Marked where a layer has no weight left.
LEVEL = _Column("level", lambda row: marked_level(row.level, emptied=bool(row.empty_layers)))
DENSITY = _Column("density", lambda row: format_density(row.density))
TEST_ACCURACY = _Column("test\naccuracy", lambda row: format_accuracy(row.test_accuracy))
_WEIGHTS = _Column("weights\nremaining", lambda row: format_count(row.weights_remaining))
_MULTIPLY_ADDS = _Column("multiply-\nadds", lambda row: format_large(row.multiply_adds))

# Columns of a terminal that has room for multiply-adds.
_WIDE = 91


def summary_table(
    summaries: Sequence[LevelSummary], tolerance: float = DEFAULT_TOLERANCE, width: int = 80
) -> Table:
    """Lays out the levels as a table, the sparsest matching level in bold.

    Levels at which a layer has no weight left are marked; `footnotes` says what the mark means.

    Args:
      summaries: the levels, in the order in which they are shown.
      tolerance: how far below the dense network's a matching level's test accuracy may be, as a
        fraction.
      width: of the terminal; multiply-adds are shown where it has room for them.

    Returns:
      The table: 80 columns wide at most for networks of up to 999 million weights, 91 with
      multiply-adds.
    """
    dense = dense_summary(summaries)
    counted = width >= _WIDE and any(row.multiply_adds is not None for row in summaries)
    columns = [
        *(LEVEL, DENSITY, _WEIGHTS, *([_MULTIPLY_ADDS] if counted else []), TEST_ACCURACY),
        _Column("early-stop\nstep", lambda row: format_count(row.early_stop_step)),
        _Column("test\naccuracy\nthere", lambda row: format_accuracy(row.early_stop_test_accuracy)),
        points_to_dense(dense, tolerance),
        _Column(
            "seconds",
            lambda row: f"{row.seconds:,.0f}" if row.seconds >= 1000 else f"{row.seconds:.1f}",
        ),
    ]
    sparsest = matching_levels(summaries, dense and dense.test_accuracy, tolerance)[:1]
    return table_of(columns, summaries, style=lambda row: "bold" if row in sparsest else None)


def points_to_dense(
    dense: LevelSummary | None, tolerance: float | None = None
) -> Column[LevelSummary]:
    """The column of how far pruned levels are above the dense network, if that is known.

    Args:
      dense: the dense network.
      tolerance: as of `format_points`.
    """
    accuracy = dense.test_accuracy if dense else None
    return _Column(
        "vs. dense\n(points)",
        lambda row: format_points(row.test_accuracy, accuracy, tolerance) if row.level else MISSING,
    )


def print_summary(
    summaries: Sequence[LevelSummary],
    console: Console | None = None,
    tolerance: float = DEFAULT_TOLERANCE,
) -> None:
    """Prints the table that ends a run, and sentences below it.

    Args:
      summaries: the levels, in the order in which they are shown.
      console: where to print; standard output by default.
      tolerance: how far below the dense network's a matching level's test accuracy may be, as a
        fraction.
    """
    console = console or default_console()
    show_table(summary_table(summaries, tolerance, console.width), console)
    print_footnotes(summaries, console)
    console.print()
    print_sentences(summary_sentences(summaries, tolerance), console)


def print_branch(
    label: str,
    summaries: Sequence[LevelSummary],
    tickets: Sequence[LevelSummary],
    tolerance: float | None,
    console: Console | None = None,
) -> None:
    """Prints a branch's levels, each beside the level of the experiment that it starts from.

    Args:
      label: of the branch.
      summaries: the branch's levels.
      tickets: the experiment's levels, the dense network among them.
      tolerance: as of `matching.matches`; None: say nothing of matching.
      console: where to print; standard output by default.
    """
    console = console or default_console()
    of_tickets = {ticket.level: ticket.test_accuracy for ticket in tickets}
    dense = dense_summary(tickets)
    dense_accuracy = dense.test_accuracy if dense else None

    def above(
        header: str,
        others: Callable[[LevelSummary], float | None],
        tolerance: float | None = None,
    ) -> Column[LevelSummary]:
        return _Column(header, lambda row: format_points(row.test_accuracy, others(row), tolerance))

    counted = any(row.multiply_adds is not None for row in summaries)
    columns = [
        *(LEVEL, DENSITY, _WEIGHTS, *([_MULTIPLY_ADDS] if counted else []), TEST_ACCURACY),
        _Column("of the\nticket", lambda row: format_accuracy(of_tickets.get(row.level))),
        above("difference\n(points)", lambda row: of_tickets.get(row.level)),
        above("vs. dense\n(points)", lambda row: dense_accuracy, tolerance),
    ]
    print_line(label, console)
    print_table(columns, summaries, console)
    print_footnotes(summaries, console)
    pruned = [summary for summary in summaries if summary.level > 0]
    if tolerance is not None and dense and pruned:
        console.print()
        sentences = _matching_sentences(pruned, dense_accuracy, tolerance)
        if not matching_levels(pruned, dense_accuracy, tolerance):
            # Of other levels nothing is known.
            trained = format_levels(summary.level for summary in pruned)
            sentences[0] += f" This branch has {trained}."
        print_sentences(sentences, console)


def print_footnotes(summaries: Sequence[LevelSummary], console: Console) -> None:
    """Prints what the marks of levels mean, if there are any."""
    if sentences := footnotes(summaries):
        console.print()
        print_sentences(sentences, console)


def summary_sentences(
    summaries: Sequence[LevelSummary], tolerance: float = DEFAULT_TOLERANCE
) -> list[str]:
    """Says which levels match the dense network, and what that means.

    Args:
      summaries: the levels.
      tolerance: how far below the dense network's a matching level's test accuracy may be, as a
        fraction.

    Returns:
      One to three sentences.
    """
    dense = dense_summary(summaries)
    if dense is None and any(row.level == 0 and is_ticket(row) for row in summaries):
        return [
            "Level 0 is the ticket of another run; the dense network to compare it with is trained "
            "by a run without --ticket."
        ]
    if dense is None:
        return ["The test accuracy of the dense network (level 0) is not known."]
    if all(summary.level == 0 for summary in summaries):
        accuracy = format_accuracy(dense.test_accuracy)
        return [f"The dense network's test accuracy is {accuracy}; no level was pruned."]
    sentences = _matching_sentences(summaries, dense.test_accuracy, tolerance)
    last = summaries[-1]
    if dense.multiply_adds is not None and last.multiply_adds is not None:
        of_dense, of_last = (
            format_large(row.multiply_adds).replace(" ", NO_BREAK) for row in (dense, last)
        )
        sentences.append(
            f"Per example, the dense network does {of_dense} multiply-adds, level {last.level} "
            f"with its weights {of_last}."
        )
    return sentences


def _matching_sentences(
    summaries: Sequence[LevelSummary], dense_accuracy: float | None, tolerance: float
) -> list[str]:
    matching = matching_levels(summaries, dense_accuracy, tolerance)
    accuracy = matching[0].test_accuracy if matching else None
    decimals = (
        decimals_of_comparison(accuracy, dense_accuracy, tolerance)
        if accuracy is not None and dense_accuracy is not None
        else 2
    )
    dense = f"the dense network ({format_accuracy(dense_accuracy, decimals)})"
    rule = matching_rule(tolerance)
    if not matching:
        return [f"No pruned level matches {dense}.", rule]
    sparsest = matching[0]
    levels = format_numbers(level.level for level in matching)
    return [
        f"Sparsest level that matches {dense}: level {sparsest.level}, "
        f"{format_density(sparsest.density)} of the weights, "
        f"{format_accuracy(accuracy, decimals)}. Matching levels: {levels}.",
        rule,
    ]
