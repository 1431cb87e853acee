"""Streams from the disk: exact shares, the same bits for the same epoch, bounded memory."""

import os
import pathlib

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from tf_lottery.data import Epoch, load_dataset
from tf_lottery.data.order import Noise, noise_seed

EPOCH = Epoch(5, 1, 2)
TRAIN, TEST = 60, 13


@pytest.fixture(scope="module")
def load(prepared_jpegs):
    def load(name="lottery_jpegs", **arguments):
        arguments = {"image_size": 16, "shuffle_buffer": 20, "random_flip": True, **arguments}
        return load_dataset(name, data_dir=prepared_jpegs(name), **arguments)

    return load


@pytest.fixture(scope="module")
def jpegs(load):
    return load()


def read(stream):
    return [tuple(part.numpy() for part in element) for element in stream]


def epoch_of(dataset, epoch=EPOCH, first=0, batch_size=12, **pipelines):
    return read(dataset.train.batches(epoch, first, batch_size, **pipelines))


@pytest.fixture(scope="module")
def epoch(jpegs):
    """The batches of an epoch; not to be changed."""
    return epoch_of(jpegs)


def labels_of(elements):
    labels = np.concatenate([element[1] for element in elements])
    return labels[labels >= 0].tolist()


def assert_equal(elements, others):
    assert len(elements) == len(others)
    for element, other in zip(elements, others, strict=True):
        for part, other_part in zip(element, other, strict=True):
            np.testing.assert_array_equal(part, other_part)


def test_an_epoch_is_made_of_full_batches_of_different_examples(jpegs, epoch):
    assert (jpegs.input_shape, jpegs.classes) == ((16, 16, 3), 1000)
    assert (len(jpegs.train), jpegs.train.examples) == (TRAIN, TRAIN)
    batches = jpegs.train.batches(EPOCH, 0, 14)
    shapes = [(tuple(part.shape), part.dtype) for part in batches.element_spec]
    assert shapes == [((14, 16, 16, 3), tf.uint8), ((14,), tf.int32), ((14, 0), tf.int32)]
    assert len(set(labels_of(read(batches)))) == 4 * 14
    assert sorted(labels_of(epoch)) == list(range(TRAIN))


def test_the_same_epoch_has_the_same_bits_whatever_the_global_seed(jpegs, epoch):
    tf.random.set_seed(77)
    assert_equal(epoch_of(jpegs), epoch)


@pytest.mark.slow
def test_other_epochs_have_another_order_and_other_crops(jpegs):
    images = {}
    orders = set()
    for epoch in (EPOCH, Epoch(6, 1, 2), Epoch(5, 2, 2), Epoch(5, 1, 3)):
        elements = epoch_of(jpegs, epoch)
        orders.add(tuple(labels_of(elements)))
        for batch, labels, _ in elements:
            for image, label in zip(batch, labels, strict=True):
                images.setdefault(label, set()).add(image.tobytes())
    assert len(orders) == 4
    assert all(len(crops) == 4 for crops in images.values())


@pytest.mark.slow
def test_files_are_shuffled_even_without_a_buffer(load):
    dataset = load(shuffle_buffer=1)
    orders = [labels_of(epoch_of(dataset, Epoch(0, 0, number))) for number in range(3)]
    assert orders[0] != orders[1] != orders[2] != orders[0]


@pytest.mark.slow
def test_examples_are_shuffled_within_a_file(load):
    stored, shuffled = load(shuffle_buffer=1), load(shuffle_buffer=TRAIN)
    assert labels_of(epoch_of(stored)) != labels_of(epoch_of(shuffled))


def test_a_resumed_epoch_goes_on_with_the_same_bits(jpegs, epoch):
    assert_equal(epoch_of(jpegs, first=3), epoch[3:])
    replicas = epoch_of(jpegs, pipeline=1, pipelines=2, replicas=3)
    resumed = epoch_of(jpegs, first=2, pipeline=1, pipelines=2, replicas=3)
    assert_equal(resumed, replicas[2 * 3 :])


def test_what_a_resumed_epoch_skips_is_not_decoded(load):
    dataset = load("lottery_broken_jpegs", shuffle_buffer=1)
    for epoch in (Epoch(0, 0, number) for number in range(20)):
        encoded = dataset.train.stored.open(noise_seed(epoch, Noise.FILE_ORDER))
        order = [int(example["label"]) for example in encoded]
        if (broken := order.index(7)) < 30:
            break
    with pytest.raises(tf.errors.InvalidArgumentError):
        epoch_of(dataset, epoch, first=broken, batch_size=1)
    resumed = epoch_of(dataset, epoch, first=broken + 1, batch_size=1)
    assert labels_of(resumed) == order[broken + 1 :]


def test_two_replicas_get_the_halves_of_each_batch(jpegs, epoch):
    halves = [
        tuple(part[half * 6 : half * 6 + 6] for part in element)
        for element in epoch
        for half in (0, 1)
    ]
    assert_equal(epoch_of(jpegs, replicas=2), halves)


