"""The table of magnitudes before pruning and after retraining."""

from collections.abc import Sequence

from rich.console import Console

from tf_lottery.report.console import default_console
from tf_lottery.report.formats import format_accuracy, format_density
from tf_lottery.report.table import table_of_numbers
from tf_lottery.store.metrics import Row
from tf_lottery.store.result_columns import QUARTER_COLUMNS

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


def print_magnitudes(rows: Sequence[Row], console: Console | None = None) -> None:
    """Prints a row per level.

    Args:
      rows: the levels, as in magnitudes.csv.
      console: where to print; standard output by default.
    """
    console = console or default_console()
    table = table_of_numbers(_HEADERS)
    for row in rows:
        table.add_row(
            str(row["level"]),
            format_density(row["density"]),
            *(f"{row[name]:.4f}" for name in ("threshold", "median_before", "median_after")),
            f"{100 * row['below_threshold']:.1f}%",
            format_accuracy(row["pruned_next"], 1),
            format_accuracy(row[QUARTER_COLUMNS[0]], 1),
        )
    console.print(table)
