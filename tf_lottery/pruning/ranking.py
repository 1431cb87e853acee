"""Finds the highest scores of a whole network without gathering them."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

_SAMPLE = 1 << 17
# Small enough for the temporary arrays of a chunk to stay in the processor's cache.
CHUNK = 1 << 16


def keep_highest(
    scores: Sequence[np.ndarray], masks: Sequence[np.ndarray], count: int
) -> list[np.ndarray]:
    """Keeps the `count` highest scores among the survivors.

    Among equal scores those that come first remain: arrays in the given order, row-major within.
    Beside its results it needs memory for a few hundredths of the scores; for all of them only if
    every so-maniest one, which it looks at first, is quite unlike the others.

    Args:
      scores: arrays of scores, compared as float32 if all of them fit, else as float64.
      masks: boolean arrays of the same shapes, True where a weight survives so far.
      count: number of weights to keep over all arrays.

    Returns:
      New boolean arrays, `count` True entries in all, each within its old mask.

    Raises:
      ValueError: if a survivor's score is NaN or fewer than `count` weights survive.
    """
    dtype = np.float32 if np.can_cast(np.result_type(*scores), np.float32) else np.float64
    survivors = sum(int(np.count_nonzero(mask)) for mask in masks)
    if not 0 < count <= survivors:
        for score, mask in _chunks(scores, masks):
            _refuse_nan(score, mask)
        if count:
            raise ValueError(f"{count} weights should remain, but only {survivors} are left.")
        return [np.zeros(mask.shape, bool) for mask in masks]
    likely = _likely_bounds(scores, masks, count, dtype)
    return _kept_by_bounds(scores, masks, count, likely) or _kept_by_threshold(
        scores, masks, count, _threshold(scores, masks, count, dtype, likely)
    )


def _kept_by_bounds(
    scores: Sequence[np.ndarray],
    masks: Sequence[np.ndarray],
    count: int,
    bounds: tuple[np.floating, np.floating],
) -> list[np.ndarray] | None:
    """What to keep, found in one look at all scores; None if the last one is not between bounds."""
    low, high = bounds
    results = [np.empty(mask.shape, bool) for mask in masks]
    between, values, missing = [], [np.empty(0, low.dtype)], count
    for score, mask, kept in _chunks(scores, masks, results):
        _refuse_nan(score, mask)
        score = score.astype(low.dtype, copy=False)
        np.greater_equal(score, high, out=kept)
        kept &= mask
        missing -= int(np.count_nonzero(kept))
        undecided = score > low
        undecided &= mask
        # And not kept.
        np.greater(undecided, kept, out=undecided)
        places = np.flatnonzero(undecided)
        if places.size:
            between.append((kept, places.astype(np.uint16)))
            values.append(score[places])
    candidates = np.concatenate(values)
    rank = candidates.size - missing
    if not 0 <= rank < candidates.size:
        return None
    candidates.partition(rank)
    threshold = candidates[rank]
    ties = missing - int(np.count_nonzero(candidates > threshold))
    for (kept, places), own in zip(between, values[1:], strict=True):
        kept[places[own > threshold]] = True
        first = places[own == threshold][:ties]
        kept[first] = True
        ties -= first.size
    return results


def _kept_by_threshold(
    scores: Sequence[np.ndarray],
    masks: Sequence[np.ndarray],
    count: int,
    threshold: np.floating,
) -> list[np.ndarray]:
    """The survivors above a score, and the first of those that are equal to it."""
    results = [np.empty(mask.shape, bool) for mask in masks]
    ties = count
    for score, mask, kept in _chunks(scores, masks, results):
        np.greater(score.astype(threshold.dtype, copy=False), threshold, out=kept)
        kept &= mask
        ties -= int(np.count_nonzero(kept))
    for score, mask, kept in _chunks(scores, masks, results):
        if not ties:
            break
        first = np.flatnonzero(mask & (score.astype(threshold.dtype, copy=False) == threshold))
        kept[first[:ties]] = True
        ties -= first[:ties].size
    return results


def _refuse_nan(score: np.ndarray, mask: np.ndarray) -> None:
    # The least of some numbers is NaN if one of them is.
    if np.isnan(score.min()) and np.isnan(score[mask]).any():
        raise ValueError("a score is NaN: the network has diverged and cannot be ranked.")


def _threshold(
    scores: Sequence[np.ndarray],
    masks: Sequence[np.ndarray],
    count: int,
    dtype: type[np.floating],
    likely: tuple[np.floating, np.floating],
) -> np.floating:
    """The `count`-th highest surviving score.

    It is sought between likely bounds; where they are wrong, among all scores.
    """
    everything = dtype(-np.inf), dtype(np.inf)
    for low, high in (likely, everything):
        between, above = [], 0
        for score, mask in _chunks(scores, masks):
            score = score.astype(dtype, copy=False)
            above += int(np.count_nonzero((score >= high) & mask))
            between.append(score[(score > low) & (score < high) & mask])
        candidates = np.concatenate(between)
        rank = candidates.size + above - count
        if 0 <= rank < candidates.size:
            candidates.partition(rank)
            return candidates[rank]
        # Many may be equal to a bound.
        if rank < 0 and _number(scores, masks, np.greater_equal, low) >= count:
            return low
        if rank >= 0 and _number(scores, masks, np.greater, high) < count:
            return high
    raise AssertionError("a score is NaN, or too few are left")


def _number(
    scores: Sequence[np.ndarray], masks: Sequence[np.ndarray], compare: np.ufunc, bound: np.floating
) -> int:
    """How many of the surviving scores compare so with a bound."""
    pieces = _chunks(scores, masks)
    return sum(int(np.count_nonzero(compare(score, bound) & mask)) for score, mask in pieces)


def _likely_bounds(
    scores: Sequence[np.ndarray], masks: Sequence[np.ndarray], count: int, dtype: type[np.floating]
) -> tuple[np.floating, np.floating]:
    """Scores between which the `count`-th highest surviving one is, but for a misleading sample."""
    # Odd, as what repeats in a kernel often does so by powers of two.
    step = sum(mask.size for mask in masks) // _SAMPLE | 1
    survivors = [
        score.reshape(-1)[::step][mask.reshape(-1)[::step]].astype(dtype)
        for score, mask in zip(scores, masks, strict=True)
    ]
    ordered = np.sort(np.concatenate([[-np.inf], *survivors, [np.inf]], dtype=dtype))
    share = count / sum(int(np.count_nonzero(mask)) for mask in masks)
    # Six standard deviations of a sample's quantile, or more.
    margin = 3 * math.sqrt(ordered.size) + 1
    middle = (1 - share) * ordered.size
    low, high = max(0, int(middle - margin)), min(ordered.size - 1, int(middle + margin))
    return ordered[low], ordered[high]


def _chunks(*sequences: Sequence[np.ndarray]) -> Iterator[tuple[np.ndarray, ...]]:
    """Flat pieces of corresponding arrays, in order."""
    for arrays in zip(*sequences, strict=True):
        flat = [array.reshape(-1) for array in arrays]
        for start in range(0, flat[0].size, CHUNK):
            yield tuple(array[start : start + CHUNK] for array in flat)
