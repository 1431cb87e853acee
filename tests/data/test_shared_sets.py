"""Data sets that several processes hold once."""

import multiprocessing
import os
import signal
from dataclasses import MISSING, fields, replace

import numpy as np
import pytest

from tf_lottery.data import Dataset, Split
from tf_lottery.data.shared_sets import DescribedSet, SharedSets

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="memory of Linux")
CONTEXT = multiprocessing.get_context("spawn")


def made(examples=1000, validation=True) -> DescribedSet:
    random = np.random.default_rng(examples)

    def split(count):
        images = random.integers(0, 256, (count, 5, 5, 1)).astype(np.uint8)
        return Split(images, random.integers(0, 3, count).astype(np.int32))

    held_out = split(10) if validation else None
    return DescribedSet.of(Dataset("noise", 3, split(examples), held_out, split(70)))


def not_again():
    raise AssertionError("it is loaded once more")


@pytest.fixture
def sets():
    sets = SharedSets()
    yield sets
    sets.close()


def assert_same(found, expected):
    assert type(found) is type(expected)
    if isinstance(expected, Split):
        for one, other in ((found.images, expected.images), (found.labels, expected.labels)):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)
    else:
        assert found == expected


def test_all_that_is_known_of_a_set_is_shared(sets):
    names, notes = ("fog", "rain", "snow"), ("some of it is noise.",)
    known = replace(made().dataset, class_names=names, by_feature=True, notes=notes)
    given = {each.name: getattr(known, each.name) for each in fields(Dataset)}
    left = [each.name for each in fields(Dataset) if given[each.name] in (each.default, MISSING)]
    assert not left, "give what is new a value that is not its default"
    for load in (lambda: DescribedSet.of(known), not_again):
        found = sets.load("noise", load).dataset
        for name, value in given.items():
            assert_same(getattr(found, name), value)


def test_a_set_of_many_classes_is_shared(sets):
    names = tuple(f"the class that has the number {number}" for number in range(1000))
    named = DescribedSet.of(replace(made().dataset, class_names=names))
    for load in (lambda: named, not_again):
        found = sets.load("noise", load)
        assert found.dataset.class_names == names
        assert found.dataset.fingerprint() == named.fingerprint


@pytest.mark.parametrize("validation", [True, False])
def test_a_set_is_loaded_once_and_stays_what_it_is(sets, validation):
    expected = made(validation=validation)
    for load in (lambda: expected, not_again):
        found = sets.load("noise", load)
        assert found.pixel_statistics == expected.pixel_statistics
        assert found.fingerprint == expected.fingerprint == found.dataset.fingerprint()
        assert (found.dataset.name, found.dataset.classes) == ("noise", 3)
        assert (found.dataset.validation is not None) == validation
        images = found.dataset.train.images
        assert (images.dtype, images.shape) == (np.uint8, (1000, 5, 5, 1))
        # What TensorFlow takes without a copy.
        assert images.ctypes.data % 64 == 0 and images.flags.writeable


def test_sets_of_other_keys_are_kept_apart(sets):
    expected = {key: made(examples) for key, examples in (("a", 9), ("b", 2000), ("c", 1))}
    for key, one in expected.items():
        sets.load(key, lambda one=one: one)
    for key, one in expected.items():
        assert sets.load(key, not_again).dataset.fingerprint() == one.fingerprint


def test_who_is_interrupted_leaves_nothing_half_done(sets):
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sets.load("noise", interrupted)
    assert sets.load("noise", made).fingerprint == made().fingerprint


def test_arrays_that_are_a_view_or_read_only_are_shared_too(sets):
    known = made().dataset
    images = np.asfortranarray(known.train.images)
    images.flags.writeable = False
    train = Split(images[::-1], known.train.labels[::-1])
    reverse = DescribedSet.of(replace(known, train=train))
    for load in (lambda: reverse, not_again):
        found = sets.load("noise", load)
        assert found.dataset.fingerprint() == reverse.fingerprint
        flags = found.dataset.train.images.flags
        assert flags.c_contiguous and flags.writeable


def test_it_is_the_same_memory(sets):
    one, other = (sets.load("noise", made).dataset.train.images for _ in range(2))
    one[0, 0, 0, 0] += 1
    assert other[0, 0, 0, 0] == one[0, 0, 0, 0]


def test_another_process_takes_it_too(sets):
    sets.load("noise", made)
    for key, code in (("noise", 0), ("another", -signal.SIGABRT)):
        process = CONTEXT.Process(target=sets.load, args=(key, os.abort))
        process.start()
        process.join()
        assert process.exitcode == code
    # Neither has it taken away, or kept the others from it.
    assert sets.load("noise", not_again).fingerprint == made().fingerprint
