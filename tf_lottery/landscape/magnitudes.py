"""Where small weights come from: magnitudes before pruning and after retraining, level by level."""

from dataclasses import dataclass

import numpy as np

from tf_lottery.landscape.solutions import Solution, check_same_network
from tf_lottery.masking.masks import Mask

_QUARTERS = 4
_BINS_PER_DECADE, _DECADES_BELOW_1 = 10, 6


@dataclass(frozen=True)
class MagnitudeChange:
    """What retraining did to the weights that a pruning left (arXiv 2210.03044).

    Attributes:
      threshold: largest magnitude among the weights that were pruned, at the end of training.
      below_threshold: fraction of the survivors that retraining has made smaller than that.
      median_before: median magnitude of the survivors before retraining.
      median_after: median magnitude of the survivors after it.
      pruned_next: fraction of the survivors that the next pruning removes; None if there is none.
      pruned_next_by_quarter: of those, the shares that had been in the lowest to the highest
        quarter of the survivors' magnitudes before retraining; None if there are none. Equal
        shares: retraining makes small weights of any; all in the lowest: small ones stay small.
    """

    threshold: float
    below_threshold: float
    median_before: float
    median_after: float
    pruned_next: float | None
    pruned_next_by_quarter: tuple[float, ...] | None


@dataclass(frozen=True)
class MagnitudeHistograms:
    """Magnitudes around a pruning, in the same bins.

    Attributes:
      edges: limits of the bins, `[bins + 1]`: 0, then ten to a decade from 1e-6 on, the same for
        all networks but for how far they go.
      before: weights that remained before the pruning, at the end of training, `[bins]`.
      pruned: those of them that were pruned, `[bins]`.
      after: the survivors after retraining, `[bins]`.
    """

    edges: np.ndarray
    before: np.ndarray
    pruned: np.ndarray
    after: np.ndarray


def magnitude_change(
    before: Solution, after: Solution, following: Solution | None = None
) -> MagnitudeChange:
    """Compares the survivors of a pruning before and after they were trained again.

    Args:
      before: the solution of a level.
      after: the solution of the level that was pruned from it.
      following: the solution of the level after that; only its mask counts.

    Raises:
      ValueError: if the solutions are of different networks, or `after` has a weight that `before`
        has not, or nothing was pruned.
    """
    pruned = _pruned_between(before, after)
    old = _magnitudes(before, after.mask)
    new, removed = _magnitudes(after, after.mask), _magnitudes(before, pruned)
    if not removed.size:
        raise ValueError(f"nothing was pruned between {before.label} and {after.label}.")
    share, quarters = None, None
    if following is not None:
        goes = ~np.concatenate([following.mask[name][array] for name, array in after.mask.items()])
        share = float(np.mean(goes))
        quarters = _quarters(old, goes)
    threshold = float(removed.max())
    return MagnitudeChange(
        threshold=threshold,
        below_threshold=float(np.mean(new < threshold)),
        median_before=float(np.median(old)),
        median_after=float(np.median(new)),
        pruned_next=share,
        pruned_next_by_quarter=quarters,
    )


def magnitude_histograms(before: Solution, after: Solution) -> MagnitudeHistograms:
    """Counts magnitudes before a pruning and after retraining; those not finite are left out.

    Args:
      before: the solution of a level.
      after: the solution of the level that was pruned from it.

    Raises:
      ValueError: if the solutions are of different networks, or `after` has a weight that `before`
        has not.
    """
    pruned = Solution(before.label, before.weights, _pruned_between(before, after))
    found = np.concatenate([_magnitudes(one, one.mask) for one in (before, after)])
    edges = _common_edges(float(np.max(found, initial=0, where=np.isfinite(found))))
    counts = (magnitude_histogram(solution, edges) for solution in (before, pruned, after))
    return MagnitudeHistograms(edges, *counts)


def magnitude_histogram(solution: Solution, edges: np.ndarray) -> np.ndarray:
    """Counts the magnitudes of the weights that remain.

    Args:
      solution: a solution.
      edges: limits of the bins, rising, `[bins + 1]`; magnitudes beyond them are not counted.

    Returns:
      Number of weights by bin, `[bins]`.
    """
    return np.histogram(_magnitudes(solution, solution.mask), edges)[0]


def _pruned_between(before: Solution, after: Solution) -> Mask:
    """The weights that are in the first and not in the second."""
    check_same_network(before, after)
    for name, array in after.mask.items():
        if (array & ~before.mask[name]).any():
            raise ValueError(f"{after.label} has weights of {name} that {before.label} has not.")
    return Mask({name: before.mask[name] & ~array for name, array in after.mask.items()})


def _common_edges(largest: float) -> np.ndarray:
    least = -_DECADES_BELOW_1 * _BINS_PER_DECADE
    last = least
    if largest > 10.0**-_DECADES_BELOW_1:
        # The next limit above: rounding of the logarithm never leaves the largest out.
        last = int(np.floor(np.log10(largest) * _BINS_PER_DECADE)) + 1
    return np.append(0.0, 10.0 ** (np.arange(least, last + 1) / _BINS_PER_DECADE))


def _magnitudes(solution: Solution, chosen: Mask) -> np.ndarray:
    return np.concatenate([np.abs(solution.weights[name][array]) for name, array in chosen.items()])


def _quarters(magnitudes: np.ndarray, chosen: np.ndarray) -> tuple[float, ...] | None:
    if not chosen.any():
        return None
    ranks = np.empty(magnitudes.size, np.int64)
    ranks[np.argsort(magnitudes, kind="stable")] = np.arange(magnitudes.size)
    quarters = ranks[chosen] * _QUARTERS // magnitudes.size
    return tuple((np.bincount(quarters, minlength=_QUARTERS) / quarters.size).tolist())
