"""Validation examples are held out by seed, and nothing is lost or doubled."""

import numpy as np
import pytest

from tf_lottery.config.datasets import DATASETS, DataSize
from tf_lottery.data import Split, hold_out, load_dataset


def numbered_split(examples):
    """Images that hold their own number, so that moved pixels and labels can be matched."""
    numbers = np.arange(examples, dtype=np.int32)
    return Split(numbers.astype(np.float32).reshape(-1, 1, 1, 1), numbers)


def test_remaining_and_held_out_divide_the_split_in_its_order():
    remaining, held_out = hold_out(numbered_split(100), 30, seed=5)
    assert (len(remaining), len(held_out)) == (70, 30)
    for part in (remaining, held_out):
        assert (np.diff(part.labels) > 0).all()
        np.testing.assert_array_equal(part.images[:, 0, 0, 0], part.labels)
    np.testing.assert_array_equal(np.union1d(remaining.labels, held_out.labels), np.arange(100))


def test_the_seed_alone_draws_the_examples():
    first, again, other = (hold_out(numbered_split(100), 30, seed)[1].labels for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_held_out_examples_come_from_the_whole_split():
    _, held_out = hold_out(numbered_split(1000), 100, seed=0)
    assert held_out.labels.min() < 100
    assert held_out.labels.max() >= 900


@pytest.mark.parametrize("examples", [-1, 100, 101])
def test_one_example_must_remain(examples):
    with pytest.raises(ValueError, match=f"--validation_examples={examples} .*0 and 99"):
        hold_out(numbered_split(100), examples, seed=0)


def test_all_but_one_may_be_held_out():
    remaining, held_out = hold_out(numbered_split(100), 99, seed=0)
    assert (len(remaining), len(held_out)) == (1, 99)


def test_digits_are_divided_into_the_same_stratified_test_images():
    data = load_dataset("digits")
    assert (len(data.train), len(data.test), data.validation) == (1437, 360, None)
    assert (data.classes, data.input_shape) == (10, (8, 8, 1))
    assert data.train.images.dtype == np.uint8
    assert data.train.images.max() == 16
    np.testing.assert_array_equal(np.bincount(data.test.labels), [36] * 10)
    assert data.test.labels[:5].tolist() == [0, 1, 2, 3, 4]
    assert int(data.test.images.sum(dtype=np.int64)) == 112286
    # As flags are told before the set is loaded.
    assert DATASETS.find("digits").size == DataSize(1437, 360, data.input_shape)


def test_validation_images_of_digits_are_no_longer_training_images():
    whole, divided = load_dataset("digits"), load_dataset("digits", validation_examples=200)
    assert (len(divided.train), len(divided.validation)) == (1237, 200)
    together = np.concatenate([divided.train.images, divided.validation.images])
    assert sorted_images(together) == sorted_images(whole.train.images)
    np.testing.assert_array_equal(divided.test.images, whole.test.images)


def sorted_images(images):
    return sorted(image.tobytes() for image in images)
