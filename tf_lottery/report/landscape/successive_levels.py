"""Barriers between levels: figures of neighbours and of all, and a table with what matches."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np
from rich.console import Console

from tf_lottery.config.matching import DEFAULT_TOLERANCE, matches, matching_rule
from tf_lottery.report.console import default_console
from tf_lottery.report.figures.axes import clear_frame
from tf_lottery.report.figures.canvas import Canvas, FigureFile, drawn
from tf_lottery.report.figures.curves import CROSSES, draw_crosses
from tf_lottery.report.figures.palette import GREY, style_of_line
from tf_lottery.report.formats import MISSING, format_yes, is_known
from tf_lottery.report.landscape.density_figure import curves_by_density, density_figure
from tf_lottery.report.landscape.measurements import (
    Measurement,
    measured_runs,
    measured_split,
    runs_apart,
    spreads,
)
from tf_lottery.report.summary_table import (
    DENSITY,
    LEVEL,
    TEST_ACCURACY,
    points_to_dense,
    print_footnotes,
)
from tf_lottery.report.table import Column, print_sentences, print_table
from tf_lottery.store.csv_files import Row
from tf_lottery.store.result_columns import barrier_column
from tf_lottery.store.schema import LevelSummary

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
      "successive_levels", the barriers between levels that follow one another against the weights
      that remain; "barrier_and_accuracy", the same against the accuracy, for runs that have the
      dense network; and for each run "level_matrix", the barriers between all levels, if more than
      those are there.
    """
    split = measured_split(measurements)
    if split is None:
        return []
    matrices = (
        _matrix(of_run, split, f"level_matrix{ending}")
        for ending, of_run in runs_apart(measurements).items()
    )
    by_density = _barriers_by_density(measurements, split)
    return drawn([by_density, _barriers_by_accuracy(measurements, split, tolerance), *matrices])


def _of_neighbours(measurement: Measurement) -> list[Row]:
    """The rows of levels of which one was pruned from the other."""
    return [row for row in measurement.rows if _are_neighbours(*(row[name] for name in _PAIR))]


def _are_neighbours(first: int, second: int) -> bool:
    return second == first + 1


def _barriers_by_density(measurements: Sequence[Measurement], split: str) -> FigureFile | None:
    neighbours = [
        Measurement(measurement.run, measurement.replicate, tuple(_of_neighbours(measurement)))
        for measurement in measurements
    ]
    return density_figure(
        curves_by_density(
            neighbours, {barrier_column(split): ""}, "second_density", "second_level"
        ),
        _label_of_barriers(split),
        "successive_levels",
        "Barriers between levels",
        "Error barrier between the solution of each level and of the level before.",
        factor=100,
    )


def _barriers_by_accuracy(
    measurements: Sequence[Measurement], split: str, tolerance: float
) -> FigureFile | None:
    found = {label: _points(measurements, label, split) for label in measured_runs(measurements)}
    found = {label: points for label, points in found.items() if len(points)}
    if not found:
        return None
    canvas = Canvas(list(found) if len(measured_runs(measurements)) > 1 else ())
    axes, handles = canvas.axes, []
    for index, points in enumerate(found.values()):
        style, finite = style_of_line(index), np.isfinite(points[:, 1])
        options = {"color": style.colour, "markersize": 4.5, "alpha": 0.7}
        handles += axes.plot(*points[finite].T, style.marker, **options)
        if not finite.all():
            draw_crosses(axes, points[~finite, 0], style.colour)
    if not all(np.isfinite(points).all() for points in found.values()):
        canvas.note(CROSSES)
    axes.axvline(-100 * tolerance, color=GREY, linewidth=0.8, zorder=1)
    axes.set_xlabel("test accuracy minus that of the dense network (points)")
    axes.set_ylabel(_label_of_barriers(split))
    clear_frame(axes)
    canvas.legend(handles)
    return canvas.figure(
        "barrier_and_accuracy",
        "Connected and matching",
        "A point for each level of each replicate, right of the vertical line if it matches.",
        matching_rule(tolerance),
        "If levels are connected to the one before exactly where they match, barriers rise left of "
        "the line.",
    )


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
            if all(is_known(number) for number in numbers):
                accuracy, accuracy_of_dense, barrier = numbers
                points.append((100 * (accuracy - accuracy_of_dense), 100 * barrier))
    return np.array(points, float)


