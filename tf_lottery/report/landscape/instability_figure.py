"""Figures of instability: barriers between copies, and their accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from tf_lottery.report.density_axes import GREY, set_accuracy_axis
from tf_lottery.report.figure_canvas import FigureFile
from tf_lottery.report.landscape.curves import Curve
from tf_lottery.report.landscape.levels_figure import measured_split
from tf_lottery.report.landscape.measurements import Measurement
from tf_lottery.report.landscape.rewind_axis import network_figure
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
            finish=_finish_accuracies,
            factor=100,
        ),
    ]
    return [figure for figure in figures if figure is not None]


def _finish_barriers(split: str, axes: Axes, curves: Sequence[Curve]) -> None:
    axes.axhline(_STABLE_POINTS, color=GREY, linewidth=0.8, zorder=1)
    axes.set_ylim(bottom=min(axes.get_ylim()[0], 0))
    axes.set_ylabel(f"{split} error barrier\nbetween copies (points)")


def _finish_accuracies(axes: Axes, curves: Sequence[Curve]) -> None:
    points = [
        (position, 100 * accuracy)
        for curve in curves
        for position, spread in zip(curve.positions, curve.spreads, strict=True)
        for accuracy in (spread.minimum, spread.mean, spread.maximum)
    ]
    set_accuracy_axis(axes, *np.array(points).T)
