"""Lines of networks against the rewind step or the weights that remain: which, and their names."""

import numpy as np
import pytest

from tf_lottery.report.figures.method_styles import styles_of
from tf_lottery.report.landscape.measurements import Measurement
from tf_lottery.report.landscape.network_figure import network_curves, network_figure
from tf_lottery.report.method_results import LOTTERY
from tf_lottery.store.result_columns import with_network

MASK = "random_mask"


def row(level=1, step=0, value=0.5, network=None, rate=0.1, warmup=0, batch=60, density=None):
    return {
        "rewind_step": step,
        "learning_rate": rate,
        "warmup_steps": warmup,
        "batch_size": batch,
        "level": level,
        "density": 0.5**level if density is None else density,
        "network": network or ("ticket" if level else "dense"),
        "copies": 2,
        "value": value,
    }


def measured(run, *rows, replicate=1):
    return Measurement(run, f"replicate_{replicate}", rows)


def lines(*measurements):
    """Means of each line by its label and position."""
    curves = network_curves(measurements, "value").curves
    found = {
        curve.label: dict(
            zip(curve.positions, (spread.mean for spread in curve.spreads), strict=True)
        )
        for curve in curves
    }
    assert len(found) == len(curves), "two lines have the same label"
    return found


def test_without_several_rewind_steps_lines_run_over_the_weights_that_remain():
    of_run = measured(
        "a", row(0, value=1.0), row(1, value=2.0), row(1, network=MASK, value=3.0), row(2, value=4)
    )
    assert lines(of_run) == {"ticket": {100: 1, 50: 2, 25: 4}, "random mask": {50: 3}}
    assert not network_curves([of_run], "value").of_rewind_step


def test_runs_of_a_sweep_of_the_rewind_step_are_points_of_the_same_lines():
    of_runs = [
        measured(
            f"a_rewind_step_{step}it",
            row(0, step, 1 + step),
            row(2, step, 2 + step),
            row(2, step, 3 + step, MASK),
        )
        for step in (100, 0)
    ]
    assert lines(*of_runs) == {
        "ticket, 25.0%": {0: 2, 100: 102},
        "random mask, 25.0%": {0: 3, 100: 103},
        "dense": {0: 1, 100: 101},
    }


def test_replicates_are_taken_together():
    of_replicates = [measured("a", row(value=value), replicate=value) for value in (1, 2, 6)]
    (curve,) = network_curves(of_replicates, "value").curves
    (spread,) = curve.spreads
    assert (spread.mean, spread.minimum, spread.maximum, spread.count) == (3, 1, 6, 3)


def test_settings_are_named_where_they_differ():
    runs = [
        measured("a", row(rate=0.1, value=1)),
        measured("b", row(rate=0.1, warmup=1000, value=2)),
        measured("c", row(rate=0.0012, value=3)),
    ]
    assert lines(*runs[:2]) == {"warmup 0, ticket": {50: 1}, "warmup 1,000, ticket": {50: 2}}
    assert lines(*runs) == {
        "learning rate 0.1, warmup 0, ticket": {50: 1},
        "learning rate 0.1, warmup 1,000, ticket": {50: 2},
        "learning rate 0.0012, warmup 0, ticket": {50: 3},
    }
    batches = [measured(run, row(batch=batch)) for run, batch in (("a", 60), ("b", 1024))]
    assert set(lines(*batches)) == {"batch size 60, ticket", "batch size 1,024, ticket"}


def test_different_experiments_with_the_same_settings_are_never_averaged():
    assert lines(measured("a", row(value=1)), measured("b", row(value=3))) == {
        "a, ticket": {50: 1},
        "b, ticket": {50: 3},
    }


def test_sweeps_of_two_experiments_have_lines_each():
    runs = [
        measured(f"{name}_rewind_step_{step}_levels_3", row(0, step, value))
        for name, value in (("a", 1), ("b", 3))
        for step in (0, 5)
    ]
    assert lines(*runs) == {"a_levels_3, dense": {0: 1, 5: 1}, "b_levels_3, dense": {0: 3, 5: 3}}


def test_labels_stay_whole_where_less_would_mix_experiments():
    runs = [
        measured("a_rewind_step_1ep", row(0, 20, 1)),
        measured("a_rewind_step_20it", row(0, 20, 2)),
        measured("a", row(0, 0, 3)),
    ]
    assert lines(*runs) == {
        "a_rewind_step_1ep, dense": {20: 1},
        "a_rewind_step_20it, dense": {20: 2},
        "a, dense": {0: 3},
    }


