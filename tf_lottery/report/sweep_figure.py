"""Accuracy against the value of a swept flag, after Frankle et al. (2019), arXiv 1903.01611."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tf_lottery.report.curve_figures import levels_to_show
from tf_lottery.report.density_axes import set_accuracy_axis
from tf_lottery.report.figure_canvas import FigureFile, add_legend, save_figure, small_figure
from tf_lottery.report.formats import format_density
from tf_lottery.report.landscape.curves import Curve, caption_of_curves, draw_curves
from tf_lottery.report.landscape.rewind_axis import uncrowded
from tf_lottery.report.method_results import LevelStatistics
from tf_lottery.report.method_styles import MethodStyle
from tf_lottery.report.swept_runs import Sweep

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = (
    *("run", "flag", "value", "level", "density"),
    *("mean_accuracy", "least_accuracy", "largest_accuracy", "replicates"),
)
_MARKERS = "o^DsvP"
_DENSE = MethodStyle("#000000", "", (0, (5, 1.5)), filled=True)
_LIGHTEST = 0.88
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
    pruned = levels_to_show(sorted(set(points) - {0}), None)
    shown = [*([0] if 0 in points else []), *pruned]
    curves = [_curve(level, points[level], style) for level, style in _styles(shown)]
    labels = [curve.label for curve in curves]
    with small_figure(labels) as (figure, axes):
        handles = draw_curves(axes, curves, factor=100)
        _set_axis(axes, sweep, places)
        set_accuracy_axis(axes, *_drawn_points(curves))
        add_legend(figure, handles, labels)
        words = sweep.flag.replace("_", " ")
        caption = f"Test accuracy at the end of training against --{sweep.flag}, by the weights "
        caption += "that remain."
        if len(pruned) < len(set(points) - {0}):
            caption += f" {len(pruned)} of {len(set(points) - {0})} pruned levels."
        setting = f" ({sweep.setting})" if sweep.setting else ""
        caption = f"{caption} {caption_of_curves(curves)}".strip()
        return save_figure(figure, name, f"Sweep of the {words}{setting}", caption)


def _places(sweep: Sweep) -> list[float]:
    """Where the values are along x: at their numbers, or side by side."""
    return [
        float(place) if run.number is None else run.number for place, run in enumerate(sweep.runs)
    ]


def _curve(level: int, points: dict[float, LevelStatistics], style: MethodStyle) -> Curve:
    densities = sorted({round(found.density, 6) for found in points.values()})
    label = f"{format_density(densities[-1])} of the weights"
    if level == 0:
        label = "dense network"
    elif densities[0] < 0.99 * densities[-1]:
        # The densities of a level are not the same for all values.
        label = f"level {level}, {format_density(densities[0])} to {label}"
    curve = Curve.of(label, {place: found.known_accuracy for place, found in points.items()})
    return Curve(curve.label, curve.positions, curve.spreads, style)


def _styles(levels: Sequence[int]) -> list[tuple[int, MethodStyle]]:
    """Styles of levels: the dense network black and dashed, the others from dark to light."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    pruned = [level for level in levels if level]
    shades = colormaps["viridis"](np.linspace(0, _LIGHTEST, len(pruned)))
    styles = {
        level: MethodStyle(to_hex(shade), _MARKERS[at % len(_MARKERS)], "-", filled=True)
        for at, (level, shade) in enumerate(zip(pruned, shades, strict=True))
    }
    return [(level, styles.get(level, _DENSE)) for level in levels]


def _drawn_points(curves: Sequence[Curve]) -> np.ndarray:
    points = [
        (place, 100 * accuracy)
        for curve in curves
        for place, spread in zip(curve.positions, curve.spreads, strict=True)
        for accuracy in (spread.minimum, spread.mean, spread.maximum)
    ]
    return np.array(points).T


def _set_axis(axes: Axes, sweep: Sweep, places: Sequence[float]) -> None:
    """Makes x the values: linear, logarithmic where they span decades, or one beside another."""
    from matplotlib.ticker import FixedLocator, NullFormatter

    values = np.array(places)
    positive = values[values > 0]
    is_numeric = sweep.runs[0].number is not None
    spans_decades = positive.size > 1 and positive.max() >= _DECADE * positive.min()
    if is_numeric and (values >= 0).all() and spans_decades:
        scale = {"linthresh": positive.min()} if positive.size < values.size else {}
        axes.set_xscale("symlog" if scale else "log", **scale)
    transform = axes.xaxis.get_transform()
    along = transform.transform(values)
    margin = 0.05 * max(along[-1] - along[0], 1e-9)
    ends = np.array([along[0] - margin, along[-1] + margin])
    left, right = transform.inverted().transform(ends)
    axes.set_xlim(left, right)
    labels = [f"{value:,.10g}" for value in values] if is_numeric else [r.value for r in sweep.runs]
    labelled = uncrowded((along - ends[0]) / (ends[1] - ends[0]), labels)
    axes.set_xticks(values[labelled], [labels[tick] for tick in labelled])
    for label in axes.get_xticklabels():
        label.set_parse_math(False)
    axes.xaxis.set_minor_locator(FixedLocator(values.tolist()))
    axes.xaxis.set_minor_formatter(NullFormatter())
    unit = f" ({sweep.unit})" if sweep.unit else ""
    axes.set_xlabel(f"{sweep.flag.replace('_', ' ')}{unit}")


def _table(sweep: Sweep) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for run in sweep.runs:
        for level in run.results.levels:
            accuracy = level.accuracy
            numbers = (
                ("", "", "", 0)
                if accuracy is None
                else (accuracy.mean, accuracy.minimum, accuracy.maximum, accuracy.count)
            )
            start = run.results.run, sweep.flag, run.value, level.level, level.density
            writer.writerow([*start, *numbers])
    return text.getvalue()