@pytest.mark.slow
def test_pipelines_share_the_examples_without_overlap(load):
    dataset = load(validation_examples=11)
    seen = []
    for pipeline in range(3):
        epochs = [
            epoch_of(dataset, Epoch(0, 0, number), pipeline=pipeline, pipelines=3, replicas=2)
            for number in range(2)
        ]
        assert {len(elements) for elements in epochs} == {49 // 12 * 2}
        assert all(len(set(labels_of(elements))) == 49 // 12 * 4 for elements in epochs)
        seen.append(set().union(*map(labels_of, epochs)))
    assert sum(map(len, seen)) == len(set().union(*seen)) == 49


def test_crops_do_not_depend_on_how_many_replicas_share_a_pipeline(jpegs, epoch):
    one = np.concatenate([images for images, *_ in epoch])
    four = np.concatenate([images for images, *_ in epoch_of(jpegs, replicas=4)])
    np.testing.assert_array_equal(one, four)


def test_half_of_the_crops_are_mirrored(load):
    flipped = epoch_of(load(smallest_crop=1.0))
    plain = dict(labelled_images(epoch_of(load(smallest_crop=1.0, random_flip=False))))
    mirrored = 0
    for label, image in labelled_images(flipped):
        if not np.array_equal(image, plain[label]):
            np.testing.assert_array_equal(image, plain[label][:, ::-1])
            mirrored += 1
    assert 18 <= mirrored <= 42


def labelled_images(elements):
    return [pair for images, labels, *_ in elements for pair in zip(labels, images, strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize("pipelines", [1, pytest.param(2, marks=pytest.mark.slow), 3])
def test_every_example_is_evaluated_once_and_pipelines_stay_in_step(jpegs, pipelines):
    assert len(jpegs.test) == jpegs.test.examples == TEST
    seen, lengths = [], set()
    for pipeline in range(pipelines):
        elements = read(jpegs.test.batches(4, pipeline=pipeline, pipelines=pipelines))
        assert all(images.shape == (4, 16, 16, 3) for images, _ in elements)
        lengths.add(len(elements))
        seen += labels_of(elements)
    assert sorted(seen) == list(range(TEST))
    assert lengths == {{1: 4, 2: 2, 3: 2}[pipelines]}


def test_a_pipeline_without_examples_stays_in_step(jpegs):
    ((images, labels),) = read(jpegs.test.batches(4, pipeline=0, pipelines=TEST + 1))
    assert images.shape == (4, 16, 16, 3)
    assert labels.tolist() == [-1] * 4


def test_evaluation_sees_the_same_crops_in_every_division(jpegs):
    whole = dict(labelled_images(read(jpegs.test.batches(5))))
    for pipeline in range(2):
        part = read(jpegs.test.batches(3, pipeline=pipeline, pipelines=2))
        for label, image in labelled_images(part):
            if label >= 0:
                np.testing.assert_array_equal(image, whole[label])


@pytest.mark.slow
def test_held_out_examples_are_one_piece_and_never_trained_on(load):
    builder = load().train.stored.image_set.builder
    in_order = builder.as_dataset(
        split="train", read_config=tfds.ReadConfig(interleave_cycle_length=1)
    )
    stored = [int(example["label"]) for example in in_order]
    pieces = set()
    assert sorted(stored) == list(range(TRAIN))
    for split_seed in range(2):
        dataset = load(validation_examples=15, split_seed=split_seed)
        held_out = labels_of(read(dataset.validation.batches(4)))
        assert (len(dataset.train), len(dataset.validation)) == (45, 15)
        first = min(stored.index(label) for label in held_out)
        assert set(stored[first : first + 15]) == set(held_out)
        trained = labels_of(epoch_of(dataset, batch_size=15))
        assert sorted(trained + held_out) == list(range(TRAIN))
        pieces.add(first)
    assert len(pieces) == 2


@pytest.mark.parametrize("examples", [-1, 60])
def test_one_example_must_remain(load, examples):
    with pytest.raises(ValueError, match=f"--validation_examples={examples} .*0 and 59"):
        load(validation_examples=examples)


def test_batches_that_cannot_be_shared(jpegs):
    with pytest.raises(ValueError, match="--batch_size=12 is not a multiple of the 5 replicas"):
        epoch_of(jpegs, replicas=5)
    with pytest.raises(ValueError, match="--batch_size=61 must be between 1 and 60"):
        epoch_of(jpegs, batch_size=61)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_set(load):
    dataset = load("lottery_large_jpegs", smallest_crop=0.9, shuffle_buffer=50)
    decoded_bytes = 150 * 1200 * 1600 * 3
    before, most = resident_bytes(), 0
    for images, labels, _ in dataset.train.batches(EPOCH, 0, 5):
        most = max(most, resident_bytes() - before)
        assert abs(images.numpy()[:, 8, 8, 0].astype(int) - labels.numpy()).max() <= 2
    assert most < decoded_bytes / 3


def resident_bytes():
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
