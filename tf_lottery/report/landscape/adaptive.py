"""The figure of adaptive pruning: the rates that were chosen, level by level."""

from collections.abc import Sequence

from tf_lottery.report.figures.axes import clear_frame
from tf_lottery.report.figures.canvas import FigureFile
from tf_lottery.report.figures.curves import Curve, canvas_of
from tf_lottery.report.landscape.measurements import Measurement, measured_runs, spreads


def adaptive_figures(measurements: Sequence[Measurement]) -> list[FigureFile]:
    """Draws the fraction of the remaining weights that each level pruned.

    Args:
      measurements: rows of `store.schema.ADAPTIVE_COLUMNS`, one for each level after the first.

    Returns:
      "adaptive_pruning", or nothing without a row.
    """
    points: dict[str, dict] = {label: {} for label in measured_runs(measurements)}
    for (label, level), spread in spreads(measurements, ["level"], "pruning_rate").items():
        points[label][level] = spread
    curves = [Curve.of(label, found) for label, found in points.items() if found]
    if not curves:
        return []
    canvas = canvas_of(curves, factor=100, with_legend=len(curves) > 1)
    axes = canvas.axes
    axes.set_xticks(sorted({level for curve in curves for level in curve.positions}))
    axes.set(ylim=(0, 100), xlabel="level", ylabel="pruned of the weights\nthat remained (%)")
    clear_frame(axes)
    caption = "How much --pruning_rate=auto pruned at each level, as the training loss allowed."
    return [canvas.figure("adaptive_pruning", "Adaptive pruning rates", caption)]
