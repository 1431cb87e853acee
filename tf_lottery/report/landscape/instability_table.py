"""The table of instability: barriers between copies that differ in the data order alone."""

from collections.abc import Sequence

from rich.console import Console

from tf_lottery.report.console import default_console
from tf_lottery.report.formats import format_accuracy, format_count, format_density
from tf_lottery.report.landscape.networks import baseline_notes, network_text
from tf_lottery.report.table import print_sentences, table_of_numbers
from tf_lottery.store.metrics import Row
from tf_lottery.store.result_columns import barrier_column

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


def print_instability(
    rows: Sequence[Row], stable_below: float, split: str, console: Console | None = None
) -> None:
    """Prints a row for each network.

    Args:
      rows: the networks, as in the CSV file.
      stable_below: error barrier below which a network is stable, a fraction (2% in arXiv
        1912.05671, section 2).
      split: the data on which the lines were measured.
      console: where to print; standard output by default.
    """
    console = console or default_console()
    table = table_of_numbers(_HEADERS)
    for row in rows:
        barrier = row[barrier_column(split)]
        table.add_row(
            format_count(row["rewind_step"]),
            str(row["level"]),
            format_density(row["density"]),
            network_text(row["network"]),
            format_accuracy(row["test_accuracy"]),
            f"{100 * barrier:.2f}",
            f"{row[barrier_column(split, 'loss')]:.4f}",
            f"{row['l2']:.2f}",
            "yes" if barrier < stable_below else "no",
        )
    console.print(table)
    text = (
        f"Barriers of the {split} error between copies that differ in the data order from the "
        f"rewind step on; stable: below {100 * stable_below:g} points."
    )
    text = " ".join([text, *baseline_notes(row["network"] for row in rows)])
    print_sentences(console, [text])
