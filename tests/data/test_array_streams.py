"""Streams over arrays: every example in its place, shared by replicas, resumed bit by bit."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tf_lottery.data import (
    ArrayEvaluationStream,
    ArrayStream,
    Augmentation,
    Epoch,
    Split,
    epoch_order,
    from_arrays,
    load_dataset,
)
from tf_lottery.data.shared_memory import shareable_empty

EPOCH = Epoch(5, 1, 2)
TWO_IMAGES = (np.zeros((2, 4, 5, 3), np.uint8), np.arange(2))
AUGMENTATION = Augmentation(shift=2, flip=True, cutout=2)


def numbered_split(examples, dtype=np.uint8):
    """Images whose pixels and label hold their own number."""
    numbers = np.arange(examples)
    images = np.broadcast_to(numbers.reshape(-1, 1, 1, 1), (examples, 4, 5, 3))
    return Split(images.astype(dtype), numbers.astype(np.int32))


def read(stream):
    return [tuple(part.numpy() for part in element) for element in stream]


def opened(first=0, batch_size=12, epoch=EPOCH, **pipelines):
    stream = ArrayStream(numbered_split(100), AUGMENTATION)
    return read(stream.batches(epoch, first, batch_size, **pipelines))


def assert_equal(elements, others):
    assert len(elements) == len(others)
    for element, other in zip(elements, others, strict=True):
        for part, other_part in zip(element, other, strict=True):
            np.testing.assert_array_equal(part, other_part)


def test_an_epoch_goes_through_its_order_with_the_draws_of_the_positions():
    elements = opened()
    assert len(elements) == 100 // 12
    labels = np.concatenate([labels for _, labels, _ in elements])
    np.testing.assert_array_equal(labels, epoch_order(EPOCH, 100)[:96])
    draws = np.concatenate([draws for *_, draws in elements])
    np.testing.assert_array_equal(draws, AUGMENTATION.draw(EPOCH, 100, (4, 5, 3))[:96])
    for images, labels, _ in elements:
        np.testing.assert_array_equal(images, numbered_split(100).images[labels])


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_shapes_are_static_and_the_type_of_the_pixels_is_kept(dtype):
    stream = ArrayStream(numbered_split(30, dtype), AUGMENTATION)
    assert (stream.examples, len(stream)) == (30, 30)
    batches = stream.batches(EPOCH, 0, 8, replicas=2)
    shapes = [(tuple(part.shape), part.dtype.as_numpy_dtype) for part in batches.element_spec]
    assert shapes == [((4, 4, 5, 3), dtype), ((4,), np.int32), ((4, 5), np.int32)]
    assert batches.cardinality() == 2 * 3


def test_flat_data_without_augmentation():
    split = Split(np.arange(20, dtype=np.float32).reshape(10, 2), np.arange(10, dtype=np.int32))
    (images, _, draws), *_ = read(ArrayStream(split, Augmentation()).batches(EPOCH, 0, 4))
    np.testing.assert_array_equal(images, split.images[epoch_order(EPOCH, 10)[:4]])
    assert draws.shape == (4, 0)


def test_a_resumed_epoch_goes_on_with_the_same_bits():
    whole = opened()
    for first in (1, 5, 8):
        assert_equal(opened(first), whole[first:])
    assert_equal(opened(3, replicas=2), opened(replicas=2)[6:])


def test_two_replicas_get_the_halves_of_each_batch():
    halves = [
        tuple(part[half * 6 : half * 6 + 6] for part in element)
        for element in opened()
        for half in (0, 1)
    ]
    assert_equal(opened(replicas=2), halves)


def test_pipelines_divide_the_batches_among_their_replicas():
    shares = opened(replicas=6)
    for pipeline in range(3):
        own = opened(pipeline=pipeline, pipelines=3, replicas=2)
        expected = [
            shares[step * 6 + pipeline * 2 + replica] for step in range(8) for replica in range(2)
        ]
        assert_equal(own, expected)


def test_other_epochs_have_other_noise():
    labels = opened()[0][1]
    for other in (Epoch(6, 1, 2), Epoch(5, 2, 2), Epoch(5, 1, 3)):
        assert not np.array_equal(opened(epoch=other)[0][1], labels)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 101}, "--batch_size=101 must be between 1 and 100"),
        ({"batch_size": 0}, "--batch_size=0 must be between 1 and 100"),
        ({"replicas": 5}, "--batch_size=12 is not a multiple of the 5 replicas"),
        ({"pipelines": 2, "replicas": 4}, "--batch_size=12 is not a multiple of the 8 replicas"),
        ({"pipeline": 1}, "pipeline=1 must be between 0 and 0"),
        ({"first": 9}, "first=9 must be between 0 and 8"),
        ({"first": -1}, "first=-1"),
    ],
)
def test_arguments_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        opened(**arguments)


def test_an_augmentation_that_does_not_fit_is_refused_at_once():
    with pytest.raises(ValueError, match="--cutout=5 is larger"):
        ArrayStream(numbered_split(10), Augmentation(cutout=5))


@pytest.mark.parametrize("pipelines", [1, 2, 3, 12])
def test_every_example_is_evaluated_once_and_pipelines_stay_in_step(pipelines):
    split = numbered_split(11)
    stream = ArrayEvaluationStream(split)
    assert (stream.examples, len(stream)) == (11, 11)
    seen, lengths = [], set()
    for pipeline in range(pipelines):
        elements = read(stream.batches(4, pipeline=pipeline, pipelines=pipelines))
        lengths.add(len(elements))
        for images, labels in elements:
            assert (images.shape, labels.shape) == ((4, 4, 5, 3), (4,))
            used = labels >= 0
            assert (labels[~used] == -1).all()
            np.testing.assert_array_equal(images[used], split.images[labels[used]])
            seen += labels[used].tolist()
    assert sorted(seen) == list(range(11))
    assert lengths == {{1: 3, 2: 2, 3: 1, 12: 1}[pipelines]}


def test_evaluation_arguments_out_of_range():
    stream = ArrayEvaluationStream(numbered_split(11))
    with pytest.raises(ValueError, match="batch_size=0"):
        stream.batches(0)
    with pytest.raises(ValueError, match="pipeline=2 must be between 0 and 1"):
        stream.batches(4, pipeline=2, pipelines=2)


def test_data_that_the_library_made_are_held_once():
    whole = from_arrays((np.zeros((30, 4, 5, 3), np.uint8), np.arange(30) % 2), TWO_IMAGES, 10)
    padded = load_dataset("digits", validation_examples=10, image_size=9)
    with tfds.testing.mock_data(num_examples=12):
        read_by_tfds = load_dataset("cifar10")
    for split in (whole.train, whole.validation, padded.train, read_by_tfds.train):
        batches = ArrayStream(split, Augmentation()).batches(EPOCH, 0, 10)
        split.images[:] = 77
        assert (next(iter(batches))[0].numpy() == 77).all()


@pytest.mark.parametrize("offset", [0, 16, 64])
def test_arrays_at_any_address_are_read(offset):
    split = numbered_split(100)
    memory = shareable_empty((split.images.size + offset,), np.uint8)
    images = memory[offset:].reshape(split.images.shape)
    images[:] = split.images
    for writeable in (True, False):
        images.flags.writeable = writeable
        stream = ArrayStream(Split(images, split.labels), AUGMENTATION)
        assert_equal(read(stream.batches(EPOCH, 0, 12)), opened())


@pytest.mark.slow
def test_a_program_may_end_in_the_middle_of_an_epoch():
    code = """
import numpy as np
from tf_lottery.data import ArrayStream, Augmentation, Epoch, Split
split = Split(np.zeros((50000, 32, 32, 3), np.uint8), np.zeros(50000, np.int32))
batches = iter(ArrayStream(split, Augmentation()).batches(Epoch(0, 0, 0), 0, 60))
next(batches)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True)
