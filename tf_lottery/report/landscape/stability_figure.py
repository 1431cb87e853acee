"""Figures of stability: how far pruning and the data order move what a network trains to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tf_lottery.report.figure_canvas import FigureFile
from tf_lottery.report.landscape.curves import Curve
from tf_lottery.report.landscape.measurements import Measurement
from tf_lottery.report.landscape.rewind_axis import network_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class _Change:
    """What networks that are compared differ in.

    Attributes:
      text: names it.
      compared: the networks.
      between: the same for the y axis.
    """

    text: str
    compared: str
    between: str


_CHANGES = {
    "pruning": _Change(
        "pruning",
        "the subnetwork and the dense network, trained in the same data order, on the weights that "
        "remain in the subnetwork",
        "to the dense network",
    ),
    "data_order": _Change(
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
    figures = [
        network_figure(
            measurements,
            f"{column}_{measure}",
            name=f"stability_{column}_{measure}",
            title=f"Stability to {change.text}, {measure.replace('l2', 'L2')}",
            caption=f"{text[0].upper()}{text[1:]} between {change.compared}.",
            finish=partial(_finish, f"{text}\n{change.between}"),
        )
        for column, change in _CHANGES.items()
        for measure, text in _MEASURES.items()
    ]
    return [figure for figure in figures if figure is not None]


def _finish(label: str, axes: Axes, curves: Sequence[Curve]) -> None:
    axes.set_ylabel(label)
