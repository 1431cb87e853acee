"""The figure of the papers: test accuracy against the weights that remain."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tf_lottery.report.figures.axes import draw_dense_line, set_accuracy_axis, set_density_axis
from tf_lottery.report.figures.canvas import FONT, Canvas, FigureFile
from tf_lottery.report.figures.palette import BLUE, ORANGE
from tf_lottery.report.formats import is_known
from tf_lottery.report.summary import dense_summary
from tf_lottery.store.schema import LevelSummary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

END_LABEL = "at the end of training"
EARLY_STOP_LABEL = "at early stopping"

_SIZE_INCHES = (6.4, 4.0)
_DOTS_PER_INCH = 300
_TITLE_COLUMNS = 60


def summary_figure(summaries: Sequence[LevelSummary], title: str) -> FigureFile:
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
    if not summaries:
        raise ValueError("summaries is empty; a figure needs at least one level")
    summaries = sorted(summaries, key=lambda summary: -summary.density)
    densities = np.array([100 * summary.density for summary in summaries])
    at_end = _percentages([summary.test_accuracy for summary in summaries])
    at_early_stop = _percentages([summary.early_stop_test_accuracy for summary in summaries])
    dense = dense_summary(summaries)
    canvas = Canvas(inches=_SIZE_INCHES, dots_per_inch=_DOTS_PER_INCH)
    axes = canvas.axes
    axes.tick_params(labelsize=10)
    if dense is not None and dense.test_accuracy is not None:
        draw_dense_line(axes, 100 * dense.test_accuracy)
    _draw_curves(axes, densities, at_end, at_early_stop)
    set_density_axis(axes, densities)
    set_accuracy_axis(axes, np.tile(densities, 2), np.concatenate([at_end, at_early_stop]))
    _set_title(axes, title)
    return canvas.figure("summary", title)


def _percentages(accuracies: Sequence[float | None]) -> np.ndarray:
    return np.array([100 * value if is_known(value) else np.nan for value in accuracies])


def _draw_curves(
    axes: Axes, densities: np.ndarray, at_end: np.ndarray, at_early_stop: np.ndarray
) -> None:
    size = 5 if len(densities) <= 20 else 4
    curves = []
    if np.isfinite(at_early_stop).any():
        options = {"markerfacecolor": "white", "linewidth": 1.2, "label": EARLY_STOP_LABEL}
        curves += axes.plot(
            # Larger: where both are the same it is still to be seen.
            *(densities, at_early_stop, "s--"),
            color=ORANGE,
            markersize=size + 3,
            **options,
        )
    options = {"linewidth": 1.6, "label": END_LABEL}
    curves += axes.plot(densities, at_end, "o-", color=BLUE, markersize=size, **options)
    if len(curves) > 1:
        axes.legend(
            handles=curves[::-1],
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=2,
            frameon=False,
            borderaxespad=0,
            prop={"family": FONT, "size": 9},
        )


def _set_title(axes: Axes, title: str) -> None:
    room_for_legend = 22 if axes.get_legend() else 8
    axes.set_title(
        textwrap.fill(title, _TITLE_COLUMNS),
        loc="left",
        fontfamily=FONT,
        fontsize=10,
        pad=room_for_legend,
        parse_math=False,
    )
