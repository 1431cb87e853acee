"""Figures with a line per method against the weights that remain: accuracies, and learning speed.

After Frankle & Carbin (2019), figures 1, 3 and 4: means, with the range of the replicates.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tf_lottery.report.figures.axes import clear_frame, draw_dense_line, set_density_axis
from tf_lottery.report.figures.canvas import FigureFile, drawn
from tf_lottery.report.figures.curves import Curve, canvas_of, fit_accuracy_axis
from tf_lottery.report.figures.palette import LineStyle
from tf_lottery.report.method_results import LevelStatistics, MethodResults, Spread


@dataclass(frozen=True)
class _Quantity:
    """What a figure shows of each level: an accuracy, or an iteration."""

    name: str
    title: str
    caption: str
    of: Callable[[LevelStatistics], Spread | None]
    is_accuracy: bool = True


_QUANTITIES = (
    _Quantity(
        "accuracy_at_end",
        "Test accuracy at the end of training",
        "Test accuracy at the end of training against the weights that remain (log scale, dense "
        "at the left).",
        lambda level: level.accuracy,
    ),
    _Quantity(
        "accuracy_at_early_stop",
        "Test accuracy at early stopping",
        "Test accuracy at the iteration of the lowest validation loss.",
        lambda level: level.early_stop_accuracy,
    ),
    _Quantity(
        "early_stop_iteration",
        "Iterations to early stopping",
        "Iteration of the lowest validation loss: the lower, the faster the network learns.",
        lambda level: level.early_stop_step,
        is_accuracy=False,
    ),
)


def level_figures(
    methods: Sequence[MethodResults], styles: Sequence[LineStyle]
) -> list[FigureFile]:
    """Draws accuracy at the end, accuracy at early stopping, and the iteration of the latter.

    Args:
      methods: runs and branches.
      styles: how each is drawn.

    Returns:
      Those of the three figures for which there is any number, in this order.
    """
    return drawn(_level_figure(methods, styles, quantity) for quantity in _QUANTITIES)


def _level_figure(
    methods: Sequence[MethodResults], styles: Sequence[LineStyle], quantity: _Quantity
) -> FigureFile | None:
    found = {
        method.label: _curve(method, style, quantity)
        for method, style in zip(methods, styles, strict=True)
    }
    curves = [curve for curve in found.values() if curve.positions]
    if not curves:
        return None
    canvas = canvas_of(curves, factor=100 if quantity.is_accuracy else 1)
    set_density_axis(canvas.axes, _distinct([x for curve in curves for x in curve.positions]))
    if quantity.is_accuracy:
        if fit_accuracy_axis(canvas.axes, curves):
            canvas.note("Arrows: levels below the axis.")
        dense = [found[method.label] for method in methods if _is_dense(method, quantity)]
        if len(dense) == 1:
            draw_dense_line(canvas.axes, 100 * dense[0].spreads[0].mean)
    else:
        largest = max(spread.maximum for curve in curves for spread in curve.spreads)
        canvas.axes.set_ylabel("early-stopping iteration")
        canvas.axes.set_ylim(0, max(1.05 * largest, 1))
        clear_frame(canvas.axes)
    return canvas.figure(quantity.name, quantity.title, quantity.caption)


def _curve(method: MethodResults, style: LineStyle, quantity: _Quantity) -> Curve:
    """A line over percentages of weights, from dense to sparse."""
    points = [(100 * level.density, quantity.of(level)) for level in method.levels]
    known = [(density, spread) for density, spread in points if spread is not None]
    known.sort(key=lambda point: -point[0])
    densities, spreads = [density for density, _ in known], [spread for _, spread in known]
    return Curve(method.label, densities, spreads, style)


def _is_dense(method: MethodResults, quantity: _Quantity) -> bool:
    if method.branch is not None or not method.levels or method.begins_with_a_ticket:
        return False
    return method.levels[0].level == 0 and quantity.of(method.levels[0]) is not None


def _distinct(densities: Sequence[float]) -> np.ndarray:
    """Returns the densities from dense to sparse; those that differ by rounding only once."""
    ordered = np.sort(densities)[::-1]
    apart = np.diff(np.log(ordered)) < -1e-3
    return ordered[np.concatenate([[True], apart])]
