"""Figures of the barriers between levels: what is drawn of one run and of several."""

import math
from itertools import combinations, pairwise

import numpy as np
import pytest

from tf_lottery.config.matching import matching_rule
from tf_lottery.report.landscape.measurements import Measurement
from tf_lottery.report.landscape.successive_levels import levels_figures
from tf_lottery.store.result_columns import barrier_column

BARRIER = barrier_column("test")


def row(first: int, second: int, barrier=0.01, accuracies=(0.9, 0.9), split="test") -> dict:
    return {
        "first_level": first,
        "second_level": second,
        "first_density": 0.8**first,
        "second_density": 0.8**second,
        "first_test_accuracy": accuracies[0],
        "second_test_accuracy": accuracies[1],
        "l2": 1.0,
        "cosine": 0.5,
        barrier_column(split): barrier,
        barrier_column(split, "loss"): 2 * barrier,
    }


def of_replicate(rows, run="lth", replicate=1) -> Measurement:
    return Measurement(run, f"replicate_{replicate}", tuple(rows))


def all_pairs(levels=4, factor=0.01) -> list[dict]:
    return [
        row(*pair, factor * (10 * pair[0] + pair[1])) for pair in combinations(range(levels), 2)
    ]


def names(figures) -> list[str]:
    return [figure.name for figure in figures]


def drawn_of(figures) -> dict:
    """Matplotlib's figures by their names."""
    return {figure.name: figure.figure for figure in figures}


def crosses(axes) -> list[float]:
    found = [line for line in axes.lines if line.get_marker() == "x"]
    return [float(x) for line in found for x in line.get_xdata()]


def test_barriers_to_the_level_before_are_drawn_against_density():
    figures = levels_figures([of_replicate(all_pairs())])
    drawn = drawn_of(figures)
    assert list(drawn) == ["successive_levels", "barrier_and_accuracy", "level_matrix"]
    axes = drawn["successive_levels"].axes[0]
    np.testing.assert_allclose(axes.lines[0].get_xdata(), [51.2, 64, 80])
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [23, 12, 1])
    left, right = axes.get_xlim()
    assert left > 80 > 51.2 > right
    assert "test error barrier" in axes.get_ylabel()
    (axes,) = drawn["barrier_and_accuracy"].axes
    assert axes.get_xlabel() == "test accuracy minus that of the dense network (points)"
    assert not drawn["successive_levels"].legends
    assert figures[0].caption.endswith("of the level before.")


def test_the_matrix_has_every_two_levels_and_blanks():
    rows = [
        found for found in all_pairs() if (found["first_level"], found["second_level"]) != (0, 3)
    ]
    figure = levels_figures([of_replicate(rows)])[-1]
    matrix = figure.figure.axes[0].images[0].get_array()
    for first, second in combinations(range(4), 2):
        if (first, second) == (0, 3):
            assert matrix.mask[0, 3]
            assert matrix.mask[3, 0]
        else:
            assert matrix[first, second] == matrix[second, first] == 10 * first + second
    assert np.diag(matrix).tolist() == [0, 0, 0, 0]
    assert figure.caption.endswith("every two levels. Blank: not measured.")


def test_a_matrix_of_neighbours_alone_would_say_nothing_new():
    rows = [row(*pair) for pair in pairwise(range(4))]
    assert names(levels_figures([of_replicate(rows)])) == [
        "successive_levels",
        "barrier_and_accuracy",
    ]


def test_levels_that_do_not_follow_one_another_are_in_the_matrix_alone():
    (figure,) = levels_figures([of_replicate([row(0, 3, 0.2)])])
    assert figure.name == "level_matrix"
    rows = [row(0, 3, 0.2), row(3, 4, 0.1), row(0, 4, 0.3)]
    drawn = drawn_of(levels_figures([of_replicate(rows)]))
    points = drawn["successive_levels"].axes[0].lines[0].get_xydata()
    np.testing.assert_allclose(points, [[40.96, 10]])
    points = drawn["barrier_and_accuracy"].axes[0].lines[0].get_xydata()
    np.testing.assert_allclose(points, [[0, 10]])
    assert drawn["level_matrix"].axes[0].images[0].get_array()[0, 1] == 20


def test_replicates_of_other_densities_are_means_too():
    measurements = [
        of_replicate(
            [{**row(0, 1, barrier), "second_density": density}, row(1, 2, barrier)],
            replicate=replicate,
        )
        for replicate, (barrier, density) in enumerate([(0.01, 0.79), (0.03, 0.81)], 1)
    ]
    (line, *_) = drawn_of(levels_figures(measurements))["successive_levels"].axes[0].lines
    np.testing.assert_allclose(line.get_xydata(), [[64, 2], [80, 2]])


def test_replicates_are_means_with_bands_and_runs_are_lines():
    measurements = [
        of_replicate(all_pairs(factor=factor), run, replicate)
        for run, scale in (("one", 1), ("two", 2))
        for replicate, factor in ((1, 0.01 * scale), (2, 0.03 * scale))
    ]
    figures = levels_figures(measurements)
    drawn = drawn_of(figures)
    assert list(drawn) == [
        "successive_levels",
        "barrier_and_accuracy",
        "level_matrix_of_run_1",
        "level_matrix_of_run_2",
    ]
    figure = drawn["successive_levels"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "two"]
    lines = [line for line in figure.axes[0].lines if line.get_marker() != "x"]
    np.testing.assert_allclose(lines[0].get_ydata(), [46, 24, 2])
    np.testing.assert_allclose(lines[1].get_ydata(), [92, 48, 4])
    band = figure.axes[0].collections[0].get_paths()[0].vertices
    assert {tuple(point) for point in band.round(6)} >= {(80, 1), (80, 3), (51.2, 23), (51.2, 69)}
    matrices = [
        drawn[f"level_matrix_of_run_{number}"].axes[0].images[0].get_array() for number in (1, 2)
    ]
    np.testing.assert_allclose(matrices[1], 2 * matrices[0])
    assert matrices[0][0, 3] == pytest.approx(6)
    assert "bands" in figures[0].caption
    assert [figure.title for figure in figures[2:]] == [
        f"Barriers between all levels: {run}" for run in ("one", "two")
    ]
    assert [figure.caption.endswith("Means over replicates.") for figure in figures[2:]] == [
        True
    ] * 2


