"""Figures of what was measured at each level, against the weights that remain."""

from collections.abc import Mapping, Sequence

import numpy as np

from tf_lottery.report.figures.axes import clear_frame, draw_threshold, set_density_axis
from tf_lottery.report.figures.canvas import FigureFile
from tf_lottery.report.figures.curves import Curve, canvas_of
from tf_lottery.report.landscape.measurements import Measurement, measured_runs, spreads


def curves_by_density(
    measurements: Sequence[Measurement],
    labels: Mapping[str, str],
    density: str = "density",
    level: str = "level",
) -> list[Curve]:
    """Makes a curve for each run and column that has a number.

    Replicates of a level are a point together, at the mean of their densities.

    Args:
      measurements: of one run or several.
      labels: of the curves, by column; the run's goes in front of them if there are several runs.
      density: the column that holds the fraction of weights that remain.
      level: the column that holds the level; rows that lack it are told apart by their densities.

    Returns:
      The curves of each run in turn, against percentages.
    """
    runs = measured_runs(measurements)
    has_levels = all(level in row for found in measurements for row in found.rows)
    key = [level if has_levels else density]
    densities = spreads(measurements, key, density)
    curves = []
    for column, label in labels.items():
        points: dict[str, dict] = {run: {} for run in runs}
        for (run, place), spread in spreads(measurements, key, column).items():
            points[run][100 * densities[run, place].mean] = spread
        for run, found in points.items():
            texts = [run, label] if len(runs) > 1 else [label]
            if found:
                curves.append((run, Curve.of(": ".join(filter(None, texts)), found)))
    return [curve for _, curve in sorted(curves, key=lambda pair: runs.index(pair[0]))]


def density_figure(
    curves: Sequence[Curve],
    ylabel: str,
    name: str,
    title: str,
    caption: str,
    *,
    factor: float = 1.0,
    logarithmic: bool = False,
    level: float | None = None,
) -> FigureFile | None:
    """Draws curves against the weights that remain, dense at the left.

    Args:
      curves: against percentages; those without a label are in no legend.
      ylabel: of the vertical axis.
      name: of the figure's files.
      title: a heading.
      caption: what is to be seen; what bands and crosses mean is added.
      factor: turns the values into the unit of the axis.
      logarithmic: draws the values on a logarithmic axis, and only those above 0.
      level: a value at which a grey line is drawn across, in the unit of the axis.

    Returns:
      The figure; None if there is nothing to draw.
    """
    if not curves:
        return None
    canvas = canvas_of(curves, factor, logarithmic=logarithmic)
    if level is not None:
        draw_threshold(canvas.axes, level)
    densities = np.array(sorted({x for curve in curves for x in curve.positions}, reverse=True))
    set_density_axis(canvas.axes, densities)
    canvas.axes.set_ylabel(ylabel)
    clear_frame(canvas.axes)
    return canvas.figure(name, title, caption)
