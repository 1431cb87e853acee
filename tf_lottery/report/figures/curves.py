"""Lines of means over replicates, with bands from the least to the largest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from tf_lottery.report.figures.axes import draw_threshold, set_accuracy_axis
from tf_lottery.report.figures.canvas import Canvas
from tf_lottery.report.figures.palette import LineStyle, style_of_line
from tf_lottery.report.method_results import Spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

# As many lines as can be told apart; as many levels, whose lines differ in shade.
MOST_CURVES, MOST_LEVELS_DRAWN = 7, 6

_HEIGHT_OF_CROSSES = 0.97
_Item = TypeVar("_Item")

CROSSES = "Crosses at the top: not finite."


@dataclass(frozen=True)
class Curve:
    """A line of a figure.

    Attributes:
      label: of the legend.
      positions: along x, rising or falling.
      spreads: of the replicates, at each position.
      style: how it is drawn; None: by its place among the lines of the figure.
    """

    label: str
    positions: Sequence[float]
    spreads: Sequence[Spread]
    style: LineStyle | None = None

    @classmethod
    def of(
        cls, label: str, points: Mapping[float, Spread], style: LineStyle | None = None
    ) -> Curve:
        """A line through points that are given by their position, from the least to the largest."""
        positions = sorted(points)
        return cls(label, positions, [points[position] for position in positions], style)


def evenly_spread(items: Sequence[_Item], most: int) -> list[_Item]:
    """Selects at most so many of some items, the first and the last among them."""
    places = np.linspace(0, len(items) - 1, min(len(items), most)).round().astype(int)
    return [items[place] for place in places]


def canvas_of(
    curves: Sequence[Curve],
    factor: float = 1.0,
    *,
    logarithmic: bool = False,
    with_legend: bool = True,
) -> Canvas:
    """Draws lines on a new canvas, whose caption will say what bands and crosses mean.

    Args:
      curves: the lines.
      factor: turns the values into the unit of the axis, such as 100 for points.
      logarithmic: draws the values on a logarithmic axis, and only those above 0.
      with_legend: whether those that have a label are in a legend.
    """
    labelled = [curve for curve in curves if curve.label] if with_legend else []
    canvas = Canvas([curve.label for curve in labelled])
    if logarithmic:
        canvas.axes.set_yscale("log")
    handles = zip(curves, draw_curves(canvas.axes, curves, factor), strict=True)
    canvas.legend([handle for curve, handle in handles if curve in labelled])
    canvas.note(caption_of_curves(curves, logarithmic=logarithmic))
    return canvas


def draw_curves(axes: Axes, curves: Sequence[Curve], factor: float = 1.0) -> list[Line2D]:
    """Draws lines with bands; a mean that is not finite is a cross at the upper edge.

    Args:
      axes: the axes; if they are logarithmic, means of 0 or below are left out.
      curves: the lines.
      factor: turns the values into the unit of the axis, such as 100 for points.

    Returns:
      A handle for the legend for each curve.
    """
    handles = []
    for index, curve in enumerate(curves):
        style = curve.style or style_of_line(index)
        positions = np.array(curve.positions, float)
        means, least, largest = (
            factor * np.array([getattr(spread, name) for spread in curve.spreads], float)
            for name in ("mean", "minimum", "maximum")
        )
        finite = np.isfinite(means)
        drawn = finite & (means > 0) if axes.get_yscale() == "log" else finite
        shown = positions[drawn]
        axes.fill_between(
            shown, least[drawn], largest[drawn], color=style.colour, alpha=0.15, linewidth=0
        )
        handles += axes.plot(shown, means[drawn], linewidth=1.4, markersize=4.5, **style.options())
        if not finite.all():
            draw_crosses(axes, positions[~finite], style.colour)
    return handles


def draw_crosses(axes: Axes, positions: np.ndarray, colour: str) -> None:
    """Draws crosses at the upper edge, in the place of values that are not finite."""
    axes.plot(
        positions,
        np.full(len(positions), _HEIGHT_OF_CROSSES),
        "x",
        color=colour,
        markersize=6,
        transform=axes.get_xaxis_transform(),
    )


def caption_of_curves(curves: Sequence[Curve], *, logarithmic: bool = False) -> str:
    """Says what bands and crosses mean, if there are any, and what a log axis leaves out."""
    spreads = [spread for curve in curves for spread in curve.spreads]
    sentences = []
    if any(spread.minimum < spread.maximum for spread in spreads):
        sentences.append("Lines: means over replicates; bands: from the least to the largest.")
    if not all(np.isfinite(spread.mean) for spread in spreads):
        sentences.append(CROSSES)
    if logarithmic and any(spread.mean <= 0 for spread in spreads):
        sentences.append("Values of 0 or below are not drawn.")
    return " ".join(sentences)


def fit_accuracy_axis(axes: Axes, curves: Sequence[Curve]) -> bool:
    """Fits y to curves of test accuracies, which are fractions.

    Returns:
      As `set_accuracy_axis`.
    """
    return set_accuracy_axis(axes, *_values(curves))


def fit_difference_axis(axes: Axes, curves: Sequence[Curve]) -> None:
    """Fits y to curves of differences to the dense network's accuracy, with a line at 0."""
    label = "test accuracy\nvs. dense (points)"
    set_accuracy_axis(axes, *_values(curves), label=label, unit="")
    bottom, top = axes.get_ylim()
    axes.set_ylim(min(bottom, -0.25), max(top, 0.25))
    draw_threshold(axes, 0)


def _values(curves: Sequence[Curve]) -> np.ndarray:
    """Positions and percentages of the means and the ends of bands, `[2, points]`."""
    points = [
        (position, 100 * accuracy)
        for curve in curves
        for position, spread in zip(curve.positions, curve.spreads, strict=True)
        for accuracy in (spread.minimum, spread.mean, spread.maximum)
    ]
    return np.array(points, float).reshape(-1, 2).T
