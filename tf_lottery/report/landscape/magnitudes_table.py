"""The table of magnitudes before pruning and after retraining."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from tf_lottery.report.formats import MISSING, format_density
from tf_lottery.report.table import table_of_numbers

_HEADERS = (
    "level",
    "density",
    "largest\npruned",
    "survivors'\nmedian\nbefore",
    "after",
    "below\nlargest\npruned",
    "pruned\nnext",
    "of those\nin lowest\nquarter",
)


@dataclass(frozen=True)
class MagnitudeRow:
    """What retraining did to the survivors of a level's pruning; see the analysis."""

    level: int
    density: float
    threshold: float
    below_threshold: float
    median_before: float
    median_after: float
    pruned_next: float | None
    pruned_next_by_quarter: tuple[float, ...] | None


def print_magnitudes(rows: Sequence[MagnitudeRow], console: Console | None = None) -> None:
    """Prints a row per level.

    Args:
      rows: the levels.
      console: where to print; standard output by default.
    """
    console = console or Console()
    table = table_of_numbers(_HEADERS)
    for row in rows:
        quarters = row.pruned_next_by_quarter
        table.add_row(
            str(row.level),
            format_density(row.density),
            f"{row.threshold:.4f}",
            f"{row.median_before:.4f}",
            f"{row.median_after:.4f}",
            f"{100 * row.below_threshold:.1f}%",
            MISSING if row.pruned_next is None else f"{100 * row.pruned_next:.1f}%",
            MISSING if quarters is None else f"{100 * quarters[0]:.1f}%",
        )
    console.print(table)