def test_lines_of_more_levels_than_have_room_are_named_in_the_note():
    rows = [
        row(level, step, network=network)
        for level in range(1, 12)
        for step in (0, 9)
        for network in ("ticket", MASK)
    ]
    shown = network_curves([measured("a", *rows)], "value")
    densities = ["50.0%", "1.56%", "0.0488%"]
    assert [curve.label for curve in shown.curves] == [
        f"{kind}, {density}" for kind in ("ticket", "random mask") for density in densities
    ]
    assert shown.notes[1:] == (
        "Of the pruned levels only some have lines: 50.0%, 1.56%, 0.0488% of the weights.",
    )
    few = [found for found in rows if found["level"] in (2, 5, 7)]
    shares = "Percentages: the weights that remain."
    assert network_curves([measured("a", *few)], "value").notes[1:] == (shares,)
    # Two experiments leave room for one level each.
    others = [{**found, "batch_size": 30} for found in rows]
    both = network_curves([measured("a", *rows), measured("b", *others)], "value")
    assert len(both.curves) == 4
    assert "0.0488% of the weights" in both.notes[1]


def test_rows_without_a_value_are_left_out():
    of_run = measured("a", row(0, value=None), row(1), row(2, value=np.nan))
    assert lines(of_run) == {"ticket": {50: 0.5}}
    assert lines(measured("a", row(0, value=None)), measured("b")) == {}


@pytest.mark.parametrize("steps", [(0,), (0, 9)])
def test_each_network_has_the_colour_that_its_branch_has_in_reports(steps):
    methods = {
        "ticket": LOTTERY,
        "random mask": MASK,
        "new weights": "random_reinitialization",
        "dense": "rewound_dense",
    }
    styles = dict(zip(methods, styles_of(list(methods.values())), strict=True))
    networks = ("ticket", MASK, "random_reinitialization")
    rows = [
        row(level, step, network=name) for level in (1, 2) for step in steps for name in networks
    ]
    shown = network_curves([measured("a", *rows, *(row(0, step) for step in steps))], "value")
    kinds = [curve.label.split(",")[0] for curve in shown.curves]
    found = [(curve.style.colour, curve.style.marker) for curve in shown.curves]
    assert found == [(styles[kind].colour, styles[kind].marker) for kind in kinds]
    assert len({curve.style for curve in shown.curves}) == len(shown.curves)
    once = ["ticket", "random mask", "new weights"]
    twice = [*(kind for kind in once for _ in range(2)), "dense"]
    assert kinds == (once if len(steps) == 1 else twice)
    assert shown.notes[0].startswith("Random mask: ")
    assert shown.notes[1].startswith("New weights: ")


def test_where_there_are_no_baselines_colours_tell_levels_and_experiments_apart():
    of_levels = measured("a", *(row(level, step) for level in (0, 1, 2) for step in (0, 9)))
    of_runs = [measured("a", row(0)), measured("b", row(0, rate=0.2))]
    for measurements in ([of_levels], of_runs):
        shown = network_curves(measurements, "value")
        assert [curve.style for curve in shown.curves] == [None] * len(shown.curves)
        assert not any("mask" in note for note in shown.notes)


def test_rows_of_earlier_versions_get_the_name_of_their_network():
    old = [
        {"level": level, "random_mask": mask, "copies": 2}
        for level, mask in ((0, 0), (3, 0), (3, 1))
    ]
    assert [list(with_network(found).items())[1] for found in old] == [
        *(("network", "dense"), ("network", "ticket"), ("network", "random_mask")),
    ]
    assert [*with_network(old[0])] == ["level", "network", "copies"]
    new = {"level": 3, "network": "random_reinitialization"}
    assert with_network(new) == new


def figure_of(*rows):
    texts = {"name": "figure", "title": "A title", "caption": "A caption."}
    return network_figure(
        [measured("a", *rows)], "value", **texts, finish=lambda axes, curves: None
    )


@pytest.mark.parametrize("steps", [(0,), (0, 1), (100, 2000), (0, *range(10, 10_000, 90))])
@pytest.mark.usefixtures("pictures")
def test_the_axis_takes_any_rewind_steps(steps):
    figure = figure_of(*(row(0, step) for step in steps))
    assert figure.png.startswith(b"\x89PNG\r\n\x1a\n")
    assert (figure.name, figure.title, figure.caption) == ("figure", "A title", "A caption.")


def test_there_is_no_figure_without_values():
    assert figure_of() is None
    assert figure_of(row(0, value=None)) is None


def test_values_that_are_not_finite_are_told_in_the_caption():
    figure = figure_of(row(0, value=np.inf), row(1, value=-np.inf))
    assert figure.caption.startswith("A caption. ")
    assert "not finite" in figure.caption
