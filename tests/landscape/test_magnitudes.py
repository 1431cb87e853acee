"""Where small weights come from, on arrays that are small enough to count."""

import numpy as np
import pytest

import tf_lottery
from tf_lottery.landscape.magnitudes import (
    magnitude_change,
    magnitude_histogram,
    magnitude_histograms,
)
from tf_lottery.landscape.solutions import Solution


def solution(label: str, kernel: list[float], alive: list[int]) -> Solution:
    mask = np.zeros(8, bool)
    mask[alive] = True
    values = np.where(mask, np.array(kernel, np.float32), np.float32(0))
    return Solution(label, {"k": values}, tf_lottery.Mask({"k": mask}))


DENSE = solution("dense", [0.1, -0.2, 0.3, -0.4, 0.5, -0.6, 0.7, -0.8], list(range(8)))
FIRST = solution("first", [0, 0, 0, 0, 0.05, -0.9, 0.1, -0.2], [4, 5, 6, 7])
SECOND = solution("second", [0, 0, 0, 0, 0, -0.9, 0, -0.2], [5, 7])


def test_survivors_that_retraining_made_small_are_counted():
    change = magnitude_change(DENSE, FIRST)
    assert change.threshold == pytest.approx(0.4)
    assert change.below_threshold == 3 / 4
    assert change.median_before == pytest.approx((0.6 + 0.7) / 2)
    assert change.median_after == pytest.approx((0.1 + 0.2) / 2)
    assert change.pruned_next is None
    assert change.pruned_next_by_quarter is None


def test_what_is_pruned_next_is_traced_to_its_magnitude_before_retraining():
    change = magnitude_change(DENSE, FIRST, SECOND)
    assert change.pruned_next == 0.5
    # Of 0.5, 0.6, 0.7 and 0.8, the first and the third go.
    assert change.pruned_next_by_quarter == (0.5, 0, 0.5, 0)
    assert magnitude_change(DENSE, FIRST, FIRST).pruned_next_by_quarter is None


def test_histograms_count_what_remains():
    edges = np.array([0.0, 0.15, 0.5, 1.0])
    assert magnitude_histogram(FIRST, edges).tolist() == [2, 1, 1]
    assert magnitude_histogram(DENSE, edges).sum() == 8


def test_histograms_around_a_pruning_share_their_bins():
    found = magnitude_histograms(DENSE, FIRST)
    limits = [limit for limit in found.edges if limit > 0.04]
    assert limits[:3] == pytest.approx([10**-1.3, 10**-1.2, 10**-1.1])
    assert (found.edges[0], found.edges[1]) == (0, pytest.approx(1e-6))
    assert found.edges[-2] < 0.9 < found.edges[-1]

    def counts(*magnitudes: float) -> list[int]:
        return np.histogram(np.array(magnitudes, np.float32), found.edges)[0].tolist()

    assert found.before.tolist() == counts(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
    assert found.pruned.tolist() == counts(0.1, 0.2, 0.3, 0.4)
    assert found.after.tolist() == counts(0.05, 0.9, 0.1, 0.2)


@pytest.mark.parametrize("largest", [1e-30, 1e-6, 0.1, 0.999999, 1.0, 10**0.3, 12345.0])
def test_every_weight_is_in_a_bin_and_larger_ones_only_add_bins(largest):
    weights = [0.0, 1e-9, -largest, largest / 2, 0.0, 0.0, 0.0, 0.0]
    one = solution("one", weights, list(range(8)))
    found = magnitude_histograms(one, solution("two", weights, [2, 3]))
    assert (found.before.sum(), found.pruned.sum(), found.after.sum()) == (8, 6, 2)
    shared = min(len(found.edges), 40)
    reference = magnitude_histograms(DENSE, FIRST).edges
    assert found.edges[:shared].tolist() == reference[:shared].tolist()


def test_weights_that_are_not_finite_are_in_no_bin():
    broken = solution("broken", [np.nan, np.inf, -np.inf, 0.5, 0.5, 0.5, 0.5, 0.5], list(range(8)))
    found = magnitude_histograms(broken, solution("next", [np.nan] * 8, [0, 7]))
    assert (found.before.sum(), found.after.sum()) == (5, 0)
    assert found.edges[-1] < 1


def test_levels_that_do_not_follow_each_other_are_refused():
    for compare in (magnitude_change, magnitude_histograms):
        with pytest.raises(ValueError, match="dense has weights of k that first has not"):
            compare(FIRST, DENSE)
    with pytest.raises(ValueError, match="nothing was pruned between first and first"):
        magnitude_change(FIRST, FIRST)
