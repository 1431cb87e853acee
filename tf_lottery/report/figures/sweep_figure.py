"""Accuracy against the value of a swept flag, after Frankle et al. (2019), arXiv 1903.01611."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from operator import attrgetter
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
    fit_difference_axis,
)
from tf_lottery.report.figures.palette import BLACK, DASHES, MARKERS, LineStyle, shades
from tf_lottery.report.formats import format_density
from tf_lottery.report.method_results import LevelStatistics, Spread
from tf_lottery.report.report_csv import (
    ACCURACY_COLUMNS,
    AGAINST_DENSE_COLUMNS,
    against_dense_cells,
)
from tf_lottery.report.swept_runs import Sweep
from tf_lottery.store.csv_files import table_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = ("run", "flag", "value", "level", "density", *ACCURACY_COLUMNS, *AGAINST_DENSE_COLUMNS)
_DENSE = LineStyle(BLACK, "", DASHES[1])
# From here on values would be crowded on a linear axis.
_DECADE = 10


@dataclass(frozen=True)
class SweepFiles:
    """What a report has of a sweep.

    Attributes:
      name: of the CSV file, and what the names of the figures begin with.
      title: a heading.
      figures: of the mean test accuracy at the end of training against the value, with a line for
        each level and one for the dense network; and, if any run has pruned levels, of the
        differences to the dense networks of the same replicates.
      table: CSV text with a row for each value and level.
    """

    name: str
    title: str
    figures: tuple[FigureFile, ...]
    table: str


def sweep_files(sweeps: Sequence[Sweep]) -> list[SweepFiles]:
    """Draws each sweep, and writes its numbers; those without an accuracy are left out.

    Args:
      sweeps: of a report.
    """
    named = [(sweep, f"sweep_of_{sweep.flag}") for sweep in sweeps]
    files = []
    for place, (sweep, name) in enumerate(named):
        same = [at for at, (_, other) in enumerate(named) if other == name]
        name = f"{name}_{same.index(place) + 1}" if len(same) > 1 else name
        figures = [_accuracy_figure(sweep, name), _difference_figure(sweep, name)]
        drawn = tuple(figure for figure in figures if figure is not None)
        if drawn:
            files.append(SweepFiles(name, _title(sweep), drawn, _table(sweep)))
    return files


def _accuracy_figure(sweep: Sweep, name: str) -> FigureFile | None:
    caption = (
        f"Test accuracy at the end of training against --{sweep.flag}, by the weights that remain."
    )
    accuracy = attrgetter("accuracy")
    return _figure(sweep, name, _title(sweep), caption, accuracy, fit_accuracy_axis)


def _difference_figure(sweep: Sweep, name: str) -> FigureFile | None:
    title = f"{_title(sweep)}, against the dense network"
    caption = (
        f"Test accuracy at the end of training against --{sweep.flag}, as the difference to the "
        "dense network of the same replicate. Grey line: as accurate as it."
    )
    difference = attrgetter("against_dense")
    return _figure(sweep, f"{name}_against_dense", title, caption, difference, fit_difference_axis)


def _figure(
    sweep: Sweep,
    name: str,
    title: str,
    caption: str,
    of: Callable[[LevelStatistics], Spread | None],
    fit_axis: Callable[[Axes, Sequence[Curve]], object],
) -> FigureFile | None:
    """Draws a quantity of each level against the value; None where none is known."""
    curves, notes = _curves(sweep, of)
    if not curves:
        return None
    canvas = canvas_of(curves, factor=100)
    _set_axis(canvas.axes, sweep, _places(sweep))
    fit_axis(canvas.axes, curves)
    return canvas.figure(name, title, caption, *notes)


def _title(sweep: Sweep) -> str:
    setting = f" ({sweep.setting})" if sweep.setting else ""
    return f"Sweep of the {sweep.flag.replace('_', ' ')}{setting}"


def _curves(
    sweep: Sweep, of: Callable[[LevelStatistics], Spread | None]
) -> tuple[list[Curve], list[str]]:
    """A line for each level, and what the caption says of those that are left out."""
    points: dict[int, dict[float, LevelStatistics]] = {}
    for place, run in zip(_places(sweep), sweep.runs, strict=True):
        for level in run.results.levels:
            if of(level) is not None:
                points.setdefault(level.level, {})[place] = level
    pruned = sorted(points.keys() - {0})
    shown = evenly_spread(pruned, MOST_LEVELS_DRAWN)
    styles = [
        LineStyle(shade, marker, "-")
        for shade, marker in zip(shades(len(shown)), MARKERS, strict=False)
    ]
    curves = [
        _curve(level, points[level], of, style)
        for level, style in zip((0, *shown), (_DENSE, *styles), strict=True)
        if level in points
    ]
    left_out = len(shown) < len(pruned)
    return curves, [f"{len(shown)} of {len(pruned)} pruned levels."] if left_out else []


def _places(sweep: Sweep) -> list[float]:
    """Where the values are along x: at their numbers, or side by side."""
    return [
        float(place) if run.number is None else run.number for place, run in enumerate(sweep.runs)
    ]


def _curve(
    level: int,
    points: dict[float, LevelStatistics],
    of: Callable[[LevelStatistics], Spread | None],
    style: LineStyle,
) -> Curve:
    densities = sorted({round(found.density, 6) for found in points.values()})
    label = f"{format_density(densities[-1])} of the weights"
    if level == 0:
        label = "dense network"
    elif densities[0] < 0.99 * densities[-1]:
        # The densities of a level are not the same for all values.
        label = f"level {level}, {format_density(densities[0])} to {label}"
    spreads = {place: spread for place, found in points.items() if (spread := of(found))}
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
            row = dict(zip(_COLUMNS, (*start, *accuracy), strict=False))
            rows.append(row | against_dense_cells(level))
    return table_text(_COLUMNS, rows)
