"""Overlap of masks, beside that of many random masks."""

import numpy as np
import pytest

from tf_lottery.landscape.mask_overlap import overlap_of, overlaps_of_kernels
from tf_lottery.masking.masks import Mask

RANDOM = np.random.default_rng(0)


def random_array(size: int, remaining: int) -> np.ndarray:
    return RANDOM.permutation(np.arange(size) < remaining)


def test_two_masks_by_hand():
    mask = {"a": np.array([1, 1, 0, 0, 1], bool), "b": np.array([[1, 0], [0, 0]], bool)}
    other = {"a": np.array([1, 0, 1, 0, 1], bool), "b": np.array([[0, 0], [0, 1]], bool)}
    found = overlaps_of_kernels(mask, other)
    assert (found["a"].jaccard, found["a"].hamming) == (2 / 4, 2 / 5)
    assert (found["b"].jaccard, found["b"].hamming) == (0.0, 2 / 4)
    whole = overlap_of([(mask[name], other[name]) for name in mask])
    assert (whole.weights, whole.remaining, whole.other_remaining, whole.in_both) == (9, 4, 4, 2)
    assert (whole.jaccard, whole.hamming) == (2 / 6, 4 / 9)
    assert whole.jaccard == Mask(mask).overlap(Mask(other))
    assert whole.hamming_of_chance == pytest.approx((8 - 2 * (9 / 5 + 1 / 4)) / 9)


@pytest.mark.parametrize("counts", [[(40, 10, 25)], [(50, 5, 5), (20, 18, 3), (9, 9, 4)]])
def test_chance_is_the_mean_of_random_masks(counts):
    def overlaps():
        for _ in range(4000):
            pairs = [(random_array(n, a), random_array(n, b)) for n, a, b in counts]
            yield overlap_of(pairs)

    found = list(overlaps())
    jaccard = np.mean([one.jaccard for one in found])
    assert found[0].jaccard_of_chance == pytest.approx(jaccard, rel=0.02)
    hamming = np.mean([one.hamming for one in found])
    assert found[0].hamming_of_chance == pytest.approx(hamming, rel=0.01)


def test_equal_empty_and_full_masks():
    full, empty = np.ones(4, bool), np.zeros(4, bool)
    same = overlap_of([(full, full)])
    assert (same.jaccard, same.jaccard_of_chance, same.hamming) == (1.0, 1.0, 0.0)
    nothing = overlap_of([(empty, empty)])
    assert (nothing.jaccard, nothing.jaccard_of_chance, nothing.hamming) == (None, None, 0.0)
    apart = overlap_of([(full, empty)])
    assert (apart.jaccard, apart.jaccard_of_chance, apart.hamming) == (0.0, 0.0, 1.0)


def test_masks_of_other_networks_are_refused():
    with pytest.raises(ValueError, match="the masks are of other networks"):
        overlaps_of_kernels({"a": np.ones(3, bool)}, {"a": np.ones(4, bool)})
