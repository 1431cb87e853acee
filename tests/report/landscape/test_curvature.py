"""Figures of curvature: what is drawn of one run and of several."""

import math

import numpy as np
import pytest

from tf_lottery.report.landscape.curvature import curvature_figures
from tf_lottery.report.landscape.measurements import Measurement
from tf_lottery.store.result_columns import CURVATURE_COLUMNS, EIGENVALUE

RATIOS = [
    f"{kind}_ratio_{order}"
    for order in ("magnitude", "random")
    for kind in ("predicted", "retrained", "measured")
]


def row(level: int, eigenvalues=(8.0, 4.0, 2.0), **more) -> dict:
    values = dict.fromkeys(CURVATURE_COLUMNS, 0.5) | {
        "level": level,
        "density": 0.8**level,
        "loss_rise": 0.25,
        "largest_eigenvalue": eigenvalues[0],
        "sharpness_of_smallest": 0.01,
    }
    values |= {name: 0.9 - 0.1 * index for index, name in enumerate(RATIOS)}
    values |= {f"{EIGENVALUE}{rank}": value for rank, value in enumerate(eigenvalues, 1)}
    return values | more


def of_replicate(*rows, run="lth", replicate=1) -> Measurement:
    return Measurement(run, f"replicate_{replicate}", rows)


def draw(*measurements) -> dict:
    """Matplotlib's figures by their names."""
    return {figure.name: figure.figure for figure in curvature_figures(measurements)}


def lines_of(figure) -> list:
    return list(figure.axes[0].lines)