def _matrix(measurements: Sequence[Measurement], split: str, name: str) -> FigureFile | None:
    found = spreads(measurements, _PAIR, barrier_column(split))
    levels = sorted({level for _, *pair in found for level in pair})
    if all(_are_neighbours(*pair) for _, *pair in found):
        return None
    barriers = np.full((len(levels), len(levels)), np.nan)
    np.fill_diagonal(barriers, 0)
    for (_, *pair), spread in found.items():
        one, other = map(levels.index, pair)
        barriers[one, other] = barriers[other, one] = 100 * spread.mean
    infinite = np.argwhere(np.isinf(barriers))
    step = -(-len(levels) // _MOST_TICKS)
    canvas = Canvas()
    largest = barriers[np.isfinite(barriers)].max()
    image = canvas.axes.imshow(barriers, cmap="cividis", vmin=0, vmax=max(largest, 1e-9))
    canvas.axes.plot(*infinite.T, "x", color=GREY, markersize=5)
    canvas.axes.set_xticks(range(0, len(levels), step), levels[::step])
    canvas.axes.set_yticks(range(0, len(levels), step), levels[::step])
    canvas.axes.set(xlabel="level", ylabel="level")
    canvas.colour_bar(image, f"{split} error barrier (points)")
    return canvas.figure(
        name,
        f"Barriers between all levels: {measurements[0].run}",
        "Error barrier between the solutions of every two levels.",
        "Means over replicates." if len(measurements) > 1 else "",
        "Crosses: not finite." if len(infinite) else "",
        "Blank: not measured." if np.isnan(barriers).any() else "",
    )


def print_successive_levels(
    pairs: Sequence[Row],
    summaries: Sequence[LevelSummary],
    dense: LevelSummary | None,
    tolerance: float,
    split: str,
    console: Console | None = None,
) -> None:
    """Prints a row per level, with the barrier to the one before among those shown.

    Args:
      pairs: of successive levels, and maybe others, as in successive_levels.csv.
      summaries: the levels, in order.
      dense: level 0; None if it is not there.
      tolerance: as of `matching.matches`.
      split: the data on which the lines were measured.
      console: where to print; standard output by default.
    """
    console = console or default_console()
    of_pair = {tuple(row[name] for name in _PAIR): row for row in pairs}
    neighbours = list(pairwise(summary.level for summary in summaries))
    before = {level: of_pair.get((first, level)) for first, level in neighbours}
    in_a_row = all(_are_neighbours(*pair) for pair in neighbours)
    accuracy = dense.test_accuracy if dense else None
    columns = [
        *(LEVEL, DENSITY, TEST_ACCURACY, points_to_dense(dense, tolerance)),
        Column[LevelSummary]("matches", lambda row: format_yes(_matches(row, accuracy, tolerance))),
        *_columns_of_pairs(before, split, in_a_row),
    ]
    print_table(columns, summaries, console)
    print_footnotes(summaries, console)
    console.print()
    print_sentences([f"Barriers of the {split} error.", matching_rule(tolerance)], console)


def _columns_of_pairs(
    pairs: Mapping[int, Row | None], split: str, in_a_row: bool
) -> list[Column[LevelSummary]]:
    """The columns about each level and the one before, which is named where levels are left out."""

    def column(header: str, text: Callable[[Row], str]) -> Column[LevelSummary]:
        def cell(summary: LevelSummary) -> str:
            pair = pairs.get(summary.level)
            return text(pair) if pair else MISSING

        return Column(header, cell)

    def barrier(pair: Row) -> str:
        return f"{100 * pair[barrier_column(split)]:.2f}"

    def l2(pair: Row) -> str:
        return f"{pair['l2']:.2f}"

    if in_a_row:
        return [
            column("barrier to\nlevel before\n(points)", barrier),
            column("L2 to\nlevel before", l2),
        ]
    return [
        column("line", lambda pair: f"to level {pair['first_level']}"),
        column("barrier\n(points)", barrier),
        column("L2", l2),
    ]


def _matches(summary: LevelSummary, dense: float | None, tolerance: float) -> bool | None:
    """Whether a level matches; None of the dense network, and where an accuracy is unknown."""
    if not (is_known(summary.test_accuracy) and is_known(dense)) or summary.level == 0:
        return None
    return matches(summary.test_accuracy, dense, tolerance)
