"""The figure of the papers: test accuracy against the weights that remain."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from tf_lottery.report.formats import is_number
from tf_lottery.report.summary import LevelSummary, dense_summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

END_LABEL = "at the end of training"
EARLY_STOP_LABEL = "at early stopping"
DENSE_LABEL = "dense"

# Okabe and Ito's blue and orange: apart for colour-blind eyes, and dark against light in grey.
_BLUE, _ORANGE, _GREY = "#0072B2", "#E69F00", "#595959"
_SIZE_INCHES = (6.4, 4.0)
_DOTS_PER_INCH = 300
# As fractions of the axis length: a digit of a tick label, and the space between two labels.
_DIGIT_WIDTH, _LABEL_SPACE = 0.016, 0.02
_TITLE_COLUMNS = 60


def accuracy_figure(summaries: Sequence[LevelSummary], title: str) -> Figure:
    """Draws test accuracy (%) against weights remaining (%, log scale, dense at the left).

    Levels that collapse far below the others leave the axes at the bottom, marked by arrows, so
    that the range in which the others differ stays readable.

    Args:
      summaries: the levels; accuracies that are None or NaN are left out.
      title: printed above the axes.

    Returns:
      A figure with one pair of axes, whose lines are labelled `END_LABEL`, `EARLY_STOP_LABEL` (if
      any level has that) and `DENSE_LABEL` (if level 0 is there).

    Raises:
      ValueError: `summaries` is empty.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not summaries:
        raise ValueError("summaries is empty; a figure needs at least one level")
    summaries = sorted(summaries, key=lambda summary: -summary.density)
    densities = np.array([100 * summary.density for summary in summaries])
    at_end = _percentages([summary.test_accuracy for summary in summaries])
    at_early_stop = _percentages([summary.early_stop_test_accuracy for summary in summaries])
    dense = dense_summary(summaries)

    figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    if dense is not None:
        _draw_dense_line(axes, 100 * dense.test_accuracy)
    _draw_curves(axes, densities, at_end, at_early_stop)
    _set_density_axis(axes, densities)
    _set_accuracy_axis(axes, densities, at_end, at_early_stop)
    _set_title(axes, title)
    return figure


def save_summary_figure(
    path: str | Path | IO[bytes], summaries: Sequence[LevelSummary], title: str
) -> None:
    """Writes `accuracy_figure` as a PNG; the same summaries give the same bytes.

    Args:
      path: a path, with any suffix, or a binary file.
      summaries: the levels; accuracies that are None or NaN are left out.
      title: printed above the axes.
    """
    accuracy_figure(summaries, title).savefig(
        path, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None}
    )


def _percentages(accuracies: Sequence[float | None]) -> np.ndarray:
    return np.array([100 * value if is_number(value) else np.nan for value in accuracies])


def _draw_dense_line(axes: Axes, accuracy: float) -> None:
    axes.axhline(accuracy, color=_GREY, linewidth=0.8, zorder=1, label=DENSE_LABEL)
    _label_at_right(axes, f"{DENSE_LABEL}\n{accuracy:.1f}%", accuracy, "data")


def _draw_curves(
    axes: Axes, densities: np.ndarray, at_end: np.ndarray, at_early_stop: np.ndarray
) -> None:
    marker_size = 5 if len(densities) <= 20 else 4
    curves = []
    if np.isfinite(at_early_stop).any():
        curves += axes.plot(
            densities,
            at_early_stop,
            "s--",
            color=_ORANGE,
            markerfacecolor="white",
            markersize=marker_size,
            linewidth=1.2,
            label=EARLY_STOP_LABEL,
        )
    curves += axes.plot(
        densities,
        at_end,
        "o-",
        color=_BLUE,
        markersize=marker_size,
        linewidth=1.6,
        label=END_LABEL,
    )
    if len(curves) > 1:
        axes.legend(
            handles=curves[::-1],
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=2,
            frameon=False,
            borderaxespad=0,
            fontsize=9,
        )


def _set_density_axis(axes: Axes, densities: np.ndarray) -> None:
    from matplotlib.ticker import FixedLocator, NullFormatter

    span = np.log(densities[0] / densities[-1])
    margin = np.exp(max(0.04 * span, 0.05))
    axes.set_xscale("log")
    axes.set_xlim(densities[0] * margin, densities[-1] / margin)
    labelled = _uncrowded(densities, span + 2 * np.log(margin))
    axes.set_xticks(labelled, [_tick_label(density) for density in labelled])
    axes.xaxis.set_minor_locator(FixedLocator(densities))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("weights remaining (%)")


def _uncrowded(densities: np.ndarray, axis_span: float) -> list[float]:
    """Returns the densities that get a label: both ends, and those between that have room."""
    # The same room for every label, so that equal pruning rates give equal distances.
    digits = max(len(_tick_label(density)) for density in densities)
    room = (digits * _DIGIT_WIDTH + _LABEL_SPACE) * axis_span
    labelled = [densities[0]]
    for density in densities[1:]:
        if np.log(labelled[-1] / density) >= room:
            labelled.append(density)
    if len(labelled) > 1:
        labelled[-1] = densities[-1]
    return labelled


def _tick_label(percentage: float) -> str:
    if percentage >= 0.995:
        return f"{percentage:.1f}".removesuffix(".0")
    return np.format_float_positional(
        percentage, precision=2, unique=False, fractional=False, trim="k"
    )


def _set_accuracy_axis(
    axes: Axes, densities: np.ndarray, at_end: np.ndarray, at_early_stop: np.ndarray
) -> None:
    axes.set_ylabel("test accuracy (%)")
    axes.grid(axis="y", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    values = np.concatenate([at_end, at_early_stop])
    values = values[np.isfinite(values)]
    if values.size == 0:
        axes.set_ylim(0, 100)
        return
    top, floor = values.max(), _floor(values)
    margin = max(0.06 * (top - floor), 0.25)
    axes.set_ylim(floor - margin, top + margin)
    lowest = np.fmin(at_end, at_early_stop)
    below = lowest < floor - margin
    if below.any():
        _mark_below_axis(axes, densities[below], lowest[below].min())


def _floor(values: np.ndarray) -> float:
    """Returns the lowest accuracy to show: the lowest there is, unless the rest lies far above."""
    top, lowest = values.max(), values.min()
    bulk = top - np.quantile(values, 0.25)
    if bulk < 0.1 * (top - lowest):
        return values[values >= top - max(5 * bulk, 2.0)].min()
    return lowest


def _mark_below_axis(axes: Axes, densities: np.ndarray, lowest: float) -> None:
    height = 0.02
    axes.plot(
        densities,
        np.full(len(densities), height),
        "v",
        color=_GREY,
        markersize=5,
        transform=axes.get_xaxis_transform(),
        label="_below the axis",
    )
    _label_at_right(axes, f"down to\n{lowest:.1f}%", height, "axes fraction")


def _label_at_right(axes: Axes, text: str, y: float, y_coordinates: str) -> None:
    axes.annotate(
        text,
        xy=(1, y),
        xycoords=("axes fraction", y_coordinates),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        fontsize=9,
        color=_GREY,
    )


def _set_title(axes: Axes, title: str) -> None:
    room_for_legend = 22 if axes.get_legend() else 8
    axes.set_title(
        textwrap.fill(title, _TITLE_COLUMNS),
        loc="left",
        fontsize=10,
        pad=room_for_legend,
        parse_math=False,
    )
