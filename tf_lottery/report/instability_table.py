"""The table of instability: barriers between copies that differ in the data order alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from tf_lottery.report.formats import format_accuracy, format_count, format_density
from tf_lottery.report.table import table_of_numbers

_HEADERS = (
    "rewind\nstep",
    "level",
    "density",
    "network",
    "test\naccuracy",
    "error\nbarrier\n(points)",
    "loss\nbarrier",
    "L2",
    "stable",
)


@dataclass(frozen=True)
class InstabilityRow:
    """Copies of a network.

    Attributes:
      rewind_step: iteration at which they part.
      level: number of prunings.
      kind: "ticket" or "random mask".
      density: fraction of prunable weights that remain.
      copies: number of them.
      test_accuracy: mean of the copies, a fraction.
      error_barrier: mean over pairs of copies, a fraction.
      loss_barrier: the same of the loss.
      l2: mean distance of two copies.
    """

    rewind_step: int
    level: int
    kind: str
    density: float
    copies: int
    test_accuracy: float
    error_barrier: float
    loss_barrier: float
    l2: float


def print_instability(
    rows: Sequence[InstabilityRow], stable_below: float, split: str, console: Console | None = None
) -> None:
    """Prints a row for each network.

    Args:
      rows: the networks.
      stable_below: error barrier below which a network is stable, a fraction (2% in arXiv
        1912.05671, section 2).
      split: the data on which the lines were measured.
      console: where to print; standard output by default.
    """
    console = console or Console()
    table = table_of_numbers(_HEADERS)
    for row in rows:
        table.add_row(
            format_count(row.rewind_step),
            str(row.level),
            format_density(row.density),
            row.kind,
            format_accuracy(row.test_accuracy),
            f"{100 * row.error_barrier:.2f}",
            f"{row.loss_barrier:.4f}",
            f"{row.l2:.2f}",
            "yes" if row.error_barrier < stable_below else "no",
        )
    console.print(table)
    text = (
        f"Barriers of the {split} error between copies that differ in the data order from the "
        f"rewind step on; stable: below {100 * stable_below:g} points."
    )
    console.print(text, soft_wrap=True, highlight=False, markup=False)
