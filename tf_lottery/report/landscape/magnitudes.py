"""Magnitudes before pruning and after retraining: figures, histograms of some levels, a table."""

from collections.abc import Sequence
from statistics import mean

import numpy as np
from rich.console import Console

from tf_lottery.report.figures.axes import clear_frame
from tf_lottery.report.figures.canvas import Canvas, FigureFile, drawn
from tf_lottery.report.figures.palette import BLACK, BLUE, VERMILION
from tf_lottery.report.formats import format_density
from tf_lottery.report.landscape.columns import DENSITY, LEVEL, number, share
from tf_lottery.report.landscape.density_figure import curves_by_density, density_figure
from tf_lottery.report.landscape.measurements import Measurement, first_middle_last, runs_apart
from tf_lottery.report.table import print_sentences, print_table
from tf_lottery.store.csv_files import Row
from tf_lottery.store.result_columns import QUARTER_COLUMNS

# Bins below the first that holds as much are not drawn: few weights are many decades smaller.
_LEAST_PERCENTAGE = 0.05


def magnitudes_figures(measurements: Sequence[Measurement]) -> list[FigureFile]:
    """Draws where the weights come from that are pruned (arXiv 2210.03044).

    Args:
      measurements: rows of `MAGNITUDES_COLUMNS`, one for each level from 1.

    Returns:
      "magnitudes", or nothing if there is no number.
    """
    columns = {
        "below_threshold": "survivors made smaller than the largest pruned",
        QUARTER_COLUMNS[0]: "pruned next, from the smallest quarter",
    }
    figure = density_figure(
        curves_by_density(measurements, columns),
        "share (%)",
        "magnitudes",
        "New small weights",
        "Of the weights that a pruning left, the share that retraining has made smaller than the "
        "largest pruned; and of those that the next pruning removes, the share that was in the "
        "smallest quarter before retraining. Grey line: 25%, as if retraining kept no memory of "
        "magnitudes.",
        factor=100,
        level=25,
    )
    return drawn([figure])


def magnitude_histogram_figures(measurements: Sequence[Measurement]) -> list[FigureFile]:
    """Draws the magnitudes of the first, the middle and the last level of each run.

    Args:
      measurements: rows of `HISTOGRAM_COLUMNS`, one for each level and bin.

    Returns:
      "magnitudes_of_level_1", ...
    """
    return drawn(
        _histogram(of_run, level, f"magnitudes_of_level_{level}{ending}")
        for ending, of_run in runs_apart(measurements).items()
        for level in first_middle_last(of_run)
    )


def _histogram(measurements: Sequence[Measurement], level: int, name: str) -> FigureFile | None:
    replicates = [
        [row for row in measurement.rows if row["level"] == level] for measurement in measurements
    ]
    replicates = [rows for rows in replicates if sum(row["before"] for row in rows)]
    if not replicates:
        return None
    edges, before, pruned, after = _shares(replicates)
    density = format_density(mean(rows[0]["density"] for rows in replicates))
    caption = (
        f"Weights of {measurements[0].run} in percent of those before pruning: all of level "
        f"{level - 1} at the end of training, those of them that were pruned, and the {density} of "
        f"all weights that remain at the end of training level {level}."
    )
    if len(replicates) > 1:
        caption += " Means over replicates."
    if edges[0] == 0:
        caption += " The bin at the left holds all that are smaller."
        # There is no 0 on a logarithmic axis.
        edges[0] = edges[1] / 2
    canvas = Canvas(["before pruning", "pruned", "after retraining"])
    axes = canvas.axes
    handles = [
        axes.stairs(before, edges, color=BLACK, linewidth=1.2),
        axes.stairs(pruned, edges, fill=True, color=VERMILION, alpha=0.55),
        axes.stairs(after, edges, color=BLUE, linewidth=1.6),
    ]
    axes.set_xscale("log")
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(bottom=0)
    axes.set(xlabel="magnitude", ylabel="weights (%)")
    clear_frame(axes)
    canvas.legend(handles)
    return canvas.figure(name, f"Magnitudes, level {level}", caption)


def _shares(replicates: Sequence[Sequence[Row]]) -> tuple[np.ndarray, ...]:
    """Limits of the bins, `[bins + 1]`, and mean percentages before, pruned and after, `[bins]`."""
    bins = sorted({(row["lower"], row["upper"]) for rows in replicates for row in rows})
    place = {limits: index for index, limits in enumerate(bins)}
    # Bins beyond the largest magnitude of a replicate are not in its rows.
    shares = np.zeros((3, len(bins)))
    for rows in replicates:
        total = sum(row["before"] for row in rows) * len(replicates)
        for row in rows:
            counts = [row[column] for column in ("before", "pruned", "after")]
            shares[:, place[row["lower"], row["upper"]]] += 100 * np.array(counts) / total
    first = int(np.argmax(shares.max(axis=0) >= _LEAST_PERCENTAGE))
    edges = np.array([bins[first][0], *(upper for _, upper in bins[first:])], float)
    return edges, *shares[:, first:]


def print_magnitudes(rows: Sequence[Row], console: Console | None = None) -> None:
    """Prints a row per level.

    Args:
      rows: the levels, as in magnitudes.csv.
      console: where to print; standard output by default.
    """
    columns = [
        *(LEVEL, DENSITY, number("largest\npruned", "threshold", ".4f")),
        number("median\nbefore", "median_before", ".4f"),
        number("median\nafter", "median_after", ".4f"),
        share("below\nthat", "below_threshold"),
        share("pruned\nnext", "pruned_next"),
        share("from lowest\nquarter", QUARTER_COLUMNS[0]),
    ]
    print_table(columns, rows, console)
    text = (
        "Largest pruned: the largest magnitude that was pruned to make the level. Of the weights "
        "that remain, median: of their magnitudes before and after the level's training; below "
        "that: those that end smaller than the largest pruned; pruned next: those that the next "
        "pruning removes; from lowest quarter: of these, those that were in the lowest quarter of "
        "magnitudes before the training. Small weights that stay small would make it 100%, chance "
        "25%."
    )
    print_sentences([text], console)