def test_accuracies_are_those_above_the_dense_network_of_the_same_replicate():
    measurements = [
        of_replicate([row(0, 1, 0.01, (dense, 0.9)), row(1, 2, 0.02, (0.9, 0.8))], replicate=number)
        for number, dense in ((1, 0.85), (2, 0.95))
    ]
    drawn = drawn_of(levels_figures(measurements))
    points = drawn["barrier_and_accuracy"].axes[0].lines[0].get_xydata()
    np.testing.assert_allclose(points, [[5, 1], [-5, 2], [-5, 1], [-15, 2]], atol=1e-9)


def test_the_line_between_levels_that_match_and_others_is_that_of_the_rule():
    for options, tolerance in (({}, 0.005), ({"tolerance": 0.02}, 0.02)):
        figures = levels_figures([of_replicate([row(0, 1)])], **options)
        line = figures[1].figure.axes[0].lines[-1]
        np.testing.assert_allclose(line.get_xdata(), -100 * tolerance)
        assert matching_rule(tolerance) in figures[1].caption


@pytest.mark.parametrize("unknown", [None, math.nan])
def test_levels_of_unknown_accuracy_have_no_point_there(unknown):
    rows = [row(0, 1, accuracies=(0.9, unknown)), row(1, 2, accuracies=(unknown, 0.8))]
    drawn = drawn_of(levels_figures([of_replicate(rows)]))
    assert len(drawn["successive_levels"].axes[0].lines[0].get_xdata()) == 2
    np.testing.assert_allclose(
        drawn["barrier_and_accuracy"].axes[0].lines[0].get_xydata(), [[-10, 1]]
    )
    rows = [row(0, 1, accuracies=(unknown, 0.9))]
    assert names(levels_figures([of_replicate(rows)])) == ["successive_levels"]


def test_a_run_without_the_dense_network_has_no_accuracies_to_compare():
    assert names(levels_figures([of_replicate([row(1, 2), row(2, 3)])])) == ["successive_levels"]


@pytest.mark.usefixtures("pictures")
def test_barriers_that_are_not_finite_are_crosses_and_said_to_be_there():
    rows = [row(0, 1, 0.01), row(1, 2, math.inf, (0.9, 0.8)), row(0, 2, math.inf)]
    figures = levels_figures([of_replicate(rows), of_replicate(all_pairs(3), replicate=2)])
    drawn = drawn_of(figures)
    assert crosses(drawn["successive_levels"].axes[0]) == pytest.approx([64])
    assert crosses(drawn["barrier_and_accuracy"].axes[0]) == pytest.approx([-10])
    assert sorted(crosses(drawn["level_matrix"].axes[0])) == [0, 1, 2, 2]
    for figure in figures:
        assert figure.caption.count("not finite") == 1
        assert figure.png.startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize(
    "barrier",
    [0.0, math.inf, *(pytest.param(b, marks=pytest.mark.slow) for b in (math.nan, None))],
)
@pytest.mark.usefixtures("pictures")
def test_barriers_that_are_all_the_same_break_nothing(barrier):
    rows = [{**row(*pair), BARRIER: barrier} for pair in combinations(range(3), 2)]
    figures = levels_figures([of_replicate(rows)])
    assert len(figures) == (0 if barrier is None or math.isnan(barrier) else 3)
    assert all(figure.png.startswith(b"\x89PNG\r\n\x1a\n") for figure in figures)


def test_one_pair_or_none_is_enough():
    assert names(levels_figures([of_replicate([row(0, 1)])])) == [
        "successive_levels",
        "barrier_and_accuracy",
    ]
    assert levels_figures([of_replicate([])]) == []
    assert levels_figures([]) == []
    drawn = drawn_of(levels_figures([of_replicate([], "empty"), of_replicate(all_pairs(), "full")]))
    legend = drawn["successive_levels"].legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["full"]


def test_without_test_data_the_barriers_on_training_data_are_drawn():
    drawn = drawn_of(levels_figures([of_replicate([row(0, 1, split="train")])]))
    assert "train error barrier" in drawn["successive_levels"].axes[0].get_ylabel()
    np.testing.assert_allclose(drawn["successive_levels"].axes[0].lines[0].get_ydata(), [1])


@pytest.mark.slow
@pytest.mark.usefixtures("pictures")
def test_the_same_barriers_give_the_same_bytes():
    once, again, other = (
        levels_figures([of_replicate(all_pairs(factor=factor))]) for factor in (0.01, 0.01, 0.02)
    )
    assert [(one.png, one.svg) for one in once] == [(one.png, one.svg) for one in again]
    assert all(one.svg != two.svg for one, two in zip(once, other, strict=True))


def test_labels_of_twenty_levels_do_not_overlap():
    figure = levels_figures([of_replicate(all_pairs(20))])[-1].figure
    figure.draw_without_rendering()
    for labels in (figure.axes[0].get_xticklabels(), figure.axes[0].get_yticklabels()[::-1]):
        boxes = [label.get_window_extent() for label in labels]
        assert all(b.x0 > a.x1 or b.y0 >= a.y1 for a, b in pairwise(boxes))
