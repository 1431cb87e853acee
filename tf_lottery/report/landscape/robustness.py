"""Figures and table of levels that were trained from moved rewind points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console

from tf_lottery.report.figures.axes import clear_frame, draw_threshold, set_minor_ticks
from tf_lottery.report.figures.canvas import FigureFile
from tf_lottery.report.figures.curves import (
    MOST_CURVES,
    Curve,
    canvas_of,
    evenly_spread,
    fit_accuracy_axis,
)
from tf_lottery.report.formats import MISSING, format_density, format_points, is_known
from tf_lottery.report.landscape.columns import (
    DENSITY,
    LEVEL,
    TEST_ACCURACY,
    RowColumn,
    number,
    points,
    share,
)
from tf_lottery.report.landscape.measurements import Measurement, measured_runs, spreads
from tf_lottery.report.table import print_sentences, print_table
from tf_lottery.store.csv_files import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# As many as have room side by side.
_MOST_TICKS = 8


def robustness_figures(measurements: Sequence[Measurement]) -> list[FigureFile]:
    """Draws barriers and accuracies against how far the rewind point was moved.

    Args:
      measurements: all with rows of `ROBUSTNESS_COLUMNS`, or all of `FRESH_NOISE_COLUMNS`.

    Returns:
      "robustness_barrier" and "robustness_accuracy"; of each run, if they have more levels
      together than lines can be told apart.
    """
    measurements = [found for found in measurements if any(row["factor"] for row in found.rows)]
    labels = measured_runs(measurements)
    if not measurements:
        return []
    lines = {(found.run, row["level"]) for found in measurements for row in found.rows}
    if len(labels) == 1 or len(lines) <= MOST_CURVES:
        return _figures(measurements)
    figures = []
    for place, label in enumerate(labels, 1):
        of_run = [found for found in measurements if found.run == label]
        for figure in _figures(of_run):
            caption = f"{label}: {figure.caption}"
            figures.append(replace(figure, name=f"{figure.name}_of_run_{place}", caption=caption))
    return figures


def is_fresh_noise(rows: Sequence[Row]) -> bool:
    """Whether rows of robustness.csv are about trainings in fresh data orders."""
    return any("data_seed" in row for row in rows)


def _figures(measurements: Sequence[Measurement]) -> list[FigureFile]:
    fresh = is_fresh_noise(measurements[0].rows)
    noise = "fresh SGD noise" if fresh else "same data order"
    notes = _notes(measurements)
    factors, zero = _positions(measurements)
    with_zero = np.array([zero, *factors])
    placed = _placed(measurements, zero)
    canvas = canvas_of(_curves(placed, "error_barrier"), factor=100)
    _set_factor_axis(canvas.axes, with_zero if fresh else factors, factors)
    draw_threshold(canvas.axes, 0)
    canvas.axes.set_ylabel("error barrier to the level\nas it was trained (points)")
    clear_frame(canvas.axes)
    barriers = canvas.figure(
        "robustness_barrier",
        f"Barriers after moving the rewind point, {noise}",
        "Error barrier between the solution from the moved rewind point and that of the level. A "
        "length of 1 is the distance between the level's rewind point and the next level's.",
        *notes,
    )
    if not fresh:
        placed = [replace(of, rows=(*_unperturbed(of.rows, zero), *of.rows)) for of in placed]
    curves = _curves(placed, "test_accuracy")
    canvas = canvas_of(curves, factor=100)
    _set_factor_axis(canvas.axes, with_zero, factors)
    fit_accuracy_axis(canvas.axes, curves)
    title = f"Accuracy after moving the rewind point, {noise}"
    return [barriers, canvas.figure("robustness_accuracy", title, *notes)]


def _positions(measurements: Sequence[Measurement]) -> tuple[np.ndarray, float]:
    """The lengths of moves, and where on their axis 0 is."""
    factors = np.unique(
        [row["factor"] for found in measurements for row in found.rows if row["factor"]]
    )
    # A logarithm has no 0: it stands left of the others, by as much as two of them may be apart.
    return factors, factors[0] / max(2.0, (factors[-1] / factors[0]) ** (1 / _MOST_TICKS))


def _placed(measurements: Sequence[Measurement], zero: float) -> list[Measurement]:
    """The same rows, with those that are not moved at a place of the axis."""
    return [
        replace(found, rows=tuple(row | {"factor": row["factor"] or zero} for row in found.rows))
        for found in measurements
    ]


def _unperturbed(rows: Sequence[Row], position: float) -> list[Row]:
    """A row for each level, as it was trained."""
    levels = {row["level"]: row for row in rows}
    return [
        row | {"factor": position, "test_accuracy": row["unperturbed_test_accuracy"]}
        for row in levels.values()
    ]


def _curves(measurements: Sequence[Measurement], column: str) -> list[Curve]:
    """A line for each level of each run, or for so many of them as can be told apart."""
    runs, shown = measured_runs(measurements), _shown_levels(measurements)
    densities = spreads(measurements, ["level"], "density")
    points: dict[tuple[str, float], dict] = {}
    for (run, level, factor), spread in spreads(measurements, ["level", "factor"], column).items():
        if level in shown:
            points.setdefault((run, level), {})[factor] = spread
    curves = []
    for run, level in sorted(points, key=lambda line: (runs.index(line[0]), line[1])):
        label = f"level {level}, {format_density(densities[run, level].mean)}"
        curves.append(Curve.of(f"{run}: {label}" if len(runs) > 1 else label, points[run, level]))
    return curves


def _shown_levels(measurements: Sequence[Measurement]) -> list[int]:
    levels = sorted({row["level"] for found in measurements for row in found.rows})
    return evenly_spread(levels, MOST_CURVES)


def _notes(measurements: Sequence[Measurement]) -> list[str]:
    """Says how it was trained, and what is not to be seen."""
    rows = [row for found in measurements for row in found.rows]
    notes = [
        "Trained in data orders other than the level's own; at 0 from the rewind point itself, "
        "which shows what the data order alone does."
        if is_fresh_noise(rows)
        else "Trained in the level's own data order; without a move that is the level itself."
    ]
    left_out = sorted({row["level"] for row in rows} - set(_shown_levels(measurements)))
    if left_out:
        notes.append(f"Not drawn: levels {', '.join(map(str, left_out))}.")
    if any(row["direction"] for row in rows):
        notes.append("Directions count as replicates.")
    diverged = sum(not is_known(row["test_accuracy"]) for row in rows)
    if diverged:
        notes.append(
            f"{diverged} of {len(rows)} trainings diverged: barrier infinite, no accuracy."
        )
    return notes


def _set_factor_axis(axes: Axes, positions: np.ndarray, factors: np.ndarray) -> None:
    """Makes x the lengths: log scale, ticks at them, and at 0 if that has a position."""
    span = math.log(positions[-1] / positions[0])
    margin = math.exp(max(0.05 * span, 0.05))
    axes.set_xscale("log")
    axes.set_xlim(positions[0] / margin, positions[-1] * margin)
    labelled = [factors[0]]
    for factor in factors[1:]:
        if math.log(factor / labelled[-1]) >= span / _MOST_TICKS:
            labelled.append(factor)
    ticks = [(factor, f"{factor:g}") for factor in labelled]
    ticks += [(position, "0") for position in set(positions) - set(factors)]
    axes.set_xticks(*zip(*ticks, strict=True))
    set_minor_ticks(axes, factors)
    axes.set_xlabel("move (distances to the next level's rewind point)")


def print_robustness(rows: Sequence[Row], split: str, console: Console | None = None) -> None:
    """Prints a row for each level, length and direction.

    Args:
      rows: all of `ROBUSTNESS_COLUMNS`, or all of `FRESH_NOISE_COLUMNS`.
      split: the data on which the lines were measured.
      console: where to print; standard output by default.
    """
    fresh = is_fresh_noise(rows)
    unmoved = {_level_and_direction(row): row["test_accuracy"] for row in rows if not row["factor"]}

    def above_unmoved(row: Row) -> str:
        if not row["factor"]:
            return MISSING
        reference = (
            unmoved[_level_and_direction(row)] if fresh else row["unperturbed_test_accuracy"]
        )
        return format_points(row["test_accuracy"], reference)

    columns = [
        *(LEVEL, DENSITY, number("moved\nby", "factor", "g")),
        RowColumn("direc-\ntion", lambda row: str(row["direction"])),
        share("share\nof norm", "relative_perturbation"),
        TEST_ACCURACY,
        RowColumn("vs. not\nmoved", above_unmoved),
        points("error\nbarrier", "error_barrier"),
        number("loss\nbarrier", "loss_barrier", ".4f"),
    ]
    print_table(columns, rows, console)
    text = (
        "Moved by so many distances between the level's rewind point and the next level's; "
        f"barriers of the {split} data to the level as it was trained; vs. not moved and error "
        "barrier in points. "
    )
    text += (
        "Trained with fresh SGD noise: each direction in a data order of its own, in which the "
        "rewind point itself was trained too (moved by 0), which shows what that order alone does."
        if fresh
        else "Trained in the level's own data order."
    )
    if any(not is_known(row["test_accuracy"]) for row in rows):
        text += " An infinite barrier without an accuracy: training diverged."
    print_sentences([text], console)


def _level_and_direction(row: Row) -> tuple[int, int]:
    return row["level"], row["direction"]