def legend(figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_run_has_its_ratios_its_curvature_and_its_spectra():
    drawn = draw(of_replicate(*map(row, range(6))))
    assert list(drawn) == ["pruning_ratio", "curvature", "eigenvalues"]
    ratios = lines_of(drawn["pruning_ratio"])
    assert [line.get_ydata()[0] for line in ratios] == pytest.approx([90, 80, 70, 60, 50, 40])
    np.testing.assert_allclose(
        ratios[0].get_xdata(), [100 * 0.8**level for level in range(5, -1, -1)]
    )
    assert legend(drawn["pruning_ratio"]) == [
        "smallest, predicted",
        "smallest, retrained",
        "smallest, not retrained",
        "random, predicted",
        "random, retrained",
        "random, not retrained",
    ]
    largest, along_random, along_smallest = lines_of(drawn["curvature"])
    assert set(along_random.get_ydata()) == {0.5}
    assert set(largest.get_ydata()) == {8}
    assert set(along_smallest.get_ydata()) == {0.01}
    assert drawn["curvature"].axes[0].get_yscale() == "log"


def test_the_caption_says_by_how_much_the_loss_may_rise():
    (figure, *_) = curvature_figures([of_replicate(row(0))])
    assert "rises by at most 0.25 nats" in figure.caption


def test_spectra_of_replicates_of_other_densities_are_means():
    measurements = [
        of_replicate({**row(1, (top, 1.0)), "density": density}, replicate=replicate)
        for replicate, (top, density) in enumerate([(2.0, 0.78), (4.0, 0.81)], 1)
    ]
    figure = draw(*measurements)["eigenvalues"]
    assert figure.axes[0].lines[0].get_ydata().tolist() == [3, 1]
    assert len(figure.legends) == 1
    assert legend(figure) == ["level 1 (79.5%)"]


def test_spectra_are_those_of_the_first_the_middle_and_the_last_level():
    rows = [row(level, (2.0**level, 1.0, 0.5)) for level in (0, 1, 2, 3, 6)]
    figure = draw(of_replicate(*rows))["eigenvalues"]
    assert legend(figure) == ["level 0 (100%)", "level 2 (64.0%)", "level 6 (26.2%)"]
    for line, level in zip(lines_of(figure), (0, 2, 6), strict=True):
        np.testing.assert_allclose(line.get_xydata(), [[1, 2**level], [2, 1], [3, 0.5]])
    ticks = [tick for tick in figure.axes[0].get_xticks() if 1 <= tick <= 3]
    assert all(tick == round(tick) for tick in ticks)


def test_replicates_are_means_and_runs_are_told_apart():
    measurements = [
        of_replicate(
            row(0, (scale * value, 1.0)),
            row(1, measured_ratio_magnitude=scale * share),
            run=run,
            replicate=number,
        )
        for run, scale in (("one", 1), ("two", 0.5))
        for number, value, share in ((1, 4.0, 0.2), (2, 8.0, 0.6))
    ]
    drawn = draw(*measurements)
    assert list(drawn) == [
        "pruning_ratio_magnitude",
        "pruning_ratio_random",
        "curvature",
        "eigenvalues_of_run_1",
        "eigenvalues_of_run_2",
    ]
    assert legend(drawn["pruning_ratio_magnitude"]) == [
        f"{run}: smallest, {kind}"
        for run in ("one", "two")
        for kind in ("predicted", "retrained", "not retrained")
    ]
    measured = lines_of(drawn["pruning_ratio_magnitude"])[2]
    np.testing.assert_allclose(measured.get_xydata(), [[80, 40], [100, 70]])
    assert lines_of(drawn["eigenvalues_of_run_1"])[0].get_ydata()[0] == 6
    assert lines_of(drawn["eigenvalues_of_run_2"])[0].get_ydata()[0] == 3
    captions = [figure.caption for figure in curvature_figures(measurements)]
    assert ["bands" in caption for caption in captions] == [True, False, True, True, True]


def test_files_of_older_versions_lack_some_lines():
    """Joined with newer ones, and alone."""
    new = {"retrained_ratio_magnitude", "retrained_ratio_random", "sharpness_of_random"}
    old = {name: value for name, value in row(0).items() if name not in new}
    drawn = draw(of_replicate(old))
    assert len(lines_of(drawn["pruning_ratio"])) == 4
    assert len(lines_of(drawn["curvature"])) == 2
    drawn = draw(of_replicate(old), of_replicate(row(1), replicate=2))
    assert len(lines_of(drawn["pruning_ratio"])) == 6


def test_levels_with_fewer_weights_than_eigenvalues_have_short_spectra():
    drawn = draw(of_replicate(row(0), row(1, (3.0, None, None))))
    assert [len(line.get_xdata()) for line in lines_of(drawn["eigenvalues"])] == [3, 1]


@pytest.mark.parametrize(
    "value",
    [math.inf, *(pytest.param(v, marks=pytest.mark.slow) for v in (math.nan, 0.0, -1.0))],
)
@pytest.mark.usefixtures("pictures")
def test_numbers_that_cannot_be_drawn_break_nothing_and_are_said_to_be_there(value):
    bad = row(1, (value, value, value), sharpness_of_smallest=value) | dict.fromkeys(RATIOS, value)
    for rows in ((bad,), (row(0), bad)):
        figures = curvature_figures([of_replicate(*rows)])
        assert all(figure.png.startswith(b"\x89PNG\r\n\x1a\n") for figure in figures)
        said = {math.inf: "not finite", 0.0: "0 or below", -1.0: "0 or below"}.get(value, "")
        assert all(said in figure.caption for figure in figures if "ratio" not in figure.name)


def test_without_rows_there_is_nothing():
    assert curvature_figures([]) == curvature_figures([of_replicate()]) == []
    assert len(curvature_figures([of_replicate(run="empty"), of_replicate(row(0))])) == 4


@pytest.mark.slow
@pytest.mark.usefixtures("pictures")
def test_the_same_numbers_give_the_same_bytes():
    once, again = (curvature_figures([of_replicate(row(0), row(1))]) for _ in range(2))
    assert [(one.png, one.svg) for one in once] == [(one.png, one.svg) for one in again]
