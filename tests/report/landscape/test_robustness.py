"""Figures and table of moved rewind points: what is drawn where, what is said, what is left out."""

import io
import math
from itertools import product

import pytest
from rich.console import Console

from tf_lottery.report.landscape.measurements import Measurement
from tf_lottery.report.landscape.robustness import print_robustness, robustness_figures
from tf_lottery.store.result_columns import FRESH_NOISE_COLUMNS, ROBUSTNESS_COLUMNS

NAMES = ["robustness_barrier", "robustness_accuracy"]


def row(level: int, factor: float, direction: int = 0, **values: float) -> dict[str, float]:
    usual = {
        "density": 0.8**level,
        "perturbation_l2": 3.21 * factor,
        "relative_perturbation": 0.25 * factor,
        "test_accuracy": 0.9 - 0.01 * factor,
        "unperturbed_test_accuracy": 0.91,
        "error_barrier": 0.0123 * factor,
        "loss_barrier": 0.05 * factor,
        "l2": 12.34,
        "cosine": 0.8,
    }
    found = {"level": level, "factor": factor, "direction": direction, **usual, **values}
    return {name: found[name] for name in ROBUSTNESS_COLUMNS}


def diverged(level: int, factor: float) -> dict[str, float]:
    return row(
        *(level, factor),
        **dict.fromkeys(("error_barrier", "loss_barrier"), math.inf),
        **dict.fromkeys(("test_accuracy", "l2", "cosine"), math.nan),
    )


def measurement(levels, factors=(0.5, 1.0, 2.0), run="a", replicate="replicate_1", **values):
    rows = tuple(row(*key, **values) for key in product(levels, factors))
    return Measurement(run, replicate, rows)


def fresh_row(level: int, factor: float, direction: int = 0, **values: float) -> dict[str, float]:
    found = {**row(level, factor, direction, **values), "data_seed": 1001 + direction}
    return {name: found[name] for name in FRESH_NOISE_COLUMNS}


def fresh(*rows: dict, run="a", replicate="replicate_1") -> Measurement:
    return Measurement(run, replicate, rows)


def drawn(measurements) -> dict[str, dict[str, dict[float, float]]]:
    """Draws; heights by position, by the label of each line, by the name of each figure."""
    return {figure.name: lines_of(figure.figure) for figure in robustness_figures(measurements)}


def lines_of(figure) -> dict[str, dict[float, float]]:
    # Crosses, arrows and lines across have no place in the legend.
    (axes,) = figure.axes
    lines = [
        line
        for line in axes.lines
        if line.get_marker() not in ("x", "None") and line.get_label() != "_below the axis"
    ]
    labels = [text.get_text().replace("\n", " ") for text in figure.legends[0].get_texts()]
    points = (dict(zip(line.get_xdata(), line.get_ydata(), strict=True)) for line in lines)
    return dict(zip(labels, points, strict=True))


def test_a_line_for_each_level_in_points_with_the_unmoved_level_at_the_left():
    figures = drawn([measurement((4, 0))])
    assert list(figures) == NAMES
    barriers, accuracies = (figures[name] for name in NAMES)
    assert list(barriers) == list(accuracies) == ["level 0, 100%", "level 4, 41.0%"]
    assert barriers["level 4, 41.0%"] == pytest.approx({0.5: 0.615, 1.0: 1.23, 2.0: 2.46})
    line = accuracies["level 4, 41.0%"]
    assert list(line.values()) == pytest.approx([91, 89.5, 89, 88])
    assert min(line) < 0.5


def test_fresh_noise_has_the_rewind_point_itself_at_the_left_of_both_figures():
    unmoved = fresh_row(4, 0.0, error_barrier=0.02, test_accuracy=0.7)
    measured = fresh(unmoved, *(fresh_row(4, factor) for factor in (0.5, 1.0, 2.0)))
    barriers, accuracies = (found["level 4, 41.0%"] for found in drawn([measured]).values())
    assert list(barriers.values()) == pytest.approx([2, 0.615, 1.23, 2.46])
    assert list(accuracies.values()) == pytest.approx([70, 89.5, 89, 88])
    assert min(barriers) == min(accuracies) < 0.5


def test_figures_say_in_which_data_order_was_trained():
    found = {
        kind: robustness_figures([measured])
        for kind, measured in {
            "fresh SGD noise": fresh(fresh_row(1, 0.0), fresh_row(1, 1.0)),
            "same data order": measurement((1,)),
        }.items()
    }
    for kind, figures in found.items():
        assert [figure.title.endswith(f", {kind}") for figure in figures] == [True, True]
    for fresh_one, same in zip(*found.values(), strict=True):
        assert "Trained in data orders other than the level's own; at 0 from" in fresh_one.caption
        assert "Trained in the level's own data order" in same.caption


def test_a_folder_in_which_nothing_was_moved_yet_is_left_out():
    begun = fresh(fresh_row(1, 0.0), replicate="replicate_2")
    assert drawn([begun]) == {}
    whole = fresh(fresh_row(1, 0.0), fresh_row(1, 1.0))
    assert drawn([begun, whole]) == drawn([whole])


def test_replicates_directions_and_runs():
    once = Measurement("a", "replicate_1", (row(2, 1.0, 0, error_barrier=0.01),))
    twice = Measurement(
        *("a", "replicate_2"),
        (row(2, 1.0, 0, error_barrier=0.02), row(2, 1.0, 1, error_barrier=0.06)),
    )
    figures = drawn([once, twice])
    assert figures["robustness_barrier"] == {"level 2, 64.0%": {1.0: pytest.approx(3)}}
    caption = robustness_figures([once, twice])[0].caption
    assert "Directions count as replicates. Lines: means over replicates; bands" in caption
    other = measurement((2,), run="b")
    figures = drawn([once, other])
    assert list(figures["robustness_barrier"]) == ["a: level 2, 64.0%", "b: level 2, 64.0%"]
    assert "Directions" not in robustness_figures([once, other])[0].caption


