"""The tables of stability: distances of each network, and of each kernel of one network."""

from collections.abc import Sequence

from rich.console import Console

from tf_lottery.report.console import default_console
from tf_lottery.report.formats import (
    MISSING,
    format_accuracy,
    format_count,
    format_density,
    is_number,
)
from tf_lottery.report.landscape.networks import baseline_notes, network_text
from tf_lottery.report.table import print_sentences, print_with_names, table_of_numbers
from tf_lottery.store.metrics import Row
from tf_lottery.store.result_columns import DISTANCE_COLUMNS

_DISTANCE_HEADERS = (
    "pruning:\nL2",
    "cosine",
    "data\norder:\nL2",
    "cosine",
)
_HEADERS = ("rewind\nstep", "level", "density", "network", "test\naccuracy", *_DISTANCE_HEADERS)
_LAYER_HEADERS = ("layer", "kernel", *_DISTANCE_HEADERS)


def print_stability(rows: Sequence[Row], console: Console | None = None) -> None:
    """Prints a row for each network.

    Args:
      rows: the networks, as in stability.csv.
      console: where to print; standard output by default.
    """
    console = console or default_console()
    table = table_of_numbers(_HEADERS)
    for row in rows:
        table.add_row(
            format_count(row["rewind_step"]),
            str(row["level"]),
            format_density(row["density"]),
            network_text(row["network"]),
            format_accuracy(row["test_accuracy"]),
            *_distances(row),
        )
    console.print(table)
    text = (
        "Pruning: to the dense network in the same data order, on the weights that remain. Data "
        "order: between copies that differ in it from the rewind step on."
    )
    text = " ".join([text, *baseline_notes(row["network"] for row in rows)])
    print_sentences(console, [text])


def print_layers(
    rows: Sequence[Row], kernels: Sequence[str], console: Console | None = None
) -> None:
    """Prints a row for each kernel of a network.

    Args:
      rows: the kernels, as in stability_layers.csv.
      kernels: names of the network's kernels, in the order of their numbers from 1.
      console: where to print; standard output by default.
    """
    console = console or default_console()
    table = table_of_numbers(_LAYER_HEADERS)
    for row in rows:
        table.add_row(str(row["layer"]), kernels[row["layer"] - 1], *_distances(row))
    console.print(f"Layers of level {rows[0]['level']}:", highlight=False, markup=False)
    print_with_names(console, table, names=2)


def _distances(row: Row) -> list[str]:
    return [
        f"{row[name]:{'.3f' if name.endswith('cosine') else '.2f'}}"
        if is_number(row[name])
        else MISSING
        for name in DISTANCE_COLUMNS
    ]
