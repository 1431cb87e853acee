"""Levels that are kept in memory."""

import numpy as np
import pytest

from tests.same_weights import assert_same_weights
from tf_lottery.masking.masks import Mask
from tf_lottery.tickets.fit.memory_journal import MemoryJournal


def level(density: float) -> tuple[dict[str, np.ndarray], Mask]:
    random = np.random.default_rng(0)
    weights = {
        "dense/kernel": random.normal(size=(101, 50)).astype(np.float32),
        "dense/bias": random.normal(size=50).astype(np.float32),
        "scalar": np.float16(3.0),
    }
    mask = Mask({"dense/kernel": random.random((101, 50)) < density})
    return mask.apply(weights), mask


@pytest.mark.parametrize("density", [1.0, 0.3, 0.0])
def test_a_level_comes_back_bit_for_bit(density):
    weights, mask = level(density)
    journal = MemoryJournal()
    journal.save(0, weights, mask, {})
    found, its_mask = journal.load(0)
    assert_same_weights(found, weights)
    assert its_mask == mask
    assert [found[name].dtype for name in found] == [weights[name].dtype for name in weights]


def test_pruned_weights_take_a_bit_each():
    weights, mask = level(0.1)
    journal = MemoryJournal()
    journal.save(0, weights, mask, {})
    remaining, packed = journal._levels[0]
    kept = sum(array.nbytes for array in remaining.values())
    kept += sum(each.bits.nbytes for each in packed.values())
    assert kept < 4 * mask.remaining + 5050 / 8 + 4 * 50 + 10
