"""The figure and the table of lines between solutions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console

from tf_lottery.report.figures.axes import clear_frame
from tf_lottery.report.figures.canvas import Canvas, FigureFile
from tf_lottery.report.figures.palette import shades
from tf_lottery.report.landscape.solution_names import line_text, solution_text
from tf_lottery.report.table import Column, print_table

_DASHES = {"test": "-", "train": "--"}


@dataclass(frozen=True)
class LineCurves:
    """What was measured on a line.

    Attributes:
      labels: of its ends.
      positions: from 0 to 1, `[points]`.
      errors: fractions by split, `[points]`.
      losses: by split, `[points]`.
    """

    labels: tuple[str, str]
    positions: np.ndarray
    errors: Mapping[str, np.ndarray]
    losses: Mapping[str, np.ndarray]


def line_figure(lines: Sequence[LineCurves], title: str) -> FigureFile:
    """Draws the error on lines between solutions.

    Args:
      lines: from one to many; the colour goes from dark (first) to light.
      title: a heading.

    Returns:
      The figure, named "lines"; its caption says where a loss was not finite.
    """
    curves = [
        (line, split, colour)
        for line, colour in zip(lines, shades(len(lines), lightest=0.85), strict=True)
        for split in line.errors
    ]
    labels = [f"{line_text(*line.labels)}, {split} data" for line, split, _ in curves]
    infinite = [
        label
        for label, (line, split, _) in zip(labels, curves, strict=True)
        if not np.isfinite(line.losses[split]).all()
    ]
    canvas, handles = Canvas(labels), []
    axes = canvas.axes
    for line, split, colour in curves:
        dash, error = _DASHES.get(split, "-"), 100 * line.errors[split]
        handles += axes.plot(line.positions, error, dash, color=colour, linewidth=1.5)
    axes.set_xlabel("position on the line: 0 the first solution, 1 the second")
    axes.set_ylabel("error (%)")
    clear_frame(axes)
    canvas.legend(handles)
    if infinite:
        canvas.note(f"The loss is not finite somewhere on: {'; '.join(infinite)}.")
    return canvas.figure("lines", title, "Error on the straight line between two solutions.")


@dataclass(frozen=True)
class LineRow:
    """A line between two solutions.

    Attributes:
      labels: of its ends.
      barriers: by split, that of the error (a fraction) and that of the loss.
      l2: distance of the ends.
      cosine: of the angle between them.
    """

    labels: tuple[str, str]
    barriers: Mapping[str, tuple[float, float]]
    l2: float
    cosine: float


def print_lines(rows: Sequence[LineRow], console: Console | None = None) -> None:
    """Prints a row for each line.

    Args:
      rows: the lines, measured on the same splits.
      console: where to print; standard output by default.
    """
    columns = [
        Column[LineRow]("from", lambda row: solution_text(row.labels[0]), holds_names=True),
        Column[LineRow]("to", lambda row: solution_text(row.labels[1]), holds_names=True),
        *(column for split in rows[0].barriers for column in _barriers(split)),
        Column[LineRow]("L2", lambda row: f"{row.l2:.2f}"),
        Column[LineRow]("cosine", lambda row: f"{row.cosine:.3f}"),
    ]
    print_table(columns, rows, console)


def _barriers(split: str) -> tuple[Column[LineRow], ...]:
    return (
        Column(
            f"{split} error\nbarrier\n(points)", lambda row: f"{100 * row.barriers[split][0]:.2f}"
        ),
        Column(f"{split} loss\nbarrier", lambda row: f"{row.barriers[split][1]:.4f}"),
    )
