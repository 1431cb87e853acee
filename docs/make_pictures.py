"""Draws the pictures of docs/concepts.md: three schemes, and three from the results beside it."""

import itertools
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FormatStrFormatter, NullLocator

from tf_lottery.config.matching import DEFAULT_POINTS
from tf_lottery.report.figures.canvas import FONT, FigureFile
from tf_lottery.report.figures.palette import BLACK, BLUE, GREY, SKY, VERMILION

_DOCS = Path(__file__).parent
_RESULTS = _DOCS / "results"
PICTURES = _DOCS / "pictures"
# In inches; on a telephone, text of 9 points is then about as high as that around it.
_WIDE, _NARROW = (5.4, 2.1), (4.0, 3.0)
# Points of error barrier below which arXiv 1912.05671 calls a network stable.
_STABLE = 2


def pictures() -> list[FigureFile]:
    """All pictures, each with the name of its file."""
    drawings = {
        "level": (_draw_levels, 4, _WIDE),
        "density": (_draw_densities, 1, _NARROW),
        "accuracy": (_draw_accuracies, 1, _NARROW),
        "rewinding": (_draw_rewinding, 1, _WIDE),
        "copies": (_draw_copies, 1, _NARROW),
        "stability": (_draw_stability, 1, _NARROW),
    }
    made = []
    for name, (draw, columns, inches) in drawings.items():
        with mpl.rc_context({"font.family": FONT, "font.size": 9, "axes.titlesize": 9}):
            figure = Figure(figsize=inches, layout="constrained")
            figure.get_layout_engine().set(wspace=0.12)
            draw(*figure.subplots(1, columns, squeeze=False)[0])
        made.append(FigureFile(name, name, "", figure))
    return made


def _draw_levels(*axes: Axes) -> None:
    """A little network and its first prunings: the thinnest lines go, of all layers together."""
    rate, units = 0.4, (6, 5, 3)
    random = np.random.default_rng(13)
    weights = [random.normal(size=shape) for shape in itertools.pairwise(units)]
    weights[1] *= 1.5
    masks = [np.ones(layer.shape, bool) for layer in weights]
    total = sum(layer.size for layer in weights)
    for level, panel in enumerate(axes):
        remaining = round(total * (1 - rate) ** level)
        sizes = [np.where(mask, abs(layer), 0) for layer, mask in zip(weights, masks, strict=True)]
        least = np.sort(np.concatenate([size.ravel() for size in sizes]))[-remaining]
        masks = [size >= least for size in sizes]
        _draw_network(panel, units, weights, masks)
        panel.set_title(f"level {level}")
        panel.set_xlabel(f"{remaining} of {total}", fontsize=9, color=BLACK)
        if level < len(axes) - 1:
            arrow = {"arrowstyle": "->", "color": GREY}
            at = panel.annotate("", (1.28, 0.5), (1.03, 0.5), "axes fraction", arrowprops=arrow)
            at.set_in_layout(False)
        # Training again from the rewind step leaves other magnitudes.
        weights = [layer * random.uniform(0.8, 1.25, layer.shape) for layer in weights]


def _draw_network(
    panel: Axes, units: tuple[int, ...], weights: list[np.ndarray], masks: list[np.ndarray]
) -> None:
    heights = [np.linspace(0, 1, count + 2)[1:-1] for count in units]
    for at, (layer, mask) in enumerate(zip(weights, masks, strict=True)):
        for start, end in zip(*np.nonzero(mask), strict=True):
            ends = (heights[at][start], heights[at + 1][end])
            width = 0.4 + abs(layer[start, end])
            panel.plot((at, at + 1), ends, color=BLUE, linewidth=width, zorder=1)
    for at, column in enumerate(heights):
        panel.plot([at] * len(column), column, "o", color=BLACK, markersize=4, zorder=2)
    panel.set(xticks=[], yticks=[], xlim=(-0.2, len(units) - 0.8), facecolor="none")
    for side in panel.spines.values():
        side.set_visible(False)


def _ticket_means() -> pd.DataFrame:
    """Density and test accuracy in percent, by level: means of five replicates."""
    rows = pd.read_csv(_RESULTS / "fashion_mnist_lth.csv")
    rows = rows[rows["method"] == "lottery_ticket"]
    return 100 * rows.groupby("level")[["density", "test_accuracy"]].mean()


def _draw_densities(axes: Axes) -> None:
    """Weights that remain, by level."""
    means = _ticket_means()
    axes.plot(means.index, means["density"], "o-", color=BLUE, markersize=4)
    axes.set(xlabel="level", ylabel="weights remaining (%)", yscale="log")
    axes.set_xticks(range(0, 19, 3))
    axes.set_title("20% of what remains is pruned at each level")
    _label_percents(axes.yaxis)


