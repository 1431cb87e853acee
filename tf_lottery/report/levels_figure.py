"""Figures of the barriers between levels: of neighbours, and the matrix of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tf_lottery.report.density_axes import clear_frame, set_density_axis
from tf_lottery.report.figure_canvas import FigureFile, save_figure, small_figure
from tf_lottery.report.summary import LevelSummary

_BLUE = "#0072B2"
_MOST_TICKS = 10


@dataclass(frozen=True)
class LevelPair:
    """The line between two levels.

    Attributes:
      first: a level.
      second: a later one.
      barrier: error barrier, a fraction.
      l2: distance of the two solutions.
    """

    first: int
    second: int
    barrier: float
    l2: float


def barrier_figures(
    pairs: Sequence[LevelPair], summaries: Sequence[LevelSummary], split: str
) -> list[FigureFile]:
    """Draws the barriers between levels.

    Args:
      pairs: all pairs of the levels.
      summaries: the levels, in order.
      split: the data on which the lines were measured.

    Returns:
      The figures "successive_levels" and "level_matrix".
    """
    return [_neighbours(pairs, summaries, split), _matrix(pairs, summaries, split)]


def _neighbours(
    pairs: Sequence[LevelPair], summaries: Sequence[LevelSummary], split: str
) -> FigureFile:
    of_pair = {(pair.first, pair.second): pair for pair in pairs}
    densities = np.array([100 * summary.density for summary in summaries])
    levels = [summary.level for summary in summaries]
    barriers = [100 * of_pair[pair].barrier for pair in pairwise(levels)]
    with small_figure() as (figure, axes):
        axes.plot(densities[1:], barriers, "o-", color=_BLUE, markersize=4, linewidth=1.5)
        set_density_axis(axes, densities)
        axes.set_ylabel(f"{split} error barrier\nto the level before (points)")
        clear_frame(axes)
        caption = "Error barrier between the solution of each level and of the level before."
        return save_figure(figure, "successive_levels", "Barriers between levels", caption)


def _matrix(
    pairs: Sequence[LevelPair], summaries: Sequence[LevelSummary], split: str
) -> FigureFile:
    levels = [summary.level for summary in summaries]
    place = {level: index for index, level in enumerate(levels)}
    barriers = np.zeros((len(levels), len(levels)))
    for pair in pairs:
        first, second = place[pair.first], place[pair.second]
        barriers[first, second] = barriers[second, first] = 100 * pair.barrier
    step = -(-len(levels) // _MOST_TICKS)
    with small_figure() as (figure, axes):
        # An infinite barrier is drawn as the highest there is.
        finite = barriers[np.isfinite(barriers)]
        image = axes.imshow(barriers, cmap="cividis", vmin=0, vmax=max(finite.max(), 1e-9))
        axes.set_xticks(range(0, len(levels), step), levels[::step])
        axes.set_yticks(range(0, len(levels), step), levels[::step])
        axes.set_xlabel("level")
        axes.set_ylabel("level")
        figure.colorbar(image, label=f"{split} error barrier (points)")
        caption = "Error barrier between the solutions of every two levels."
        return save_figure(figure, "level_matrix", "Barriers between all levels", caption)
