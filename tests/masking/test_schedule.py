"""The schedule of iterative magnitude pruning, as tfmot sees it and in exact arithmetic."""

import json
from fractions import Fraction

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_optimization as tfmot

from tf_lottery.masking.schedule import IMPSchedule


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


RATES = (0.5, 0.1, 0.25)
KEPT = (Fraction(1), Fraction(1, 2), Fraction(9, 20), Fraction(27, 80))


def kept_of_rates(level: int) -> Fraction:
    """The last of `RATES` holds for the levels that have none."""
    return KEPT[level] if level < 4 else KEPT[3] * Fraction(3, 4) ** (level - 3)


@pytest.mark.parametrize("total", [1, 15, 1000, 266_200, 25_502_912])
def test_each_level_has_its_own_rate_and_the_last_holds_on(total: int):
    schedule = IMPSchedule(RATES)
    for level in range(30):
        assert schedule.remaining(total, level) == round(total * kept_of_rates(level))
        assert schedule.density(level) == float(kept_of_rates(level))


def test_tfmot_sees_the_rates_of_levels():
    schedule = IMPSchedule(list(RATES))
    for level in range(12):
        prune, sparsity = schedule(level)
        assert bool(prune)
        assert float(sparsity) == pytest.approx(1 - float(kept_of_rates(level)), abs=1e-6)


@pytest.mark.parametrize("rate", [0.2, RATES])
def test_tfmot_asks_in_compiled_code_and_with_integers_of_any_kind(rate):
    schedule = IMPSchedule(rate)
    ask = tf.function(lambda step: schedule(step)[1])
    for level in (0, 1, 2, 3, 7):
        for step in (tf.constant(level, tf.int64), tf.Variable(level, dtype=tf.int32)):
            expected = 1 - schedule.density(level)
            np.testing.assert_allclose([ask(step), schedule(step)[1]], expected, atol=1e-6)


def test_a_single_rate_in_a_list_is_that_rate():
    for level in range(5):
        assert IMPSchedule([0.3]).remaining(999, level) == IMPSchedule(0.3).remaining(999, level)
    assert IMPSchedule([0.3]).get_config() == IMPSchedule(0.3).get_config()


def test_rates_of_zero_leave_a_level_as_it_was():
    schedule = IMPSchedule([0.0, 0.5, 0.0])
    assert [schedule.remaining(10, level) for level in range(6)] == [10, 10, 5, 5, 5, 5]
    assert [float(schedule(level)[1]) for level in range(5)] == [0, 0, 0.5, 0.5, 0.5]


def test_rates_of_levels_come_back_from_their_description():
    config = json.loads(json.dumps(IMPSchedule(RATES).get_config()))
    copy = IMPSchedule.from_config(config["config"])
    assert copy.pruning_rate == RATES
    assert copy.get_config() == config
    assert [copy.density(level) for level in range(6)] == [
        IMPSchedule(RATES).density(level) for level in range(6)
    ]


@pytest.mark.parametrize("rates", [(), (0.5, 1.0), (0.5, -0.1), (float("nan"), 0.5)])
def test_rates_of_levels_outside_the_unit_interval_are_refused(rates: tuple[float, ...]):
    with pytest.raises(ValueError, match=r"pruning_rate=\(.*\[0, 1\)"):
        IMPSchedule(rates)
