"""Draws figures of docs/results from the CSV files there: claims.png and mnist_lth.png."""

from collections.abc import Sequence

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from measured.tables import RESULTS, UNSTABLE

from tf_lottery.config.matching import DEFAULT_TOLERANCE
from tf_lottery.report.figures.axes import (
    clear_frame,
    draw_dense_line,
    draw_threshold,
    set_density_axis,
)
from tf_lottery.report.figures.canvas import FONT, FigureFile
from tf_lottery.report.figures.curves import Curve, draw_curves
from tf_lottery.report.figures.method_styles import styles_of
from tf_lottery.report.figures.palette import (
    BLACK,
    BLUE,
    DASHES,
    GREY,
    PURPLE,
    SKY,
    VERMILION,
    LineStyle,
)
from tf_lottery.report.method_results import LOTTERY, Spread

_METHODS = {
    LOTTERY: "ticket",
    "one_shot": "one-shot pruning",
    "random_reinitialization": "random reinitialization",
    "random_mask": "random mask",
}
_REGIONS = {
    "independent": ("a ticket of an independent run", LineStyle(VERMILION, "s", DASHES[3])),
    "dense": ("the dense network", LineStyle(BLACK, "D", DASHES[1])),
    "pruned_from": ("the solution it was pruned from", LineStyle(BLUE, "o", DASHES[0])),
    "noise": ("itself in another data order", LineStyle(SKY, "^", DASHES[2])),
}


_OF_DENSITIES = (LineStyle(BLUE, "o", DASHES[0]), LineStyle(SKY, "^", DASHES[1]))


def claims_figure() -> FigureFile:
    """The figure: two rows of LeNet-300-100 on Fashion-MNIST, one of networks on CIFAR-10."""
    with mpl.rc_context({"font.family": FONT, "font.size": 9, "axes.titlesize": 10}):
        figure = Figure(figsize=(9.2, 10.8), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.1, h_pad=0.08, wspace=0.03, hspace=0.03)
        (tickets, stability), (region, levels), (convolutions, rewinding) = figure.subplots(3, 2)
        _draw_tickets(tickets)
        _draw_stability(stability)
        _draw_region(region)
        _draw_levels(levels)
        _draw_convolutions(convolutions)
        _draw_rewinding(rewinding)
        figure.supxlabel(
            "First four: LeNet-300-100 on Fashion-MNIST, 10,000 iterations, five replicates (the "
            "first) or three. Last two: CIFAR-10,\nmuch shortened: Conv-2 and Conv-4, 1,500 and "
            "1,000 iterations; ResNet-14 of half the width, 2,000 iterations, two or three\n"
            "replicates. Lines: means; bands: from the least to the largest.",
            fontsize=9,
            color=GREY,
        )
    return FigureFile("claims", "Claims of the papers", "", figure, dots_per_inch=150)


def _draw_tickets(axes: Axes) -> None:
    rows = pd.read_csv(RESULTS / "fashion_mnist_lth.csv")
    rows["percent"] = 100 * rows.density
    rows["test_percent"] = 100 * rows.test_accuracy
    _draw_methods(axes, rows, "test_percent")
    axes.set_ylabel("test accuracy (%)")
    axes.set_title("Tickets match the dense network, controls fall behind\n(1803.03635)")


def _draw_stability(axes: Axes) -> None:
    rows = pd.read_csv(RESULTS / "fashion_mnist_instability.csv")
    rows = rows[rows.run.str.startswith("fashion_mnist_k_")]
    sparsest = rows[rows.level == rows.level.max()]
    share = f"{100 * sparsest.density.mean():.3g}% of the weights"
    lines = [("dense network", rows[rows.level == 0], _REGIONS["dense"][1])]
    methods = ["random_reinitialization", "random_mask", LOTTERY]
    for method, style in zip(methods, styles_of(methods), strict=True):
        of_method = sparsest[sparsest.network == ("ticket" if method == LOTTERY else method)]
        lines.append((f"{_METHODS[method]}, {share}", of_method, style))
    curves = [
        _curve(label, of_line, "rewind_step", "test_error_barrier", style)
        for label, of_line, style in lines
    ]
    handles = draw_curves(axes, curves, 100)
    clear_frame(axes)
    axes.set_xscale("symlog", linthresh=20, linscale=0.5)
    axes.set_xlim(-2, 2600)
    steps = [0, 20, 100, 500, 2000]
    axes.set_xticks(steps, [f"{step:,}" for step in steps])
    axes.minorticks_off()
    draw_threshold(axes, 100 * UNSTABLE)
    axes.text(2600, 100 * UNSTABLE + 0.05, "unstable above", color=GREY, ha="right")
    axes.set_ylim(0, 5)
    axes.set_xlabel("iteration of rewinding, of 10,000")
    axes.set_ylabel("barrier between two data orders\n(points of test error)")
    axes.set_title("The dense network becomes stable early in training\n(1912.05671)")
    axes.legend(handles, [label for label, *_ in lines], frameon=False, loc="upper right")


