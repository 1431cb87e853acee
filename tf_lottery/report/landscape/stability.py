"""Stability: how far pruning and the data order move what a network trains to."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console

from tf_lottery.report.console import default_console, print_line
from tf_lottery.report.figures.canvas import FigureFile, drawn
from tf_lottery.report.figures.curves import Curve
from tf_lottery.report.formats import format_count, format_number
from tf_lottery.report.landscape.columns import OF_NETWORKS, RowColumn
from tf_lottery.report.landscape.measurements import Measurement
from tf_lottery.report.landscape.network_figure import network_figure
from tf_lottery.report.landscape.networks import baseline_notes
from tf_lottery.report.table import print_sentences, print_table
from tf_lottery.store.csv_files import Row
from tf_lottery.store.result_columns import DISTANCE_COLUMNS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


# What networks that are compared differ in: its name, the networks, and the same for the y axis.
_CHANGES = {
    "pruning": (
        "pruning",
        "the subnetwork and the dense network, trained in the same data order, on the weights that "
        "remain in the subnetwork",
        "to the dense network",
    ),
    "data_order": (
        "the data order",
        "copies of a network that differ in the data order from the rewind step on",
        "between copies",
    ),
}
_MEASURES = {"l2": "L2 distance", "cosine": "cosine of the angle"}


def stability_figures(measurements: Sequence[Measurement]) -> list[FigureFile]:
    """Draws the stability to pruning and to the data order (arXiv 1903.01611, sections 2 and 3).

    Args:
      measurements: rows of `STABILITY_COLUMNS`, one for each network.

    Returns:
      "stability_pruning_l2", "stability_pruning_cosine", and the two of "data_order": against the
      rewind step if there are several, else against the weights that remain.
    """
    return drawn(
        network_figure(
            measurements,
            f"{column}_{measure}",
            name=f"stability_{column}_{measure}",
            title=f"Stability to {change}, {measure.replace('l2', 'L2')}",
            caption=f"{text[0].upper()}{text[1:]} between {compared}.",
            finish=partial(_finish, f"{text}\n{between}"),
        )
        for column, (change, compared, between) in _CHANGES.items()
        for measure, text in _MEASURES.items()
    )


def _finish(label: str, axes: Axes, curves: Sequence[Curve]) -> None:
    axes.set_ylabel(label)


def print_stability(rows: Sequence[Row], console: Console | None = None) -> None:
    """Prints a row for each network.

    Args:
      rows: the networks, as in stability.csv.
      console: where to print; standard output by default.
    """
    print_table([*OF_NETWORKS, *_DISTANCES], rows, console)
    text = (
        "Pruning: to the dense network in the same data order, on the weights that remain. Data "
        "order: between copies that differ in it from the rewind step on."
    )
    print_sentences([" ".join([text, *baseline_notes(row["network"] for row in rows)])], console)


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
    columns = [
        RowColumn("layer", lambda row: str(row["layer"]), holds_names=True),
        RowColumn("kernel", lambda row: kernels[int(row["layer"]) - 1], holds_names=True),
        *_DISTANCES,
    ]
    of_network = f"level {rows[0]['level']}, rewind step {format_count(rows[0]['rewind_step'])}"
    print_line(f"Layers of {of_network}:", console)
    print_table(columns, rows, console)


def _distance(header: str, name: str) -> RowColumn:
    form = ".3f" if name.endswith("cosine") else ".2f"
    return RowColumn(header, lambda row: format_number(row[name], form))


_DISTANCES = tuple(
    map(_distance, ("pruning:\nL2", "cosine", "data\norder:\nL2", "cosine"), DISTANCE_COLUMNS)
)
