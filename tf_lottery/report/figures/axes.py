"""Axes that figures share: weights remaining, swept values, accuracies with marked outliers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tf_lottery.report.figures.canvas import FONT
from tf_lottery.report.figures.palette import GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DENSE_LABEL = "dense"

# Sizes of text of 10 points: a digit of a tick label, and the space between two labels.
_DIGIT_INCHES, _LABEL_SPACE_INCHES = 0.088, 0.11
_AXIS_SHARE_OF_WIDTH = 0.86
# Of the axis of a small figure.
_AXIS_INCHES = 3.6


def set_density_axis(axes: Axes, densities: np.ndarray) -> None:
    """Makes x the weights that remain: log scale, dense at the left, ticks at the levels.

    Args:
      axes: the axes.
      densities: percentages, each once, from dense to sparse.
    """
    span = np.log(densities[0] / densities[-1])
    margin = np.exp(max(0.04 * span, 0.05))
    axes.set_xscale("log")
    axes.set_xlim(densities[0] * margin, densities[-1] / margin)
    place = axes.get_subplotspec()
    columns = place.get_gridspec().ncols if place else 1
    axis_inches = _AXIS_SHARE_OF_WIDTH * axes.figure.get_figure(root=True).get_figwidth() / columns
    labelled = _uncrowded(densities, (span + 2 * np.log(margin)) / axis_inches)
    axes.set_xticks(labelled, [percentage_label(density) for density in labelled])
    set_minor_ticks(axes, densities)
    axes.set_xlabel("weights remaining (%)")


def set_ticks_with_room(axes: Axes, values: np.ndarray, labels: Sequence[str]) -> None:
    """Makes x reach from the first value to the last, with ticks at all and labels where they fit.

    Args:
      axes: the axes, with their scale.
      values: rising, `[values]`.
      labels: their texts.
    """
    transform = axes.xaxis.get_transform()
    along = transform.transform(values)
    margin = 0.05 * max(along[-1] - along[0], 1e-9)
    ends = np.array([along[0] - margin, along[-1] + margin])
    left, right = transform.inverted().transform(ends)
    axes.set_xlim(left, right)
    labelled = _with_room((along - ends[0]) / (ends[1] - ends[0]), labels)
    axes.set_xticks(values[labelled], [labels[tick] for tick in labelled])
    for label in axes.get_xticklabels():
        label.set_parse_math(False)
    set_minor_ticks(axes, values)


def set_minor_ticks(axes: Axes, values: np.ndarray) -> None:
    """Puts small ticks without labels at values of x."""
    from matplotlib.ticker import FixedLocator, NullFormatter

    axes.xaxis.set_minor_locator(FixedLocator(values.tolist()))
    axes.xaxis.set_minor_formatter(NullFormatter())


def set_accuracy_axis(
    axes: Axes,
    positions: np.ndarray,
    accuracies: np.ndarray,
    label: str = "test accuracy (%)",
    unit: str = "%",
) -> bool:
    """Fits y to the test accuracies; those far below the others get an arrow at the bottom.

    Args:
      axes: the axes.
      positions: along x, `[points]`.
      accuracies: percentages, or differences of some, `[points]`; NaN where unknown.
      label: of the axis.
      unit: what follows a number in a figure, such as "%".

    Returns:
      Whether there are arrows.
    """
    axes.set_ylabel(label)
    clear_frame(axes)
    known = accuracies[np.isfinite(accuracies)]
    if known.size == 0:
        axes.set_ylim(0, 100)
        return False
    top, floor = known.max(), _floor(known)
    margin = max(0.06 * (top - floor), 0.25)
    axes.set_ylim(floor - margin, top + margin)
    below = accuracies < floor - margin
    if below.any():
        _mark_below_axis(axes, np.unique(positions[below])[::-1], accuracies[below].min(), unit)
    return bool(below.any())


def clear_frame(axes: Axes) -> None:
    """Leaves of the frame what a reader needs: two sides, and light lines across."""
    axes.grid(axis="y", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def draw_threshold(axes: Axes, height: float) -> None:
    """Draws a grey line across, in the unit of y."""
    axes.axhline(height, color=GREY, linewidth=0.8, zorder=1)


def draw_dense_line(axes: Axes, value: float, written: str = "{:.1f}%") -> None:
    """Draws what the dense network has, such as its test accuracy, across all densities.

    Args:
      axes: the axes.
      value: of the dense network; a percentage, if it is not `written` otherwise.
      written: a format of the value.
    """
    axes.axhline(value, color=GREY, linewidth=0.8, zorder=1, label=DENSE_LABEL)
    _label_at_right(axes, f"{DENSE_LABEL}\n{written.format(value)}", value, "data")


def percentage_label(percentage: float) -> str:
    """Writes a percentage without its sign, such as "51.2", "0.69" or "100"."""
    if percentage >= 0.995:
        return f"{percentage:.1f}".removesuffix(".0")
    return np.format_float_positional(
        percentage, precision=2, unique=False, fractional=False, trim="k"
    )


def _uncrowded(densities: np.ndarray, span_of_an_inch: float) -> list[float]:
    """Returns the densities that get a label: both ends, and those between that have room."""
    # The same room for every label, so that equal pruning rates give equal distances.
    digits = max(len(percentage_label(density)) for density in densities)
    room = (digits * _DIGIT_INCHES + _LABEL_SPACE_INCHES) * span_of_an_inch
    labelled = [densities[0]]
    for density in densities[1:]:
        if np.log(labelled[-1] / density) >= room:
            labelled.append(density)
    if len(labelled) > 1:
        labelled[-1] = densities[-1]
    return labelled


def _with_room(places: np.ndarray, labels: Sequence[str]) -> list[int]:
    """Chooses the ticks that get a label: both ends, and those between that have room.

    Args:
      places: of the ticks along the axis, from 0 to 1.
      labels: their texts.
    """
    inches, last = _AXIS_INCHES * places, len(labels) - 1

    def has_room(left: int, right: int) -> bool:
        width = _DIGIT_INCHES * (len(labels[left]) + len(labels[right])) / 2
        return inches[right] - inches[left] >= width + _LABEL_SPACE_INCHES

    chosen = [0]
    for tick in range(1, last):
        if has_room(chosen[-1], tick) and has_room(tick, last):
            chosen.append(tick)
    return [*chosen, last]


def _floor(values: np.ndarray) -> float:
    """Returns the lowest accuracy to show: the lowest there is, unless the rest lies far above."""
    top, lowest = values.max(), values.min()
    bulk = top - np.quantile(values, 0.25)
    if bulk < 0.1 * (top - lowest):
        return values[values >= top - max(5 * bulk, 2.0)].min()
    return lowest


def _mark_below_axis(axes: Axes, positions: np.ndarray, lowest: float, unit: str) -> None:
    height = 0.02
    axes.plot(
        positions,
        np.full(len(positions), height),
        "v",
        color=GREY,
        markersize=5,
        transform=axes.get_xaxis_transform(),
        label="_below the axis",
    )
    _label_at_right(axes, f"down to\n{lowest:.1f}{unit}", height, "axes fraction")


def _label_at_right(axes: Axes, text: str, y: float, y_coordinates: str) -> None:
    axes.annotate(
        text,
        xy=(1, y),
        xycoords=("axes fraction", y_coordinates),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        fontfamily=FONT,
        fontsize=9,
        color=GREY,
    )
