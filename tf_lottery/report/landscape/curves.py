"""Lines of means over replicates, with bands from the least to the largest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tf_lottery.report.method_results import Spread
from tf_lottery.report.method_styles import MORE_COLOURS, MethodStyle

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

# Okabe and Ito's colours, apart for colour-blind eyes; markers and dashes tell them apart in grey.
_LOOKS = (
    ("#0072B2", "o", "-"),
    ("#009E73", "^", (0, (5, 1.5))),
    ("#D55E00", "D", (0, (1.2, 1.2))),
    ("#000000", "s", (0, (5, 1.5, 1.2, 1.5))),
    ("#CC79A7", "v", "-"),
    ("#E69F00", "P", (0, (5, 1.5))),
    ("#56B4E9", "X", (0, (1.2, 1.2))),
    *zip(
        MORE_COLOURS,
        "<>p*h",
        ((0, (5, 1.5, 1.2, 1.5)), "-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5))),
        strict=True,
    ),
)
_HEIGHT_OF_CROSSES = 0.97

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
    style: MethodStyle | None = None

    @classmethod
    def of(cls, label: str, points: dict[float, Spread]) -> Curve:
        """A line through points that are given by their position, from the least to the largest."""
        positions = sorted(points)
        return cls(label, positions, [points[position] for position in positions])


def look(index: int) -> tuple[str, str, str | tuple]:
    """Colour, marker and dash of a figure's first, second, ... line."""
    return _LOOKS[index % len(_LOOKS)]


def _style(index: int) -> MethodStyle:
    # Where the looks begin anew, lines are told apart by hollow markers.
    return MethodStyle(*look(index), filled=index // len(_LOOKS) % 2 == 0)


def draw_crosses(axes: Axes, positions: Sequence[float], colour: str) -> None:
    """Draws crosses at the upper edge, in the place of values that are not finite."""
    axes.plot(
        positions,
        np.full(len(positions), _HEIGHT_OF_CROSSES),
        "x",
        color=colour,
        markersize=6,
        transform=axes.get_xaxis_transform(),
    )


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
        style = curve.style or _style(index)
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
        (line,) = axes.plot(
            shown,
            means[drawn],
            color=style.colour,
            linestyle=style.dash,
            linewidth=1.4,
            marker=style.marker,
            markersize=4.5,
            markerfacecolor=style.colour if style.filled else "white",
        )
        if not finite.all():
            draw_crosses(axes, positions[~finite], style.colour)
        handles.append(line)
    return handles


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