def test_a_replicate_with_more_rows_does_not_weigh_more_where_nothing_moved():
    few = measurement((1,), (1.0,), unperturbed_test_accuracy=0.8)
    many = measurement((1,), (1.0, 2.0, 4.0), replicate="replicate_2")
    (line,) = drawn([few, many])["robustness_accuracy"].values()
    assert line[min(line)] == pytest.approx((80 + 91) / 2)


def test_many_levels_of_several_runs_get_figures_of_their_own():
    runs = [measurement(range(10), run=run) for run in ("a", "b")]
    figures = drawn(runs)
    assert list(figures) == [f"{name}_of_run_{number}" for number in (1, 2) for name in NAMES]
    labels = [label.split(",")[0] for label in figures["robustness_barrier_of_run_1"]]
    assert labels == [f"level {level}" for level in (0, 2, 3, 4, 6, 8, 9)]
    captions = [figure.caption for figure in robustness_figures(runs)]
    assert [caption[:3] for caption in captions] == ["a: ", "a: ", "b: ", "b: "]
    assert all("Not drawn: levels 1, 5, 7." in caption for caption in captions)


@pytest.mark.usefixtures("pictures")
def test_a_training_that_diverged_is_a_cross_and_is_told_of():
    rows = (row(1, 1.0), row(1, 2.0), diverged(1, 4.0))
    measured = Measurement("a", "replicate_1", rows)
    figures = drawn([measured])
    barriers, accuracies = (figures[name]["level 1, 80.0%"] for name in NAMES)
    assert list(barriers) == [1.0, 2.0]
    assert 4.0 not in accuracies
    captions = [figure.caption for figure in robustness_figures([measured])]
    assert all("1 of 3 trainings diverged: barrier infinite" in caption for caption in captions)
    assert "Crosses at the top: not finite." in captions[0]


@pytest.mark.usefixtures("pictures")
def test_little_or_nothing_is_drawn_too():
    assert drawn([]) == drawn([Measurement("a", "replicate_1", ())]) == {}
    assert list(drawn([measurement((2,), (1.0,))])) == NAMES
    assert list(drawn([Measurement("a", "replicate_1", (diverged(2, 1.0),))])) == NAMES


@pytest.mark.slow
@pytest.mark.usefixtures("pictures")
def test_the_same_rows_give_the_same_figures():
    once, again, other = (
        robustness_figures([measurement((1, 2), error_barrier=barrier)])
        for barrier in (0.01, 0.01, 0.02)
    )
    assert [(f.png, f.svg) for f in once] == [(f.png, f.svg) for f in again]
    assert once[0].svg != other[0].svg


def test_moved_networks_are_compared_with_the_unmoved_one_in_their_own_data_order():
    file = io.StringIO()
    rows = [
        *(fresh_row(2, 0.0, 0, test_accuracy=0.8), fresh_row(2, 0.0, 1, test_accuracy=math.nan)),
        *(fresh_row(2, 1.0, 0), fresh_row(2, 1.0, 1)),
    ]
    print_robustness(rows, "test", Console(file=file, width=80))
    cells = [line.split() for line in file.getvalue().splitlines()]
    assert ["2", "64.0%", "0", "0", "0.0%", "80.00%", "-", "0.00", "0.0000"] in cells
    assert ["2", "64.0%", "1", "0", "25.0%", "89.00%", "+9.00", "1.23", "0.0500"] in cells
    assert ["2", "64.0%", "1", "1", "25.0%", "89.00%", "-", "1.23", "0.0500"] in cells
    assert "each direction in a data order of its own" in " ".join(file.getvalue().split())


def test_cells_of_the_table_in_80_columns():
    file = io.StringIO()
    rows = [row(16, 0.125, 10), row(1, 2.0), diverged(1, 4.0)]
    print_robustness(rows, "train", Console(file=file, width=80))
    text = file.getvalue()
    cells = [line.split() for line in text.splitlines()]
    assert ["16", "2.81%", "0.125", "10", "3.1%", "89.88%", "-1.12", "0.15", "0.0063"] in cells
    assert ["1", "80.0%", "2", "0", "50.0%", "88.00%", "-3.00", "2.46", "0.1000"] in cells
    assert ["1", "80.0%", "4", "0", "100.0%", "-", "-", "inf", "inf"] in cells
    assert "barriers of the train data" in text
    assert "Trained in the level's own data order." in text
    assert "training diverged" in text
    table = text[: text.index("Moved by")]
    assert max(map(len, table.splitlines())) <= 80


def test_numbers_too_long_for_the_table_are_written_with_exponents():
    file = io.StringIO()
    usual = {"error_barrier": 0.9, "test_accuracy": 0.1}
    rows = [
        row(1, 1e30, loss_barrier=2.5e31, **usual),
        row(1, 1e3, loss_barrier=9_999.4, **usual),
    ]
    print_robustness(rows, "test", Console(file=file, width=80))
    cells = [line.split() for line in file.getvalue().splitlines()]
    huge = next(line for line in cells if "2.5e+31" in line)
    assert huge[:5] == ["1", "80.0%", "1e+30", "0", "2.5e+31%"]
    assert any("9999.4000" in line for line in cells)
