"""Learning curves: test accuracy against the iteration, a line per level.

After Frankle & Carbin (2019), figure 3: means over the replicates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tf_lottery.report.figures.axes import clear_frame
from tf_lottery.report.figures.canvas import Canvas, FigureFile
from tf_lottery.report.figures.curves import MOST_LEVELS_DRAWN, evenly_spread
from tf_lottery.report.figures.palette import shades
from tf_lottery.report.formats import format_density
from tf_lottery.report.method_results import MethodResults

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# More would only make the files larger.
_POINTS_OF_A_CURVE = 300


def learning_curves(
    method: MethodResults, name: str, ticket_level: int | None
) -> FigureFile | None:
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
        f"{format_density(densities[level])} of the weights"
        if level in densities
        else f"level {level}, in training"
        for level in chosen
    ]
    canvas, lines = Canvas(labels), []
    for shade, level in zip(shades(len(chosen)), chosen, strict=True):
        steps = evenly_spread(list(curves[level]), _POINTS_OF_A_CURVE)
        percentages = [100 * curves[level][step] for step in steps]
        dash = "-" if level in densities else ":"
        lines += canvas.axes.plot(steps, percentages, color=shade, linestyle=dash, linewidth=1.3)
    _set_axes(canvas.axes)
    canvas.legend(lines)
    count, chosen_alone = len(curves), len(chosen) < len(curves)
    if chosen_alone:
        shown = f"{len(chosen)} of {count} levels, labelled"
    else:
        shown = "The only level, labelled" if count == 1 else f"All {count} levels, labelled"
    darker = "; darker lines are denser" if len(chosen) > 1 else ""
    mean = ", mean over replicates" if len(method.records) > 1 else ""
    return canvas.figure(
        name,
        f"Learning curves: {method.label}",
        f"Test accuracy during training{mean}. {shown} by the weights that remain{darker}.",
    )


def levels_to_show(levels: Sequence[int], ticket_level: int | None) -> list[int]:
    """Selects levels that are spread evenly, the first, the last and the ticket's among them.

    Args:
      levels: those there are, ascending.
      ticket_level: the sparsest matching one, if any.

    Returns:
      At most six levels, ascending.
    """
    chosen = evenly_spread(levels, MOST_LEVELS_DRAWN)
    if ticket_level is not None and ticket_level in set(levels) - set(chosen):
        inner = chosen[1:-1]
        nearest = min(inner, key=lambda level: abs(level - ticket_level))
        chosen[chosen.index(nearest)] = ticket_level
    return sorted(chosen)


def _set_axes(axes: Axes) -> None:
    axes.set(xlabel="iteration", ylabel="test accuracy (%)")
    axes.margins(x=0.02)
    clear_frame(axes)
    # The first evaluations, at chance, would squeeze what differs between the levels.
    heights = [np.asarray(line.get_ydata(), float) for line in axes.lines]
    top, lowest = max(curve.max() for curve in heights), min(curve[-1] for curve in heights)
    room = max(0.5 * (top - lowest), 3.0)
    axes.set_ylim(max(lowest - room, 0.0), top + 0.1 * room)