def _draw_accuracies(axes: Axes) -> None:
    """How accuracy is shown against the weights that remain, everywhere here."""
    means = _ticket_means()
    dense = means["test_accuracy"][0]
    axes.axhspan(dense - DEFAULT_POINTS, dense, color=SKY, alpha=0.25, linewidth=0)
    axes.axhline(dense, color=GREY, linestyle="--", linewidth=1)
    axes.plot(means["density"], means["test_accuracy"], "o-", color=BLUE, markersize=4)
    axes.annotate("dense network", (60, dense), (0, 3), textcoords="offset points", color=GREY)
    axes.annotate("matches: in the band or above", (90, dense - DEFAULT_POINTS + 0.03), color=GREY)
    axes.set(xlabel="weights remaining (%)", ylabel="test accuracy (%)", xscale="log")
    axes.set_ylim(dense - 1.1 * DEFAULT_POINTS, means["test_accuracy"].max() + 0.1)
    axes.invert_xaxis()
    axes.set_title("from dense to sparse: left to right")
    _label_percents(axes.xaxis)


def _label_percents(axis: Axis) -> None:
    axis.set_major_locator(FixedLocator([100, 50, 20, 10, 5, 2]))
    axis.set_major_formatter(FormatStrFormatter("%g"))
    axis.set_minor_locator(NullLocator())


def _draw_rewinding(axes: Axes) -> None:
    """The training of three levels, each from the rewind step on, as lines on one axis of time."""
    step, end = 1.5, 10.0
    axes.axvline(step, color=VERMILION, linestyle=":", linewidth=1.2)
    for level, share in enumerate(("all weights", "80% of them", "64% of them")):
        height = -level
        start = step if level else 0
        axes.annotate(
            "", (end, height), (start, height), arrowprops={"arrowstyle": "-|>", "color": BLUE}
        )
        axes.text((step + end) / 2, height + 0.09, f"level {level}: train {share}", ha="center")
        axes.plot([step], [height], "o", color=VERMILION, markersize=6)
        if level:
            back = {"arrowstyle": "->", "color": GREY, "connectionstyle": "arc3,rad=0.05"}
            axes.annotate("", (step + 0.15, height + 0.1), (end, height + 0.95), arrowprops=back)
            axes.text(
                end + 0.15, height + 0.5, "prune,\nrewind", color=GREY, va="center", fontsize=8
            )
    axes.text(0, 0.14, "start", ha="center")
    axes.text(step + 0.1, -2.5, "rewind step k", color=VERMILION)
    axes.text(end, -2.5, "end of training", ha="center")
    axes.set(xlim=(-0.6, end + 1.9), ylim=(-2.7, 0.6))
    axes.set_axis_off()


def _draw_copies(axes: Axes) -> None:
    """Two copies of a network that part early, and two that part late."""
    along = np.linspace(0, 1, 60)
    # Where the two paths part, how fast, and the height at which they begin.
    for part, slope, height, colour, label in (
        (0.1, 0.6, 1.0, VERMILION, "unstable"),
        (0.5, 0.13, 0.0, BLUE, "stable"),
    ):
        apart = slope * np.clip(along - part, 0, None) ** 1.3
        for sign in (1, -1):
            axes.plot(along, height + sign * apart, color=colour, linewidth=1.6)
        axes.plot([part], [height], "o", color=colour, markersize=6)
        axes.annotate("k", (part, height), (0, 7), textcoords="offset points", color=colour)
        axes.text(1.03, height, label, color=colour, va="center")
    axes.set(xlim=(-0.03, 1.36), ylim=(-0.45, 1.6), yticks=[], xticks=[])
    axes.set_xlabel("training, in two data orders from step k")
    axes.set_title("two copies of one network")
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)


def _draw_stability(axes: Axes) -> None:
    """Barriers between copies of the dense network, as they were measured."""
    barriers = dense_barriers()
    shares = barriers.index / 100  # of 10,000 iterations, in percent
    axes.fill_between(shares, barriers["min"], barriers["max"], color=BLUE, alpha=0.15, lw=0)
    axes.plot(shares, barriers["mean"], "o-", color=BLUE, markersize=4)
    axes.axhline(_STABLE, color=GREY, linestyle="--", linewidth=1)
    axes.annotate(
        "stable below", (20, _STABLE), (0, 3), textcoords="offset points", ha="right", color=GREY
    )
    axes.set_xscale("symlog", linthresh=0.2)
    axes.set_xticks([0, 0.2, 1, 5, 20], ["0", "0.2", "1", "5", "20"])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set(xlabel="rewind step (% of training)", ylabel="error barrier (points)")
    axes.set(xlim=(-0.02, 21), ylim=(0, None))
    axes.set_title("LeNet-300-100 on Fashion-MNIST, dense")


def dense_barriers() -> pd.DataFrame:
    """Points of error between two copies of the dense network: mean, least, largest, by step."""
    rows = pd.read_csv(_RESULTS / "fashion_mnist_instability.csv")
    swept = rows["run"].str.startswith("fashion_mnist_k_")
    rows = rows[swept & (rows["network"] == "dense")]
    points = 100 * rows["test_error_barrier"]
    return points.groupby(rows["rewind_step"]).agg(["mean", "min", "max"])


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    for picture in pictures():
        (PICTURES / f"{picture.name}.png").write_bytes(picture.png)