def _draw_region(axes: Axes) -> None:
    rows = pd.read_csv(RESULTS / "fashion_mnist_same_region.csv")
    rows["percent"] = 100 * rows.density
    curves = [
        _curve(text, rows[rows[column] == 1], "percent", "test_error_barrier", style)
        for column, (text, style) in _REGIONS.items()
    ]
    axes.set_yscale("log")
    handles = draw_curves(axes, curves, 100)
    clear_frame(axes)
    _set_densities(axes, curves)
    axes.set_ylim(0.02, 2000)
    ticks = [0.1, 1, 10, 100]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_ylabel("barrier from the ticket's solution\n(points of test error)")
    axes.set_title("Tickets train to the region that they were pruned from\n(2106.06955)")
    axes.legend(handles, [text for text, _ in _REGIONS.values()], frameon=False, loc="upper left")


def _draw_levels(axes: Axes) -> None:
    rows = pd.read_csv(RESULTS / "fashion_mnist_successive_levels.csv")
    dense = rows[rows.first_level == 0].set_index("replicate").first_test_accuracy
    points = 100 * (rows.second_test_accuracy - rows.replicate.map(dense))
    axes.plot(points, 100 * rows.test_error_barrier, "o", color=PURPLE, alpha=0.7, markersize=4.5)
    clear_frame(axes)
    tolerance = 100 * DEFAULT_TOLERANCE
    axes.axvline(-tolerance, color=GREY, linewidth=0.8, zorder=1)
    axes.text(-tolerance - 0.2, 4.1, "matches →", color=GREY, ha="right", va="center")
    axes.set_ylim(-0.1, 4.4)
    axes.set_xlabel("test accuracy minus that of the dense network (points)")
    axes.set_ylabel("barrier to the level before\n(points of test error)")
    axes.set_title("Levels that match are connected,\nothers come apart gradually (2210.03044)")


def _draw_convolutions(axes: Axes) -> None:
    rows = pd.read_csv(RESULTS / "cifar10_conv.csv")
    of = ["network", "replicate"]
    dense = rows[(rows.method == LOTTERY) & (rows.level == 0)].set_index(of).test_accuracy
    rows["lead"] = rows.test_accuracy - rows.set_index(of).index.map(dense)
    rows["percent"] = 100 * rows.density
    methods = [LOTTERY, "random_reinitialization"]
    curves = [
        _curve(
            f"{network.replace('conv', 'Conv-')}, {_METHODS[method]}",
            rows[(rows.network == network) & (rows.method == method)],
            "percent",
            "lead",
            LineStyle(style.colour, marker, dash),
        )
        for network, marker, dash in (("conv2", "o", DASHES[0]), ("conv4", "^", DASHES[2]))
        for method, style in zip(methods, styles_of(methods), strict=True)
    ]
    handles = draw_curves(axes, curves, 100)
    clear_frame(axes)
    _set_densities(axes, curves[:1])
    draw_threshold(axes, 0)
    axes.set_ylabel("test accuracy minus that of the\ndense network (points)")
    axes.set_title("On CIFAR-10 too, and new weights\nfall far behind (1803.03635)")
    axes.legend(handles, [curve.label for curve in curves], frameon=False, loc="lower left")


