"""Data sets that several processes hold once."""

import multiprocessing
import os
import signal

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
