"""The figure of the papers: test accuracy against the weights that remain."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from tf_lottery.report.density_axes import draw_dense_line, set_accuracy_axis, set_density_axis
from tf_lottery.report.formats import is_number
from tf_lottery.report.summary import dense_summary
from tf_lottery.store.schema import LevelSummary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

END_LABEL = "at the end of training"
EARLY_STOP_LABEL = "at early stopping"
DENSE_LABEL = "dense"

# Okabe and Ito's blue and orange: apart for colour-blind eyes, and dark against light in grey.
_BLUE, _ORANGE = "#0072B2", "#E69F00"
_SIZE_INCHES = (6.4, 4.0)
_DOTS_PER_INCH = 300
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
    if dense is not None and dense.test_accuracy is not None:
        draw_dense_line(axes, 100 * dense.test_accuracy, DENSE_LABEL)
    _draw_curves(axes, densities, at_end, at_early_stop)
    set_density_axis(axes, densities)
    set_accuracy_axis(axes, np.tile(densities, 2), np.concatenate([at_end, at_early_stop]))
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


def _set_title(axes: Axes, title: str) -> None:
    room_for_legend = 22 if axes.get_legend() else 8
    axes.set_title(
        textwrap.fill(title, _TITLE_COLUMNS),
        loc="left",
        fontsize=10,
        pad=room_for_legend,
        parse_math=False,
    )
