"""Accuracy against the value of a swept flag, after Frankle et al. (2019), arXiv 1903.01611."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from typing import TYPE_CHECKING

import numpy as np

from tf_lottery.report.figures.axes import set_ticks_with_room
from tf_lottery.report.figures.canvas import FigureFile
from tf_lottery.report.figures.curves import (
    MOST_LEVELS_DRAWN,
    Curve,
    canvas_of,
    evenly_spread,
    fit_accuracy_axis,
)
from tf_lottery.report.figures.palette import BLACK, DASHES, MARKERS, LineStyle, shades
from tf_lottery.report.formats import format_density
from tf_lottery.report.method_results import LevelStatistics
from tf_lottery.report.report_csv import ACCURACY_COLUMNS
from tf_lottery.report.swept_runs import Sweep
from tf_lottery.store.csv_files import table_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = ("run", "flag", "value", "level", "density", *ACCURACY_COLUMNS)
_DENSE = LineStyle(BLACK, "", DASHES[1])
# From here on values would be crowded on a linear axis.
_DECADE = 10


def sweep_files(sweeps: Sequence[Sweep]) -> list[tuple[FigureFile, str]]:
    """Draws each sweep, and writes its numbers.

    Args:
      sweeps: of a report.

    Returns:
      A figure of the mean test accuracy at the end of training against the value, with a line for
      each level and one for the dense network; and CSV text with a row for each value and level.
      Sweeps without an accuracy are left out.
    """
    named = [(sweep, f"sweep_of_{sweep.flag}") for sweep in sweeps]
    files = []
    for place, (sweep, name) in enumerate(named):
        same = [at for at, (_, other) in enumerate(named) if other == name]
        name = f"{name}_{same.index(place) + 1}" if len(same) > 1 else name
        figure = sweep_figure(sweep, name)
        if figure is not None:
            files.append((figure, _table(sweep)))
    return files


def sweep_figure(sweep: Sweep, name: str) -> FigureFile | None:
    """Draws a sweep; None if no accuracy is known.

    Args:
      sweep: the runs by value.
      name: of the files.
    """
    places = _places(sweep)
    points: dict[int, dict[float, LevelStatistics]] = {}
    for place, run in zip(places, sweep.runs, strict=True):
        for level in run.results.levels:
            if level.accuracy is not None:
                points.setdefault(level.level, {})[place] = level
    if not points:
        return None
    pruned = sorted(points.keys() - {0})
    shown = evenly_spread(pruned, MOST_LEVELS_DRAWN)
    styles = [
        LineStyle(shade, marker, "-")
        for shade, marker in zip(shades(len(shown)), MARKERS, strict=False)
    ]
    curves = [
        _curve(level, points[level], style)
        for level, style in zip((0, *shown), (_DENSE, *styles), strict=True)
        if level in points
    ]
    canvas = canvas_of(curves, factor=100)
    _set_axis(canvas.axes, sweep, places)
    fit_accuracy_axis(canvas.axes, curves)
    setting = f" ({sweep.setting})" if sweep.setting else ""
    return canvas.figure(
        name,
        f"Sweep of the {sweep.flag.replace('_', ' ')}{setting}",
        f"Test accuracy at the end of training against --{sweep.flag}, by the weights that remain.",
        f"{len(shown)} of {len(pruned)} pruned levels." if len(shown) < len(pruned) else "",
    )


def _places(sweep: Sweep) -> list[float]:
    """Where the values are along x: at their numbers, or side by side."""
    return [
        float(place) if run.number is None else run.number for place, run in enumerate(sweep.runs)
    ]


def _curve(level: int, points: dict[float, LevelStatistics], style: LineStyle) -> Curve:
    densities = sorted({round(found.density, 6) for found in points.values()})
    label = f"{format_density(densities[-1])} of the weights"
    if level == 0:
        label = "dense network"
    elif densities[0] < 0.99 * densities[-1]:
        # The densities of a level are not the same for all values.
        label = f"level {level}, {format_density(densities[0])} to {label}"
    spreads = {place: found.known_accuracy for place, found in points.items()}
    return Curve.of(label, spreads, style)


def _set_axis(axes: Axes, sweep: Sweep, places: Sequence[float]) -> None:
    """Makes x the values: linear, logarithmic where they span decades, or one beside another."""
    values = np.array(places)
    positive = values[values > 0]
    is_numeric = sweep.runs[0].number is not None
    spans_decades = positive.size > 1 and positive.max() >= _DECADE * positive.min()
    if is_numeric and (values >= 0).all() and spans_decades:
        scale = {"linthresh": positive.min()} if positive.size < values.size else {}
        axes.set_xscale("symlog" if scale else "log", **scale)
    labels = [f"{value:,.10g}" for value in values] if is_numeric else [r.value for r in sweep.runs]
    set_ticks_with_room(axes, values, labels)
    unit = f" ({sweep.unit})" if sweep.unit else ""
    axes.set_xlabel(f"{sweep.flag.replace('_', ' ')}{unit}")


def _table(sweep: Sweep) -> str:
    rows = []
    for run in sweep.runs:
        for level in run.results.levels:
            start = run.results.run, sweep.flag, run.value, level.level, level.density
            accuracy = astuple(level.accuracy) if level.accuracy else (None, None, None, 0)
            rows.append(dict(zip(_COLUMNS, (*start, *accuracy), strict=True)))
    return table_text(_COLUMNS, rows)
