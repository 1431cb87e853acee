"""The table that ends a branch on the terminal: its levels beside those it starts from."""

from collections.abc import Sequence

from rich.console import Console

from tf_lottery.report.formats import (
    format_accuracy,
    format_count,
    format_density,
    format_points,
)
from tf_lottery.report.summary import LevelSummary
from tf_lottery.report.table import table_of_numbers

_HEADERS = (
    "level",
    "density",
    "weights\nremaining",
    "test\naccuracy",
    "of the\nticket",
    "difference\n(points)",
)


def print_branch(
    label: str,
    summaries: Sequence[LevelSummary],
    tickets: Sequence[LevelSummary],
    console: Console | None = None,
) -> None:
    """Prints a branch's levels, each beside the level of the experiment that it starts from.

    Args:
      label: of the branch.
      summaries: the branch's levels.
      tickets: the experiment's levels.
      console: where to print; standard output by default.
    """
    console = console or Console()
    by_level = {ticket.level: ticket for ticket in tickets}
    table = table_of_numbers(_HEADERS)
    for summary in summaries:
        ticket = by_level.get(summary.level)
        accuracy = ticket.test_accuracy if ticket else None
        table.add_row(
            str(summary.level),
            format_density(summary.density),
            format_count(summary.weights_remaining),
            format_accuracy(summary.test_accuracy),
            format_accuracy(accuracy),
            format_points(summary.test_accuracy, accuracy),
        )
    console.print(label, highlight=False, markup=False)
    console.print(table)
