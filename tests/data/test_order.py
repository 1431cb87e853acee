"""The order of an epoch depends on seed, level and epoch, and on nothing else."""

import itertools

import numpy as np
import pytest

from tf_lottery.data import Epoch, epoch_order, steps_per_epoch
from tf_lottery.data.order import Noise, noise_seed


def test_an_order_holds_every_example_once():
    order = epoch_order(Epoch(1, 2, 3), examples=1000)
    assert order.dtype == np.int32
    np.testing.assert_array_equal(np.sort(order), np.arange(1000))
    assert not np.array_equal(order, np.arange(1000))


def test_the_same_arguments_give_the_same_order_whatever_was_drawn_before():
    first = epoch_order(Epoch(1, 2, 3), examples=50)
    np.random.default_rng(1).random(10)
    epoch_order(Epoch(1, 2, 4), examples=50)
    np.testing.assert_array_equal(epoch_order(Epoch(1, 2, 3), examples=50), first)


def test_the_order_is_the_same_in_every_installation():
    assert epoch_order(Epoch(7, 1, 2), examples=8).tolist() == [1, 0, 6, 4, 7, 3, 2, 5]


def test_every_seed_level_and_epoch_has_its_own_order():
    seeds = (0, 1, 2**32, 2**64)
    orders = {
        tuple(epoch_order(Epoch(seed, level, number), examples=100))
        for seed, level, number in itertools.product(seeds, range(3), range(3))
    }
    assert len(orders) == 4 * 3 * 3


@pytest.mark.parametrize(
    ("epoch", "examples", "message"),
    [
        (Epoch(-1, 0, 0), 5, "--data_seed=-1"),
        (Epoch(0, -1, 0), 5, "level=-1"),
        (Epoch(0, 0, -1), 5, "epoch=-1"),
        (Epoch(0, 0, 0), 0, "examples=0"),
    ],
)
def test_arguments_out_of_range(epoch, examples, message):
    with pytest.raises(ValueError, match=message):
        epoch_order(epoch, examples)


def test_every_kind_of_noise_has_a_seed_of_its_own():
    states = {
        tuple(noise_seed(Epoch(3, level, number), noise).generate_state(2))
        for noise in (None, *Noise)
        for level, number in itertools.product(range(3), range(3))
    }
    assert len(states) == (1 + len(Noise)) * 9


def test_only_full_batches_are_steps():
    assert [steps_per_epoch(examples, 60) for examples in (60, 119, 120, 60000)] == [1, 1, 2, 1000]


def test_other_examples_are_left_over_in_another_epoch():
    used = steps_per_epoch(100, 30) * 30
    left_over = {tuple(sorted(epoch_order(Epoch(0, 0, number), 100)[used:])) for number in range(5)}
    assert len(left_over) == 5


@pytest.mark.parametrize("batch_size", [0, -5, 101])
def test_a_batch_must_be_full(batch_size):
    with pytest.raises(ValueError, match=f"--batch_size={batch_size} .*between 1 and 100"):
        steps_per_epoch(100, batch_size)
