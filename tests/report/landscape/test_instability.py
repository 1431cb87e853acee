"""The figures and the table of instability."""

import io
import re

import numpy as np
import pytest
from rich.console import Console

from tf_lottery.report.landscape.instability import instability_figures, print_instability
from tf_lottery.report.landscape.measurements import Measurement

REINITIALIZED = "random_reinitialization"


def row(level=1, step=0, barrier=0.1, accuracy=0.9, network=None, split="test"):
    return {
        "rewind_step": step,
        "learning_rate": 0.1,
        "warmup_steps": 0,
        "batch_size": 60,
        "level": level,
        "density": 0.5**level,
        "network": network or ("ticket" if level else "dense"),
        "copies": 2,
        "test_accuracy": accuracy,
        "l2": 3.0,
        f"{split}_error_barrier": barrier,
        f"{split}_loss_barrier": 2 * barrier,
    }


def figures(*rows, run="a"):
    return instability_figures([Measurement(run, "replicate_1", rows)])


def test_barriers_and_accuracies_are_drawn():
    rows = row(0), row(1), row(1, barrier=0.2, accuracy=0.8, network="random_mask")
    barriers, accuracies = figures(*rows)
    assert (barriers.name, accuracies.name) == ("instability", "instability_accuracy")
    assert "Grey line: 2 points, below which arXiv 1912.05671" in barriers.caption
    (axes,) = barriers.figure.axes
    assert [2, 2] in [list(line.get_ydata()) for line in axes.lines]
    assert "test error barrier" in axes.get_ylabel()
    for figure, ticket, mask in ((barriers, 10, 20), (accuracies, 90, 80)):
        heights = [list(line.get_ydata()) for line in figure.figure.axes[0].lines]
        assert pytest.approx([ticket, ticket]) in heights
        assert pytest.approx([mask]) in heights


def test_several_rewind_steps_are_drawn_whatever_their_accuracies():
    rows = [row(level, step, 0.3 / (1 + step)) for level in (0, 3) for step in (0, 20, 400)]
    rows.append(row(3, 7000, barrier=0.0, accuracy=0.1))
    assert len(figures(*rows)) == 2


def test_the_split_of_the_barriers_may_be_the_training_data():
    barriers, _ = figures(row(0, split="train"))
    assert "train error barrier" in barriers.figure.axes[0].get_ylabel()


@pytest.mark.parametrize(
    "barrier", [np.inf, *(pytest.param(b, marks=pytest.mark.slow) for b in (np.nan, None))]
)
@pytest.mark.usefixtures("pictures")
def test_barriers_that_are_not_finite_leave_figures(barrier):
    barriers, accuracies = figures(row(1), {**row(2), "test_error_barrier": barrier})
    assert accuracies.figure.axes[0].lines[0].get_ydata().tolist() == [90, 90]
    assert barriers.figure.axes[0].lines[0].get_ydata().tolist() == [10]
    assert ("not finite" in barriers.caption) == (barrier == np.inf)
    assert barriers.png.startswith(b"\x89PNG\r\n\x1a\n")


def test_one_row_or_none_is_drawn_or_not():
    assert len(figures(row(0))) == 2
    assert figures() == []
    assert instability_figures([]) == []


def test_a_file_without_the_settings_is_named_by_its_missing_column():
    old = row(1)
    del old["warmup_steps"]
    with pytest.raises(KeyError, match="warmup_steps"):
        figures(old)


def test_the_table_tells_which_networks_are_stable():
    text = io.StringIO()
    rows = [
        *(row(0, 500, 0.0199), row(2, 500, 0.02)),
        *(row(2, 500, np.inf, network="random_mask"), row(2, 500, 0.3, network=REINITIALIZED)),
    ]
    print_instability(rows, 0.02, "test", Console(file=text, width=80))
    cells = [re.split(" {2,}", line.strip()) for line in text.getvalue().splitlines()]
    numbers = [line for line in cells if line[0] == "500"]
    assert numbers == [
        ["500", "0", "100%", "dense", "90.00%", "1.99", "0.0398", "3.00", "yes"],
        ["500", "2", "25.0%", "ticket", "90.00%", "2.00", "0.0400", "3.00", "no"],
        ["500", "2", "25.0%", "random mask", "90.00%", "inf", "inf", "3.00", "no"],
        ["500", "2", "25.0%", "new weights", "90.00%", "30.00", "0.6000", "3.00", "no"],
    ]
    words = " ".join(text.getvalue().split())
    assert "stable: below 2 points" in words
    assert "New weights: the ticket, randomly reinitialized." in words
    text = io.StringIO()
    print_instability(rows[:2], 0.02, "test", Console(file=text, width=80))
    assert "New weights" not in text.getvalue()
