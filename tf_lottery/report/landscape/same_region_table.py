"""The table of the same region: how each level's solution compares with others."""

from collections.abc import Sequence

from rich.console import Console

from tf_lottery.report.console import default_console
from tf_lottery.report.formats import MISSING, format_accuracy, format_density, is_number
from tf_lottery.report.landscape.same_region_figure import COMPARISON_TEXTS
from tf_lottery.report.table import print_sentences, table_of_numbers
from tf_lottery.store.metrics import Row
from tf_lottery.store.result_columns import barrier_column

_HEADERS = (
    "level",
    "density",
    "compared\nwith",
    "barrier\n(points)",
    "L2",
    "same\nanswer",
    "same\nerrors",
    "gain of\naveraging\n(points)",
)


def print_same_region(rows: Sequence[Row], split: str, console: Console | None = None) -> None:
    """Prints a row for each comparison.

    Args:
      rows: of same_region.csv, in order.
      split: the data on which the lines were measured.
      console: where to print; standard output by default.
    """
    console = console or default_console()
    table = table_of_numbers(_HEADERS)
    for row in rows:
        table.add_row(
            str(row["level"]),
            format_density(row["density"]),
            next(text for name, text in COMPARISON_TEXTS.items() if row[name]),
            f"{100 * row[barrier_column(split)]:.2f}",
            f"{row['l2']:.2f}",
            format_accuracy(row["agreement"], 1),
            format_accuracy(row["error_overlap"], 1),
            f"{100 * row['gain']:+.2f}" if is_number(row["gain"]) else MISSING,
        )
    console.print(table)
    text = (
        f"Barriers of the {split} error. Of the test examples, same answer: those to which both "
        "give it; same errors: those that both get wrong, of those that either does; gain of "
        "averaging: of the average of both outputs over the mean of their accuracies."
    )
    print_sentences(console, [text])
