"""Figures with a line per method against the weights that remain: accuracies, and learning speed.

After Frankle & Carbin (2019), figures 1, 3 and 4: means, with the range of the replicates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tf_lottery.report.density_axes import (
    clear_frame,
    draw_dense_line,
    set_accuracy_axis,
    set_density_axis,
)
from tf_lottery.report.figure_canvas import FigureFile, add_legend, save_figure, small_figure
from tf_lottery.report.method_results import LevelStatistics, MethodResults, Spread
from tf_lottery.report.method_styles import MethodStyle

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D


@dataclass(frozen=True)
class _Quantity:
    """What a figure shows of each level; `factor` turns it into the unit of the axis."""

    name: str
    title: str
    caption: str
    of: Callable[[LevelStatistics], Spread | None]
    factor: float
    is_accuracy: bool


_QUANTITIES = (
    _Quantity(
        "accuracy_at_end",
        "Test accuracy at the end of training",
        "Test accuracy at the end of training against the weights that remain (log scale, dense "
        "at the left).",
        lambda level: level.accuracy,
        factor=100,
        is_accuracy=True,
    ),
    _Quantity(
        "accuracy_at_early_stop",
        "Test accuracy at early stopping",
        "Test accuracy at the iteration of the lowest validation loss.",
        lambda level: level.early_stop_accuracy,
        factor=100,
        is_accuracy=True,
    ),
    _Quantity(
        "early_stop_iteration",
        "Iterations to early stopping",
        "Iteration of the lowest validation loss: the lower, the faster the network learns.",
        lambda level: level.early_stop_step,
        factor=1,
        is_accuracy=False,
    ),
)


def level_figures(
    methods: Sequence[MethodResults], styles: Sequence[MethodStyle]
) -> list[FigureFile]:
    """Draws accuracy at the end, accuracy at early stopping, and the iteration of the latter.

    Args:
      methods: runs and branches.
      styles: how each is drawn.

    Returns:
      Those of the three figures for which there is any number, in this order.
    """
    figures = (_level_figure(methods, styles, quantity) for quantity in _QUANTITIES)
    return [figure for figure in figures if figure is not None]


def _level_figure(
    methods: Sequence[MethodResults], styles: Sequence[MethodStyle], quantity: _Quantity
) -> FigureFile | None:
    all_points = [_points(method, quantity) for method in methods]
    shown = [index for index, points in enumerate(all_points) if points.size]
    if not shown:
        return None
    labels = [methods[index].label for index in shown]
    together = np.concatenate([all_points[index] for index in shown], axis=1)
    dense = [all_points[index][1, 0] for index in shown if _is_dense(methods[index], quantity)]
    with small_figure(labels) as (figure, axes):
        lines = [_draw(axes, styles[index], all_points[index]) for index in shown]
        set_density_axis(axes, _distinct(together[0]))
        if quantity.is_accuracy:
            set_accuracy_axis(axes, np.tile(together[0], 3), together[1:].ravel())
            if len(dense) == 1:
                draw_dense_line(axes, dense[0], "dense")
        else:
            axes.set_ylabel("early-stopping iteration")
            axes.set_ylim(0, max(1.05 * together[3].max(), 1))
            clear_frame(axes)
        add_legend(figure, lines, labels)
        caption = f"{quantity.caption} {_caption_of_lines(axes, together)}".strip()
        return save_figure(figure, quantity.name, quantity.title, caption)


def _points(method: MethodResults, quantity: _Quantity) -> np.ndarray:
    """Returns an array [4, levels], from dense to sparse: density, mean, least, largest."""
    spreads = [(100 * level.density, quantity.of(level)) for level in method.levels]
    columns = [
        (density, *(quantity.factor * np.array([spread.mean, spread.minimum, spread.maximum])))
        for density, spread in spreads
        if spread is not None
    ]
    return np.array(sorted(columns, key=lambda column: -column[0])).T


def _is_dense(method: MethodResults, quantity: _Quantity) -> bool:
    first = method.levels[0]
    return method.branch is None and first.level == 0 and quantity.of(first) is not None


def _draw(axes: Axes, style: MethodStyle, points: np.ndarray) -> Line2D:
    densities, means, least, largest = points
    axes.fill_between(densities, least, largest, color=style.colour, alpha=0.15, linewidth=0)
    (line,) = axes.plot(
        densities,
        means,
        color=style.colour,
        linestyle=style.dash,
        linewidth=1.4,
        marker=style.marker,
        markersize=4.5,
        markerfacecolor=style.colour if style.filled else "white",
    )
    return line


def _distinct(densities: np.ndarray) -> np.ndarray:
    """Returns the densities from dense to sparse; those that differ by rounding only once."""
    ordered = np.sort(densities)[::-1]
    apart = np.diff(np.log(ordered)) < -1e-3
    return ordered[np.concatenate([[True], apart])]


def _caption_of_lines(axes: Axes, points: np.ndarray) -> str:
    sentences = []
    if (points[2] < points[3]).any():
        sentences.append("Lines: means over replicates; bands: from the least to the largest.")
    if any(line.get_label() == "_below the axis" for line in axes.lines):
        sentences.append("Arrows: levels below the axis.")
    return " ".join(sentences)
