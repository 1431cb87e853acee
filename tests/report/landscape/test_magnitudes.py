"""Figures of magnitudes: lines against density, and histograms."""

import math

import numpy as np
import pytest

from tf_lottery.report.landscape.magnitudes import (
    magnitude_histogram_figures,
    magnitudes_figures,
)
from tf_lottery.report.landscape.measurements import Measurement
from tf_lottery.store.result_columns import HISTOGRAM_COLUMNS, MAGNITUDES_COLUMNS


def row(level: int, below: float = 0.2, lowest_quarter: float | None = 0.4) -> dict:
    return dict.fromkeys(MAGNITUDES_COLUMNS, 0.5) | {
        "level": level,
        "density": 0.8**level,
        "below_threshold": below,
        "pruned_next_quarter_1": lowest_quarter,
    }


def bins(level: int, *counts: tuple, lower=(0.0, 1e-6, 1e-5, 1e-4, 1e-3)) -> list[dict]:
    uppers = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2]
    limits = zip(lower, uppers, strict=True)
    return [
        dict(zip(HISTOGRAM_COLUMNS, (level, 0.8**level, *limit, *count), strict=True))
        for limit, count in zip(limits, counts, strict=False)
    ]


def of_replicate(rows, run="lth", replicate=1) -> Measurement:
    return Measurement(run, f"replicate_{replicate}", tuple(rows))


def stairs(figure) -> list[tuple[np.ndarray, np.ndarray]]:
    """Percentages and limits of the bins of the three histograms of a figure."""
    return [patch.get_data()[:2] for patch in figure.figure.axes[0].patches]


def test_lines_against_density_with_what_no_memory_would_give():
    rows = [row(1, 0.2, 0.4), row(2, 0.3, 0.5), row(3, 0.4, None)]
    (figure,) = magnitudes_figures([of_replicate(rows)])
    assert figure.name == "magnitudes"
    below, quarter, *others = figure.figure.axes[0].lines
    np.testing.assert_allclose(below.get_xydata(), [[51.2, 40], [64, 30], [80, 20]])
    np.testing.assert_allclose(quarter.get_xydata(), [[64, 50], [80, 40]])
    assert [25, 25] in [list(line.get_ydata()) for line in others]
    assert "25%" in figure.caption


def test_replicates_are_means_and_runs_have_lines_of_their_own():
    measurements = [
        of_replicate([row(1, below)], run, number)
        for run, number, below in (("one", 1, 0.1), ("one", 2, 0.3), ("two", 1, 0.8))
    ]
    (figure,) = magnitudes_figures(measurements)
    texts = [text.get_text().replace("\n", " ") for text in figure.figure.legends[0].get_texts()]
    assert [text.split(":")[0] for text in texts] == ["one", "one", "two", "two"]
    lines = [line for line in figure.figure.axes[0].lines if len(line.get_xdata()) == 1]
    assert [line.get_ydata()[0] for line in lines] == pytest.approx([20, 40, 80, 40])


@pytest.mark.parametrize("value", [math.inf, pytest.param(math.nan, marks=pytest.mark.slow)])
@pytest.mark.usefixtures("pictures")
def test_shares_that_are_not_finite_break_nothing(value):
    for rows in ([row(1, value, value)], [row(1), row(2, value, value)]):
        figures = magnitudes_figures([of_replicate(rows)])
        assert len(figures) == (0 if len(rows) == 1 and math.isnan(value) else 1)
        assert all(figure.png.startswith(b"\x89PNG") for figure in figures)
        assert all(("not finite" in figure.caption) == math.isinf(value) for figure in figures)
    assert magnitudes_figures([of_replicate([])]) == magnitudes_figures([]) == []


