"""The figures and the tables of stability."""

import io
import re

import numpy as np
import pytest
from rich.console import Console

from tf_lottery.report.landscape.measurements import Measurement
from tf_lottery.report.landscape.stability import print_layers, print_stability, stability_figures

NAMES = [
    *("stability_pruning_l2", "stability_pruning_cosine"),
    *("stability_data_order_l2", "stability_data_order_cosine"),
]


def row(level=1, step=0, network=None, **values):
    return {
        "rewind_step": step,
        "learning_rate": 0.1,
        "warmup_steps": 0,
        "batch_size": 60,
        "level": level,
        "density": 0.5**level,
        "network": network or ("ticket" if level else "dense"),
        "copies": 2,
        "test_accuracy": 0.9,
        "pruning_l2": 12.345 if level else None,
        "pruning_cosine": 0.5 if level else None,
        "data_order_l2": 30.0,
        "data_order_cosine": 0.25,
        **values,
    }


def figures(*rows):
    drawn = stability_figures([Measurement("a", "replicate_1", rows)])
    return {figure.name: figure for figure in drawn}


def test_both_distances_of_both_changes_are_drawn():
    for steps in ((0,), (0, 100, 2000)):
        rows = [row(level, step) for level in (0, 1, 2) for step in steps]
        found = figures(*rows, *(row(2, step, "random_mask") for step in steps))
        assert list(found) == NAMES
        assert all(figure.figure.axes[0].lines for figure in found.values())


def test_each_figure_shows_its_own_column():
    found = figures(row(1), row(2))
    heights = [found[name].figure.axes[0].lines[0].get_ydata().tolist() for name in NAMES]
    assert heights == [[12.345] * 2, [0.5] * 2, [30.0] * 2, [0.25] * 2]
    labels = [found[name].figure.axes[0].get_ylabel().split("\n") for name in NAMES]
    assert labels == [
        ["L2 distance", "to the dense network"],
        ["cosine of the angle", "to the dense network"],
        ["L2 distance", "between copies"],
        ["cosine of the angle", "between copies"],
    ]


def test_the_dense_network_is_stable_or_not_to_the_data_order_alone():
    assert list(figures(row(0))) == NAMES[2:]


def test_an_empty_table_has_no_figure():
    assert figures() == {}
    assert stability_figures([]) == []


@pytest.mark.usefixtures("pictures")
def test_values_that_are_not_finite_break_no_figure():
    found = figures(row(1, data_order_l2=np.inf, pruning_cosine=np.nan), row(2))
    assert list(found) == NAMES
    told = [name for name in NAMES if "not finite" in found[name].caption]
    assert told == ["stability_data_order_l2"]


def cells_of(printing, *arguments):
    text = io.StringIO()
    printing(*arguments, Console(file=text, width=80))
    return [re.split(" {2,}", line.strip()) for line in text.getvalue().splitlines()]


def test_the_table_leaves_empty_what_the_dense_network_lacks():
    rows = [
        *(row(0, 1000), row(2, 1000), row(2, 1000, "random_mask", data_order_l2=np.inf)),
        row(2, 1000, "random_reinitialization", pruning_l2=123.456),
    ]
    cells = cells_of(print_stability, rows)
    assert [line for line in cells if line[0] == "1,000"] == [
        ["1,000", "0", "100%", "dense", "90.00%", "-", "-", "30.00", "0.250"],
        ["1,000", "2", "25.0%", "ticket", "90.00%", "12.35", "0.500", "30.00", "0.250"],
        ["1,000", "2", "25.0%", "random mask", "90.00%", "12.35", "0.500", "inf", "0.250"],
        ["1,000", "2", "25.0%", "new weights", "90.00%", "123.46", "0.500", "30.00", "0.250"],
    ]


def test_the_table_of_layers_names_the_kernels():
    rows = [row(2, 1000, layer=2), row(2, 1000, layer=3, pruning_cosine=np.nan)]
    cells = cells_of(print_layers, rows, ["conv/kernel", "dense/kernel", "output/kernel"])
    assert cells[0] == ["Layers of level 2, rewind step 1,000:"]
    assert cells[-2:] == [
        ["2", "dense/kernel", "12.35", "0.500", "30.00", "0.250"],
        ["3", "output/kernel", "12.35", "-", "30.00", "0.250"],
    ]
