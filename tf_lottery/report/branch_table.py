"""The table that ends a branch on the terminal: its levels beside those it starts from."""

from collections.abc import Sequence

from rich.console import Console

from tf_lottery.report.console import default_console
from tf_lottery.report.formats import (
    format_accuracy,
    format_count,
    format_density,
    format_levels,
    format_points,
)
from tf_lottery.report.summary import dense_summary, matching_levels
from tf_lottery.report.table import (
    level_cell,
    matching_sentences,
    print_footnotes,
    print_sentences,
    table_of_numbers,
)
from tf_lottery.store.schema import LevelSummary

_HEADERS = (
    "level",
    "density",
    "weights\nremaining",
    "test\naccuracy",
    "of the\nticket",
    "difference\n(points)",
    "vs. dense\n(points)",
)


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
    by_level = {ticket.level: ticket for ticket in tickets}
    table, dense = table_of_numbers(_HEADERS), dense_summary(tickets)
    dense_accuracy = dense.test_accuracy if dense else None
    for summary in summaries:
        ticket = by_level.get(summary.level)
        accuracy = ticket.test_accuracy if ticket else None
        table.add_row(
            level_cell(summary),
            format_density(summary.density),
            format_count(summary.weights_remaining),
            format_accuracy(summary.test_accuracy),
            format_accuracy(accuracy),
            format_points(summary.test_accuracy, accuracy),
            format_points(summary.test_accuracy, dense_accuracy),
        )
    console.print(label, soft_wrap=True, highlight=False, markup=False)
    console.print(table)
    print_footnotes(console, summaries)
    pruned = [summary for summary in summaries if summary.level > 0]
    if tolerance is not None and dense and pruned:
        console.print()
        sentences = matching_sentences(pruned, dense_accuracy, tolerance)
        if not matching_levels(pruned, dense_accuracy, tolerance):
            # Of other levels nothing is known.
            trained = format_levels(summary.level for summary in pruned)
            sentences[0] += f" This branch has {trained}."
        print_sentences(console, sentences)
