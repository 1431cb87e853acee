"""The schedule of iterative magnitude pruning, as tfmot sees it and in exact arithmetic."""

import pytest
import tensorflow_model_optimization as tfmot

from tf_lottery.pruning.schedule import IMPSchedule


def test_it_is_a_schedule_of_tfmot():
    schedule = IMPSchedule(0.2)
    assert isinstance(schedule, tfmot.sparsity.keras.PruningSchedule)
    for level in range(6):
        prune, sparsity = schedule(level)
        assert bool(prune)
        assert float(sparsity) == pytest.approx(1 - 0.8**level, abs=1e-6)


def test_counts_and_densities():
    schedule = IMPSchedule(0.2)
    assert [schedule.density(level) for level in range(4)] == [1.0, 0.8, 0.64, 0.512]
    assert [schedule.remaining(1000, level) for level in range(4)] == [1000, 800, 640, 512]
    for level in range(40):
        assert schedule.remaining(266_200, level) == round(266_200 * 0.8**level)


def test_counts_do_not_suffer_from_floating_point():
    assert round(15 * (1 - 0.9)) == 1
    assert IMPSchedule(0.9).remaining(15, 1) == round(1.5) == 2


def test_rate_zero_prunes_nothing():
    assert [IMPSchedule(0.0).remaining(17, level) for level in (0, 1, 50)] == [17, 17, 17]


def test_config_round_trip():
    config = IMPSchedule(0.35).get_config()
    copy = IMPSchedule.from_config(config["config"])
    assert copy.pruning_rate == 0.35
    assert copy.get_config() == config


@pytest.mark.parametrize("rate", [1.0, 1.5, -0.1, float("nan")])
def test_rates_outside_the_unit_interval_are_refused(rate: float):
    with pytest.raises(ValueError, match=r"pruning_rate=.*\[0, 1\)"):
        IMPSchedule(rate)


def test_negative_levels_are_refused():
    with pytest.raises(ValueError, match="level=-1"):
        IMPSchedule(0.2).remaining(10, -1)
