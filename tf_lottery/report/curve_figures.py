"""Learning curves: test accuracy against the iteration, a line per level.

After Frankle & Carbin (2019), figure 3: means over the replicates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tf_lottery.report.density_axes import clear_frame
from tf_lottery.report.figure_canvas import FigureFile, add_legend, save_figure, small_figure
from tf_lottery.report.formats import format_density
from tf_lottery.report.method_results import MethodResults
from tf_lottery.report.run_records import Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LEVELS_SHOWN = 6
# From dark to light; the lightest of the colour map would be lost on white.
_DARKEST, _LIGHTEST = 0.0, 0.88
# More would only make the files larger.
_POINTS_OF_A_CURVE = 300


def curve_figure(method: MethodResults, name: str, ticket_level: int | None) -> FigureFile | None:
    """Draws the learning curves of a selection of levels.

    Args:
      method: a run or a branch.
      name: of the files.
      ticket_level: a level that is shown in any case.

    Returns:
      The figure, or None if no level has two evaluations.
    """
    densities = {level.level: level.density for level in method.levels}
    curves = {
        level: curve
        for level in sorted(densities.keys() | set(method.levels_in_training()))
        if len(curve := method.mean_curve(level)) > 1
    }
    chosen = levels_to_show(sorted(curves), ticket_level)
    if not chosen:
        return None
    labels = [
        format_density(densities[level]) if level in densities else f"level {level}, in training"
        for level in chosen
    ]
    with small_figure(labels) as (figure, axes):
        lines = []
        for shade, level in zip(_shades(len(chosen)), chosen, strict=True):
            steps, accuracies = _thinned(curves[level])
            dash = "-" if level in densities else ":"
            lines += axes.plot(steps, accuracies, color=shade, linestyle=dash, linewidth=1.3)
        _set_axes(axes)
        add_legend(figure, lines, labels)
        shown = "All levels" if len(chosen) == len(curves) else f"{len(chosen)} levels"
        caption = (
            f"Test accuracy during training, mean over replicates. {shown} of {len(curves)}, "
            "named by the weights that remain: the darker, the denser."
        )
        title = f"Learning curves: {method.label}"
        return save_figure(figure, name, title, caption)


def levels_to_show(levels: Sequence[int], ticket_level: int | None) -> list[int]:
    """Selects levels that are spread evenly, the first, the last and the ticket's among them.

    Args:
      levels: those there are, ascending.
      ticket_level: the sparsest matching one, if any.

    Returns:
      At most six levels, ascending.
    """
    if len(levels) <= _LEVELS_SHOWN:
        return list(levels)
    places = np.linspace(0, len(levels) - 1, _LEVELS_SHOWN).round().astype(int)
    chosen = [levels[place] for place in places]
    if ticket_level in levels and ticket_level not in chosen:
        inner = chosen[1:-1]
        nearest = min(inner, key=lambda level: abs(level - ticket_level))
        chosen[chosen.index(nearest)] = ticket_level
    return sorted(chosen)


def _shades(count: int) -> np.ndarray:
    from matplotlib import colormaps

    return colormaps["viridis"](np.linspace(_DARKEST, _LIGHTEST, count))


def _thinned(curve: Curve) -> tuple[np.ndarray, np.ndarray]:
    """Returns iterations and percentages, of which the first and the last are always kept."""
    steps = np.array(list(curve))
    kept = np.linspace(0, len(steps) - 1, min(len(steps), _POINTS_OF_A_CURVE)).round().astype(int)
    return steps[kept], 100 * np.array(list(curve.values()))[kept]


def _set_axes(axes: Axes) -> None:
    axes.set_xlabel("iteration")
    axes.set_ylabel("test accuracy (%)")
    axes.margins(x=0.02)
    clear_frame(axes)
    # The first evaluations, at chance, would squeeze what differs between the levels.
    heights = [np.asarray(line.get_ydata(), float) for line in axes.lines]
    top, lowest = max(curve.max() for curve in heights), min(curve[-1] for curve in heights)
    room = max(0.5 * (top - lowest), 3.0)
    axes.set_ylim(max(lowest - room, 0.0), top + 0.1 * room)
