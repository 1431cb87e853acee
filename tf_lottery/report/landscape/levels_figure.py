"""Figures of the barriers between levels: of neighbours, and the matrix of all."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from tf_lottery.config.matching import DEFAULT_TOLERANCE, matching_rule
from tf_lottery.report.density_axes import GREY, clear_frame
from tf_lottery.report.figure_canvas import FigureFile, add_legend, save_figure, small_figure
from tf_lottery.report.formats import is_number
from tf_lottery.report.landscape.curves import CROSSES, draw_crosses, look
from tf_lottery.report.landscape.density_figure import curves_by_density, density_figure
from tf_lottery.report.landscape.measurements import (
    Measurement,
    run_labels,
    runs_apart,
    spreads,
)
from tf_lottery.store.metrics import Row
from tf_lottery.store.result_columns import barrier_column

_MOST_TICKS = 10
_PAIR = ("first_level", "second_level")


def levels_figures(
    measurements: Sequence[Measurement], tolerance: float = DEFAULT_TOLERANCE
) -> list[FigureFile]:
    """Draws the barriers between levels (arXiv 2210.03044, section 3.1).

    Args:
      measurements: rows of `LEVELS_COLUMNS` and barriers, one for each pair of levels.
      tolerance: as of `matching.matches`.

    Returns:
      "successive_levels", the barriers against the weights that remain; "barrier_and_accuracy",
      the same against the accuracy, for runs that have the dense network; and for each run
      "level_matrix", the barriers between all levels, if more than those of neighbours are there.
    """
    split = measured_split(measurements)
    if split is None:
        return []
    matrices = (
        _matrix(of_run, split, f"level_matrix{ending}")
        for ending, of_run in runs_apart(measurements).items()
    )
    figures = [
        _barriers_by_density(measurements, split),
        _barriers_by_accuracy(measurements, split, tolerance),
        *matrices,
    ]
    return [figure for figure in figures if figure is not None]


def measured_split(measurements: Sequence[Measurement]) -> str | None:
    """The data of whose error there are barriers: test data, or else training data."""
    columns = [set(measurement.rows[0]) for measurement in measurements if measurement.rows]
    if not columns:
        return None
    known = set.union(*columns)
    return next((name for name in ("test", "train") if barrier_column(name) in known), "test")


def _of_neighbours(measurement: Measurement) -> list[Row]:
    """The rows of levels that follow one another among those measured."""
    levels = sorted({row[name] for row in measurement.rows for name in _PAIR})
    neighbours = set(pairwise(levels))
    return [row for row in measurement.rows if tuple(row[name] for name in _PAIR) in neighbours]


def _barriers_by_density(measurements: Sequence[Measurement], split: str) -> FigureFile | None:
    neighbours = [
        Measurement(measurement.run, measurement.replicate, tuple(_of_neighbours(measurement)))
        for measurement in measurements
    ]
    return density_figure(
        curves_by_density(neighbours, {barrier_column(split): ""}, "second_density"),
        _label_of_barriers(split),
        "successive_levels",
        "Barriers between levels",
        "Error barrier between the solution of each level and of the level before.",
        factor=100,
    )


def _barriers_by_accuracy(
    measurements: Sequence[Measurement], split: str, tolerance: float
) -> FigureFile | None:
    found = {label: _points(measurements, label, split) for label in run_labels(measurements)}
    found = {label: points for label, points in found.items() if len(points)}
    if not found:
        return None
    labels = list(found) if len(run_labels(measurements)) > 1 else []
    caption = (
        "A point for each level of each replicate, right of the vertical line if it matches. "
        f"{matching_rule(tolerance)} If levels are connected to the one before exactly where they "
        "match, barriers rise left of the line."
    )
    with small_figure(labels) as (figure, axes):
        handles = []
        for index, points in enumerate(found.values()):
            colour, marker, _ = look(index)
            finite = np.isfinite(points[:, 1])
            style = {"color": colour, "markersize": 4.5, "alpha": 0.7}
            handles += axes.plot(*points[finite].T, marker, **style)
            if not finite.all():
                draw_crosses(axes, points[~finite, 0], colour)
        axes.axvline(-100 * tolerance, color=GREY, linewidth=0.8, zorder=1)
        axes.set_xlabel("test accuracy minus that of the dense network (points)")
        axes.set_ylabel(_label_of_barriers(split))
        clear_frame(axes)
        if labels:
            add_legend(figure, handles, labels)
        if not all(np.isfinite(points).all() for points in found.values()):
            caption = f"{caption} {CROSSES}"
        return save_figure(figure, "barrier_and_accuracy", "Connected and matching", caption)


def _label_of_barriers(split: str) -> str:
    return f"{split} error barrier\nto the level before (points)"


def _points(measurements: Sequence[Measurement], run: str, split: str) -> np.ndarray:
    """Accuracy minus the dense network's, and barrier, of each level in points: `[levels, 2]`."""
    points = []
    for measurement in measurements:
        dense = next((row for row in measurement.rows if row["first_level"] == 0), None)
        if measurement.run != run or dense is None:
            continue
        for row in _of_neighbours(measurement):
            numbers = (
                row["second_test_accuracy"],
                dense["first_test_accuracy"],
                row[barrier_column(split)],
            )
            if all(is_number(number) for number in numbers):
                accuracy, accuracy_of_dense, barrier = numbers
                points.append((100 * (accuracy - accuracy_of_dense), 100 * barrier))
    return np.array(points, float)


def _matrix(measurements: Sequence[Measurement], split: str, name: str) -> FigureFile | None:
    found = spreads(measurements, _PAIR, barrier_column(split))
    levels = sorted({level for _, *pair in found for level in pair})
    if {tuple(pair) for _, *pair in found} <= set(pairwise(levels)):
        return None
    barriers = np.full((len(levels), len(levels)), np.nan)
    np.fill_diagonal(barriers, 0)
    for (_, *pair), spread in found.items():
        one, other = map(levels.index, pair)
        barriers[one, other] = barriers[other, one] = 100 * spread.mean
    infinite = np.argwhere(np.isinf(barriers))
    step = -(-len(levels) // _MOST_TICKS)
    with small_figure() as (figure, axes):
        largest = barriers[np.isfinite(barriers)].max()
        image = axes.imshow(barriers, cmap="cividis", vmin=0, vmax=max(largest, 1e-9))
        axes.plot(*infinite.T, "x", color=GREY, markersize=5)
        axes.set_xticks(range(0, len(levels), step), levels[::step])
        axes.set_yticks(range(0, len(levels), step), levels[::step])
        axes.set_xlabel("level")
        axes.set_ylabel("level")
        figure.colorbar(image, label=f"{split} error barrier (points)")
        sentences = [
            f"Error barrier between the solutions of every two levels of {measurements[0].run}."
        ]
        if len(measurements) > 1:
            sentences.append("Means over replicates.")
        if len(infinite):
            sentences.append("Crosses: not finite.")
        if np.isnan(barriers).any():
            sentences.append("Blank: not measured.")
        return save_figure(figure, name, "Barriers between all levels", " ".join(sentences))
