"""How much two masks of a network have in common, beside what chance alone would give."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class MaskOverlap:
    """Two masks of the same weights, or of those of one kernel.

    Chance means two random masks that leave as many weights in each kernel. A share is None where
    it is of nothing.

    Attributes:
      weights: number of weights.
      remaining: number of those that the first mask leaves.
      other_remaining: number of those that the second leaves.
      in_both: number of those that both leave.
      jaccard: share of the weights that remain in both among those that remain in either.
      jaccard_of_chance: the expected share of two random masks.
      hamming: share of all weights that one of the masks leaves and the other does not.
      hamming_of_chance: the expected share of two random masks.
    """

    weights: int
    remaining: int
    other_remaining: int
    in_both: int
    jaccard: float | None
    jaccard_of_chance: float | None
    hamming: float | None
    hamming_of_chance: float | None


def overlaps_of_kernels(
    mask: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]
) -> dict[str, MaskOverlap]:
    """Compares two masks kernel by kernel.

    Args:
      mask: boolean arrays by kernel.
      other: of the same kernels.

    Raises:
      ValueError: if they are not of the same kernels.
    """
    shapes = [{name: array.shape for name, array in one.items()} for one in (mask, other)]
    if shapes[0] != shapes[1]:
        raise ValueError("the masks are of other networks: their kernels or shapes differ.")
    return {name: overlap_of([(array, other[name])]) for name, array in mask.items()}


def overlap_of(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> MaskOverlap:
    """Compares two masks as a whole.

    Args:
      pairs: of boolean arrays, for each kernel those of both masks.
    """
    counts = np.array(
        [
            (one.size, *(int(np.count_nonzero(array)) for array in (one, two, one & two)))
            for one, two in pairs
        ],
        np.float64,
    ).reshape(-1, 4)
    weights, remaining, others, both = counts.sum(0)
    expected, variance = _shared_by_chance(*counts.T[:3])
    either = remaining + others
    return MaskOverlap(
        weights=int(weights),
        remaining=int(remaining),
        other_remaining=int(others),
        in_both=int(both),
        jaccard=_share(both, either - both),
        jaccard_of_chance=_expected_jaccard(either, expected, variance),
        hamming=_share(either - 2 * both, weights),
        hamming_of_chance=_share(either - 2 * expected, weights),
    )


def _shared_by_chance(
    weights: np.ndarray, remaining: np.ndarray, others: np.ndarray
) -> tuple[float, float]:
    """Mean and variance of how many weights are left by two random masks: hypergeometric."""
    share = remaining / weights
    mean = others * share
    left = np.divide(weights - others, weights - 1, np.zeros_like(weights), where=weights > 1)
    return float(mean.sum()), float((mean * (1 - share) * left).sum())


def _expected_jaccard(either: float, mean: float, variance: float) -> float | None:
    """The mean of x / (either - x), to second order in how far x is from its mean."""
    if not either:
        return None
    union = either - mean
    return float(mean / union + either * variance / union**3)


def _share(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None
