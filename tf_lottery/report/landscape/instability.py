"""Figures and table of instability: barriers between copies that differ in the data order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console

from tf_lottery.report.figures.axes import draw_threshold
from tf_lottery.report.figures.canvas import FigureFile, drawn
from tf_lottery.report.figures.curves import Curve, fit_accuracy_axis
from tf_lottery.report.formats import format_yes
from tf_lottery.report.landscape.columns import OF_NETWORKS, RowColumn, number, points
from tf_lottery.report.landscape.measurements import Measurement, measured_split
from tf_lottery.report.landscape.network_figure import network_figure
from tf_lottery.report.landscape.networks import baseline_notes
from tf_lottery.report.table import print_sentences, print_table
from tf_lottery.store.csv_files import Row
from tf_lottery.store.result_columns import barrier_column

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Below it arXiv 1912.05671 (section 2) calls a network stable.
_STABLE_POINTS = 2


def instability_figures(measurements: Sequence[Measurement]) -> list[FigureFile]:
    """Draws how stable networks are to the data order (arXiv 1912.05671, sections 2 to 4).

    Args:
      measurements: rows of `INSTABILITY_COLUMNS` and barriers, one for each network.

    Returns:
      "instability", the barriers between copies, and "instability_accuracy", the copies' mean
      accuracy: against the rewind step if there are several, else against the weights that remain.
    """
    split = measured_split(measurements)
    if split is None:
        return []
    figures = [
        network_figure(
            measurements,
            barrier_column(split),
            name="instability",
            title="Instability to the data order",
            caption=(
                "Error barrier between copies of a network that differ in the data order from the "
                f"rewind step on. Grey line: {_STABLE_POINTS} points, below which arXiv 1912.05671 "
                "calls a network stable."
            ),
            finish=partial(_finish_barriers, split),
            factor=100,
        ),
        network_figure(
            measurements,
            "test_accuracy",
            name="instability_accuracy",
            title="Accuracy of the copies",
            caption="Mean test accuracy of the copies whose instability is measured.",
            finish=fit_accuracy_axis,
            factor=100,
        ),
    ]
    return drawn(figures)


def _finish_barriers(split: str, axes: Axes, curves: Sequence[Curve]) -> None:
    draw_threshold(axes, _STABLE_POINTS)
    axes.set_ylim(bottom=min(axes.get_ylim()[0], 0))
    axes.set_ylabel(f"{split} error barrier\nbetween copies (points)")


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
    barrier = barrier_column(split)
    columns = [
        *OF_NETWORKS,
        points("error\nbarrier\n(points)", barrier),
        number("loss\nbarrier", barrier_column(split, "loss"), ".4f"),
        number("L2", "l2", ".2f"),
        RowColumn("stable", lambda row: format_yes(row[barrier] < stable_below)),
    ]
    print_table(columns, rows, console)
    text = (
        f"Barriers of the {split} error between copies that differ in the data order from the "
        f"rewind step on; stable: below {100 * stable_below:g} points."
    )
    print_sentences([" ".join([text, *baseline_notes(row["network"] for row in rows)])], console)
