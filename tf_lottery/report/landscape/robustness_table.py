"""The table of robustness: what becomes of levels whose rewind point is moved."""

from collections.abc import Sequence

from rich.console import Console

from tf_lottery.report.console import default_console
from tf_lottery.report.formats import (
    MISSING,
    format_accuracy,
    format_density,
    format_points,
    is_number,
)
from tf_lottery.report.landscape.robustness_figure import is_fresh_noise
from tf_lottery.report.table import print_sentences, table_of_numbers
from tf_lottery.store.metrics import Row

_HEADERS = (
    "level",
    "density",
    "moved\nby",
    "direc-\ntion",
    "share\nof norm",
    "test\naccuracy",
    "vs. not\nmoved",
    "error\nbarrier",
    "loss\nbarrier",
)


def print_robustness(rows: Sequence[Row], split: str, console: Console | None = None) -> None:
    """Prints a row for each level, length and direction.

    Args:
      rows: all of `ROBUSTNESS_COLUMNS`, or all of `FRESH_NOISE_COLUMNS`.
      split: the data on which the lines were measured.
      console: where to print; standard output by default.
    """
    console = console or default_console()
    table = table_of_numbers(_HEADERS)
    unmoved = {
        (row["level"], row["direction"]): row["test_accuracy"] for row in rows if not row["factor"]
    }
    fresh = is_fresh_noise(rows)
    for row in rows:
        accuracy = row["test_accuracy"]
        reference = (
            unmoved[row["level"], row["direction"]] if fresh else row["unperturbed_test_accuracy"]
        )
        table.add_row(
            str(row["level"]),
            format_density(row["density"]),
            f"{row['factor']:g}",
            str(row["direction"]),
            format_accuracy(row["relative_perturbation"], 1),
            format_accuracy(accuracy),
            format_points(accuracy, reference) if row["factor"] else MISSING,
            f"{100 * row['error_barrier']:.2f}",
            f"{row['loss_barrier']:.4f}",
        )
    console.print(table)
    text = (
        "Moved by so many distances between the level's rewind point and the next level's; "
        f"barriers of the {split} data to the level as it was trained; vs. not moved and error "
        "barrier in points. "
    )
    text += (
        "Trained with fresh SGD noise: each direction in a data order of its own, in which the "
        "rewind point itself was trained too (moved by 0), which shows what that order alone does."
        if fresh
        else "Trained in the level's own data order."
    )
    if any(not is_number(row["test_accuracy"]) for row in rows):
        text += " An infinite barrier without an accuracy: training diverged."
    print_sentences(console, [text])
