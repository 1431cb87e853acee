"""How the weights that remain are shared out among the layers, level by level."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tf_lottery.report.figures.axes import clear_frame, percentage_label, set_density_axis
from tf_lottery.report.figures.canvas import Canvas, FigureFile, drawable
from tf_lottery.report.figures.palette import BLACK, DASHES, GREY, LINE_COLOURS, LineStyle
from tf_lottery.report.method_results import LevelStatistics, MethodResults

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

_LAYER_NAMES_SHOWN = 18
_NAME_COLUMNS = 22
# With more layers than these there is a map.
_COLOURS = (*LINE_COLOURS[:5], BLACK)
_STYLES = tuple(map(LineStyle, _COLOURS, "os^DvX", "------"))


def layer_figure(method: MethodResults, name: str) -> FigureFile | None:
    """Draws the density of each layer: lines for a few layers, a map of colours for many.

    Args:
      method: a run or a branch.
      name: of the files.

    Returns:
      The figure, or None if no level has recorded its layers.
    """
    levels = [level for level in method.levels if level.layer_densities]
    if not levels:
        return None
    layers = list(levels[0].layer_densities)
    title = f"Density by layer: {method.label}"
    if len(layers) <= len(_STYLES):
        return _line_figure(levels, layers, name, title)
    return _map_figure(levels, layers, name, title)


def shares_layers(branch: MethodResults, run: MethodResults) -> bool:
    """Returns whether all levels of a branch have as many weights per layer as their run's."""
    runs = {record.replicate: record.levels for record in run.records}
    return all(
        level in runs[record.replicate] and own.layers == runs[record.replicate][level].layers
        for record in branch.records
        for level, own in record.levels.items()
    )


def _line_figure(
    levels: list[LevelStatistics], layers: list[str], name: str, title: str
) -> FigureFile:
    densities = np.array([100 * level.density for level in levels])
    names = [layer.removesuffix("/kernel") for layer in layers]
    canvas, lines = Canvas([*names, "all layers alike"]), []
    axes = canvas.axes
    alike = axes.plot(densities, densities, color=GREY, linewidth=0.8, linestyle=DASHES[2])
    for layer, style in zip(layers, _STYLES, strict=False):
        percentages = _percentages(levels, layer)
        lines += axes.plot(densities, percentages, markersize=4.5, linewidth=1.4, **style.options())
    set_density_axis(axes, densities)
    axes.set_yscale("log")
    _set_log_ticks(axes.yaxis)
    axes.set_ylabel("remaining in the layer (%)")
    clear_frame(axes)
    canvas.legend([*lines, *alike])
    caption = (
        "Weights that remain in each layer against those of the whole network (both log scale). "
        "A layer without weights has no point."
    )
    return canvas.figure(name, title, caption)


def _map_figure(
    levels: list[LevelStatistics], layers: list[str], name: str, title: str
) -> FigureFile:
    from matplotlib.colors import LogNorm

    percentages = np.array([_percentages(levels, layer) for layer in layers])
    known = percentages[np.isfinite(percentages)]
    lowest = min(known.min(), 99.0) if known.size else 1.0
    canvas = Canvas()
    colours = canvas.axes.pcolormesh(
        np.arange(len(levels)),
        np.arange(len(layers)),
        np.ma.masked_invalid(percentages),
        norm=LogNorm(lowest, 100),
        cmap="cividis",
        shading="nearest",
    )
    canvas.axes.set_facecolor("white")
    _set_map_axes(canvas.axes, levels, layers)
    bar = canvas.colour_bar(colours, "remaining in the layer (%)", pad=0.02)
    _set_log_ticks(bar.ax.yaxis)
    caption = (
        "Weights that remain in each layer (first layer at the top), level by level. White: none."
    )
    return canvas.figure(name, title, caption)


def _set_log_ticks(axis: Axis) -> None:
    from matplotlib.ticker import LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: percentage_label(value))


def _set_map_axes(axes: Axes, levels: list[LevelStatistics], layers: list[str]) -> None:
    # A label takes about as much room as five digits, of which some eight fit below the map.
    shown = range(0, len(levels), -(-len(levels) // 7))
    axes.set_xticks(shown, [percentage_label(100 * levels[at].density) for at in shown])
    axes.set_xlabel("weights remaining (%)")
    rows = range(0, len(layers), -(-len(layers) // _LAYER_NAMES_SHOWN))
    axes.set_yticks(rows, [_short_name(layers[row]) for row in rows], fontsize=7.5)
    for label in axes.get_yticklabels():
        label.set_parse_math(False)
    axes.invert_yaxis()
    axes.spines[:].set_visible(False)


def _short_name(layer: str) -> str:
    name = drawable(layer.removesuffix("/kernel"))
    return name if len(name) <= _NAME_COLUMNS else f"…{name[1 - _NAME_COLUMNS :]}"


def _percentages(levels: list[LevelStatistics], layer: str) -> np.ndarray:
    """Returns the layer's densities; NaN for none, which a log scale cannot show."""
    values = [100 * level.layer_densities.get(layer, 0.0) for level in levels]
    return np.array([value if value > 0 else np.nan for value in values])