def _draw_rewinding(axes: Axes) -> None:
    rows = pd.read_csv(RESULTS / "cifar10_resnet14_half.csv")
    rows["lead"] = rows.ticket_accuracy - rows.dense_accuracy
    densities = (0.15, 0.1)
    curves = [
        _curve(
            f"tickets of {100 * density:g}%",
            rows[rows.density == density],
            "rewind_step",
            "lead",
            style,
        )
        for density, style in zip(densities, _OF_DENSITIES, strict=True)
    ]
    handles = draw_curves(axes, curves, 100)
    clear_frame(axes)
    tolerance = 100 * DEFAULT_TOLERANCE
    draw_threshold(axes, -tolerance)
    axes.text(400, -tolerance + 0.1, "matches above", color=GREY, ha="right")
    axes.set_xticks([0, 100, 400])
    axes.set_xlabel("iteration of rewinding, of 2,000")
    axes.set_ylabel("test accuracy minus that of the\ndense network (points)")
    axes.set_title(
        "Rewound to 0 tickets of a residual network fail,\nrewound to 100 they match (1903.01611)"
    )
    axes.legend(handles, [curve.label for curve in curves], frameon=False, loc="center right")


def mnist_figure() -> FigureFile:
    """The figure: LeNet-300-100 on MNIST, as figures 1, 3 and 4 of arXiv 1803.03635."""
    tickets = [
        pd.read_csv(path).assign(method=LOTTERY)
        for path in sorted(RESULTS.glob("mnist_lth_replicate_*.csv"))
    ]
    rows = pd.concat([*tickets, pd.read_csv(RESULTS / "mnist_lth_controls.csv")])
    rows["percent"] = 100 * rows.density
    rows["test_percent"] = 100 * rows.test_accuracy
    rows["early_stop_percent"] = 100 * rows.early_stop_test_accuracy
    drawn = [
        ("test_percent", "test accuracy at the end (%)", "{:.2f}%"),
        ("early_stop_step", "iterations to early stopping", "{:,.0f}"),
        ("early_stop_percent", "test accuracy at early stopping (%)", "{:.2f}%"),
    ]
    with mpl.rc_context({"font.family": FONT, "font.size": 9}):
        figure = Figure(figsize=(12.6, 4.6), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.1, h_pad=0.08, wspace=0.03)
        for axes, (column, text, written) in zip(figure.subplots(1, 3), drawn, strict=True):
            _draw_methods(axes, rows, column, written)
            axes.set_ylabel(text)
        figure.axes[1].yaxis.set_major_formatter("{x:,.0f}")
        figure.supxlabel(
            f"LeNet-300-100 on MNIST, 50,000 iterations. Lines: means over {len(tickets)} "
            "replicates of tickets, four of controls; bands: from the least to the largest.",
            fontsize=9,
            color=GREY,
        )
    return FigureFile("mnist_lth", "Tickets on MNIST", "", figure, dots_per_inch=150)


def _draw_methods(axes: Axes, rows: pd.DataFrame, column: str, written: str = "{:.1f}%") -> None:
    """Draws a column of tickets and their controls against the weights that remain."""
    curves = [
        _curve(text, rows[rows.method == method], "percent", column, style)
        for (method, text), style in zip(_METHODS.items(), styles_of(list(_METHODS)), strict=True)
    ]
    handles = draw_curves(axes, curves)
    clear_frame(axes)
    _set_densities(axes, curves)
    dense = rows[(rows.method == LOTTERY) & (rows.level == 0)]
    draw_dense_line(axes, dense[column].mean(), written)
    axes.legend(handles, _METHODS.values(), frameon=False)


def _curve(label: str, rows: pd.DataFrame, x: str, y: str, style: LineStyle) -> Curve:
    points = {place: Spread.of(values) for place, values in rows.groupby(x)[y]}
    return Curve.of(label, points, style)


def _set_densities(axes: Axes, curves: Sequence[Curve]) -> None:
    densities = sorted({place for curve in curves for place in curve.positions}, reverse=True)
    set_density_axis(axes, pd.Series(densities).to_numpy())


if __name__ == "__main__":
    for drawn in (claims_figure(), mnist_figure()):
        (RESULTS / f"{drawn.name}.png").write_bytes(drawn.png)
