"""Figures of networks trained from a rewind step: against that step, or the weights that remain."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tf_lottery.report.figures.axes import clear_frame, set_density_axis, set_ticks_with_room
from tf_lottery.report.figures.canvas import FigureFile
from tf_lottery.report.figures.curves import MOST_CURVES, Curve, canvas_of
from tf_lottery.report.figures.method_styles import styles_of
from tf_lottery.report.figures.palette import LineStyle
from tf_lottery.report.formats import format_count, format_density
from tf_lottery.report.landscape.measurements import Measurement, measured_runs, spreads
from tf_lottery.report.landscape.networks import (
    baseline_notes,
    network_method,
    network_text,
)
from tf_lottery.report.method_results import Spread
from tf_lottery.store.result_columns import NETWORK_SETTINGS, network_place

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# How a legend writes the values of `NETWORK_SETTINGS`.
_TEXTS = ("learning rate {:g}", "warmup {:,}", "batch size {:,}")


@dataclass(frozen=True)
class NetworkCurves:
    """Lines of networks.

    Attributes:
      curves: over iterations, or over percentages of weights that remain.
      of_rewind_step: whether x is the rewind step.
      notes: say what baselines are, and which levels have no line.
    """

    curves: tuple[Curve, ...]
    of_rewind_step: bool
    notes: tuple[str, ...] = ()


class _RunGroup(NamedTuple):
    """Runs on the same lines: a name where other groups have the same `NETWORK_SETTINGS`."""

    name: str
    settings: tuple[float, ...]


class _Point(NamedTuple):
    group: _RunGroup
    rewind_step: int
    level: int
    network: str
    density: float
    spread: Spread


class _Line(NamedTuple):
    """What the points of a line share; no level where x tells the levels apart."""

    group: _RunGroup
    network: str
    level: int | None


def network_figure(
    measurements: Sequence[Measurement],
    column: str,
    *,
    name: str,
    title: str,
    caption: str,
    finish: Callable[[Axes, Sequence[Curve]], object],
    factor: float = 1.0,
) -> FigureFile | None:
    """Draws a column against the rewind step if there are several, else against the density.

    Args:
      measurements: rows of `NETWORK_COLUMNS` and others.
      column: the values; rows that lack one are left out.
      name: of the figure's files.
      title: a heading.
      caption: what the values are.
      finish: sets the y axis, given the lines.
      factor: turns the values into the unit of that axis.

    Returns:
      The figure; None without a value.
    """
    shown = network_curves(measurements, column)
    if not shown.curves:
        return None
    # Against the rewind step nothing else says which level a line is of.
    with_legend = shown.of_rewind_step or len(shown.curves) > 1
    canvas = canvas_of(shown.curves, factor, with_legend=with_legend)
    positions = np.unique([x for curve in shown.curves for x in curve.positions])
    if shown.of_rewind_step:
        _set_rewind_axis(canvas.axes, positions)
    else:
        set_density_axis(canvas.axes, positions[::-1])
    finish(canvas.axes, shown.curves)
    clear_frame(canvas.axes)
    return canvas.figure(name, title, caption, *shown.notes)


def network_curves(measurements: Sequence[Measurement], column: str) -> NetworkCurves:
    """Makes the lines of `network_figure`.

    Runs that differ in the rewind step alone, as those of --sweep=rewind_step:0it,500it, are points
    of the same line. Runs that differ in a setting have lines of their own, and so have runs of the
    same settings and rewind step: they are different experiments. Where there are baselines, each
    network has the colour that it has in all figures of branches.

    Args:
      measurements: rows of `NETWORK_COLUMNS` and others.
      column: the values; rows that lack one are left out.
    """
    points = _points(measurements, column)
    of_rewind_step = len({point.rewind_step for point in points}) > 1
    pruned = sorted({point.level for point in points} - {0})
    drawn = _levels_with_room(points, pruned) if of_rewind_step else pruned
    lines = _lines([point for point in points if point.level in (0, *drawn)], of_rewind_step)
    texts = _group_texts(list(dict.fromkeys(line.group for line in lines)))
    networks = [line.network for line in lines]
    curves = []
    for (line, found), style in zip(lines.items(), _styles(networks), strict=True):
        text = network_text(line.network)
        if line.level:
            text += f", {format_density(found[0].density)}"
        xs = [point.rewind_step if of_rewind_step else 100 * point.density for point in found]
        spreads_at = dict(zip(xs, (point.spread for point in found), strict=True))
        label = ", ".join(filter(None, (texts[line.group], text)))
        curves.append(Curve.of(label, spreads_at, style))
    notes = *baseline_notes(networks), *_notes(points, pruned, drawn)
    if drawn == pruned and any(line.level for line in lines):
        notes = *notes, "Percentages: the weights that remain."
    return NetworkCurves(tuple(curves), of_rewind_step, notes)


def _lines(points: Sequence[_Point], of_rewind_step: bool) -> dict[_Line, list[_Point]]:
    """The points of each line, in the order of the legend."""
    lines: dict[_Line, list[_Point]] = defaultdict(list)
    for point in points:
        if of_rewind_step:
            line = _Line(point.group, point.network, point.level)
        else:
            # The dense network is where the tickets' line begins.
            line = _Line(point.group, point.network if point.level else "ticket", None)
        lines[line].append(point)
    order = list(dict.fromkeys(point.group for point in points))

    def place(line: _Line) -> tuple:
        # The dense network last: without it the others look the same.
        is_dense = line.network == "dense"
        return order.index(line.group), is_dense, network_place(line.network), line.level

    return {line: lines[line] for line in sorted(lines, key=place)}


def _styles(networks: Sequence[str]) -> Sequence[LineStyle | None]:
    """Of lines of these networks, where colours tell networks apart, not levels or runs."""
    if set(networks) <= {"dense", "ticket"}:
        return [None] * len(networks)
    return styles_of([network_method(network) for network in networks], one_colour=True)


def _points(measurements: Sequence[Measurement], column: str) -> list[_Point]:
    key = ("rewind_step", "level", "network", *NETWORK_SETTINGS)
    names = _group_names(measurements)
    densities = spreads(measurements, key, "density")
    points = []
    for values, spread in spreads(measurements, key, column).items():
        run, step, level, network, *settings = values
        group = _RunGroup(names[run], tuple(settings))
        points.append(_Point(group, step, level, network, densities[values].mean, spread))
    return points


def _group_names(measurements: Sequence[Measurement]) -> dict[str, str]:
    """Names of runs by their labels: as little as keeps their groups apart."""
    conditions = {
        (measurement.run, row["rewind_step"], *(row[name] for name in NETWORK_SETTINGS))
        for measurement in measurements
        for row in measurement.rows
    }
    labels = measured_runs(measurements)
    # Nothing, the name before a sweep of the rewind step, the whole label.
    for name in (lambda label: "", lambda label: re.sub("_rewind_step_[^_/]+", "", label)):
        if len({(name(label), *condition) for label, *condition in conditions}) == len(conditions):
            return {label: name(label) for label in labels}
    return {label: label for label in labels}


def _group_texts(groups: Sequence[_RunGroup]) -> dict[_RunGroup, str]:
    settings = zip(*(group.settings for group in groups), strict=True)
    varies = [len(set(values)) > 1 for values in settings]
    texts = {}
    for group in groups:
        written = (
            text.format(value)
            for text, value, differs in zip(_TEXTS, group.settings, varies, strict=True)
            if differs
        )
        texts[group] = ", ".join(filter(None, (group.name, *written)))
    return texts


def _levels_with_room(points: Sequence[_Point], pruned: list[int]) -> list[int]:
    """The sparsest level, and as many others, spread evenly, as leave the lines distinct."""
    per_group = MOST_CURVES // len({point.group for point in points})
    kinds = len({point.network for point in points if point.level})
    # With the dense network's line, whether or not this column has one.
    room = max((per_group - 1) // max(kinds, 1), 1)
    if len(pruned) <= room:
        return pruned
    places = np.linspace(len(pruned) - 1, 0, room).round().astype(int)
    return [pruned[place] for place in sorted(places)]


def _notes(points: Sequence[_Point], pruned: list[int], drawn: list[int]) -> list[str]:
    if drawn == pruned:
        return []
    density = {point.level: point.density for point in points}
    listed = ", ".join(format_density(density[level]) for level in drawn)
    return [f"Of the pruned levels only some have lines: {listed} of the weights."]


def _set_rewind_axis(axes: Axes, steps: np.ndarray) -> None:
    """Makes x the rewind step: logarithmic but for the part from 0 to the first positive one."""
    axes.set_xscale("symlog", linthresh=steps[steps > 0][0])
    set_ticks_with_room(axes, steps, [format_count(int(step)) for step in steps])
    axes.set_xlabel("rewind step (iterations)")
