"""The figure of lines between solutions: error against the position on the line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tf_lottery.report.density_axes import clear_frame
from tf_lottery.report.figure_canvas import FigureFile, add_legend, save_figure, small_figure
from tf_lottery.report.landscape.solution_names import line_text

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
    import matplotlib as mpl

    colours = mpl.colormaps["viridis"](np.linspace(0, 0.85, len(lines)))
    curves = [
        (line, split, colour)
        for line, colour in zip(lines, colours, strict=True)
        for split in line.errors
    ]
    labels = [f"{line_text(*line.labels)}, {split} data" for line, split, _ in curves]
    infinite = [
        label
        for label, (line, split, _) in zip(labels, curves, strict=True)
        if not np.isfinite(line.losses[split]).all()
    ]
    with small_figure(labels) as (figure, axes):
        handles = [
            axes.plot(
                line.positions,
                100 * line.errors[split],
                _DASHES.get(split, "-"),
                color=colour,
                linewidth=1.5,
            )[0]
            for line, split, colour in curves
        ]
        axes.set_xlabel("position on the line: 0 the first solution, 1 the second")
        axes.set_ylabel("error (%)")
        clear_frame(axes)
        add_legend(figure, handles, labels)
        caption = "Error on the straight line between two solutions."
        if infinite:
            caption += f" The loss is not finite somewhere on: {'; '.join(infinite)}."
        return save_figure(figure, "lines", title, caption)