def test_histograms_are_in_percent_of_the_weights_before_pruning():
    rows = bins(1, (0, 0, 0), (0, 0, 0), (10, 10, 5), (50, 6, 44), (140, 0, 71))
    (figure,) = magnitude_histogram_figures([of_replicate(rows)])
    assert figure.name == "magnitudes_of_level_1"
    for (values, edges), expected in zip(
        stairs(figure), ([5, 25, 70], [5, 3, 0], [2.5, 22, 35.5]), strict=True
    ):
        np.testing.assert_allclose(values, expected)
        np.testing.assert_allclose(edges, [1e-5, 1e-4, 1e-3, 1e-2])
    assert figure.figure.axes[0].get_xscale() == "log"
    assert "of level 0 at the end" in figure.caption
    assert "the 80.0% of all weights" in figure.caption


def test_the_bin_of_the_smallest_weights_is_drawn_if_it_holds_some():
    (figure,) = magnitude_histogram_figures([of_replicate(bins(1, (5, 5, 0), (5, 0, 5)))])
    values, edges = stairs(figure)[0]
    np.testing.assert_allclose(values, [50, 50])
    assert 0 < edges[0] < edges[1] == 1e-6
    assert "all that are smaller" in figure.caption


def test_a_few_weights_that_are_much_smaller_do_not_stretch_the_axis():
    rows = bins(1, (1, 1, 1), (0, 0, 0), (0, 0, 0), (9999, 2000, 8000))
    (figure,) = magnitude_histogram_figures([of_replicate(rows)])
    _, edges = stairs(figure)[0]
    np.testing.assert_allclose(edges, [1e-4, 1e-3])
    assert "smaller" not in figure.caption


def test_replicates_are_means_of_shares_though_one_has_larger_weights():
    rows = [
        bins(1, (0, 0, 0), (10, 2, 8)),
        bins(1, (0, 0, 0), (10, 4, 6), (30, 0, 30)),
    ]
    measurements = [of_replicate(of_one, replicate=number) for number, of_one in enumerate(rows, 1)]
    (figure,) = magnitude_histogram_figures(measurements)
    before, pruned, after = (values for values, _ in stairs(figure))
    np.testing.assert_allclose(before, [(100 + 25) / 2, 75 / 2])
    np.testing.assert_allclose(pruned, [(20 + 10) / 2, 0])
    np.testing.assert_allclose(after, [(80 + 15) / 2, 75 / 2])
    assert figure.caption.endswith("Means over replicates.")


def test_lines_and_histograms_of_replicates_of_other_densities_are_means_of_a_level():
    densities = (0.78, 0.81)
    rows = [{**row(1, 10 * (density - 0.77)), "density": density} for density in densities]
    (figure,) = magnitudes_figures([of_replicate([one], replicate=n) for n, one in enumerate(rows)])
    np.testing.assert_allclose(figure.figure.axes[0].lines[0].get_xydata(), [[79.5, 25]])
    of_both = [
        of_replicate([{**one, "density": density} for one in bins(1, (5, 1, 4))], replicate=n)
        for n, density in enumerate(densities)
    ]
    (figure,) = magnitude_histogram_figures(of_both)
    assert "the 79.5% of all weights" in figure.caption


def test_three_levels_of_each_run_are_drawn():
    rows = [found for level in range(1, 10) for found in bins(level, (0, 0, 0), (5, 1, 4))]
    figures = magnitude_histogram_figures(
        [of_replicate(rows, "one"), of_replicate(rows[:4], "two")]
    )
    assert [figure.name for figure in figures] == [
        *(f"magnitudes_of_level_{level}_of_run_1" for level in (1, 5, 9)),
        *(f"magnitudes_of_level_{level}_of_run_2" for level in (1, 2)),
    ]
    assert "of two in percent" in figures[-1].caption


def test_levels_without_a_weight_or_a_row_have_no_histogram():
    assert magnitude_histogram_figures([]) == magnitude_histogram_figures([of_replicate([])]) == []
    assert magnitude_histogram_figures([of_replicate(bins(1, (0, 0, 0), (0, 0, 0)))]) == []


@pytest.mark.slow
@pytest.mark.usefixtures("pictures")
def test_the_same_counts_give_the_same_bytes():
    once, again = (
        magnitude_histogram_figures([of_replicate(bins(1, (0, 0, 0), (5, 1, 4)))]) for _ in range(2)
    )
    assert [(one.png, one.svg) for one in once] == [(one.png, one.svg) for one in again]
