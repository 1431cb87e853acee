"""Finds the highest scores of a whole network without gathering them."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

_SAMPLE = 1 << 17
# Small enough for the temporary arrays of a chunk to stay in the processor's cache.
CHUNK = 1 << 16


class ScoredBy(Mapping[str, np.ndarray]):
    """Scores that are a function of single numbers, such as |w|, computed when they are looked at.

    A ranking of all of them never holds more than a few. Each look computes them anew.
    """

    def __init__(self, key: Callable[[np.ndarray], np.ndarray], arrays: Mapping[str, np.ndarray]):
        """Computes nothing yet.

        Args:
          key: gives scores, an array of the shape and type of its argument.
          arrays: name to array of numbers.
        """
        self.key, self.arrays = key, arrays

    def __getitem__(self, name: str) -> np.ndarray:
        return self.key(self.arrays[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)


def keep_highest(
    scores: Sequence[np.ndarray],
    masks: Sequence[np.ndarray],
    count: int,
    key: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> list[np.ndarray]:
    """Keeps the `count` highest scores among the survivors.

    Among equal scores those that come first remain: arrays in the given order, row-major within.
    Beside its results it needs memory for a few hundredths of the scores; for all of them only if
    every so-maniest one, which it looks at first, is quite unlike the others.

    Args:
      scores: arrays of scores, compared as float32 if all of them fit, else as float64.
      masks: boolean arrays of the same shapes, True where a weight survives so far.
      count: number of weights to keep over all arrays.
      key: what to rank by; as of `ScoredBy`.

    Returns:
      New boolean arrays, `count` True entries in all, each within its old mask.

    Raises:
      ValueError: if a survivor's score is NaN or fewer than `count` weights survive.
    """
    ranking = _Ranking(scores, masks, count, key)
    survivors = sum(int(np.count_nonzero(mask)) for mask in masks)
    if not 0 < count <= survivors:
        ranking.refuse_nan()
        if count:
            raise ValueError(f"{count} weights should remain, but only {survivors} are left.")
        return [np.zeros(mask.shape, bool) for mask in masks]
    likely = ranking.likely_bounds()
    return ranking.kept_by_bounds(likely) or ranking.kept_by_threshold(ranking.threshold(likely))


class _Ranking:
    """A ranking of scores that are looked at in pieces; arguments as of `keep_highest`."""

    def __init__(
        self,
        scores: Sequence[np.ndarray],
        masks: Sequence[np.ndarray],
        count: int,
        key: Callable[[np.ndarray], np.ndarray],
    ):
        self.scores, self.masks, self.count, self.key = scores, masks, count, key
        fits = np.can_cast(np.result_type(*scores), np.float32)
        self.dtype: type[np.floating] = np.float32 if fits else np.float64

    def refuse_nan(self) -> None:
        """Checks all survivors' scores."""
        for score, mask in self._pieces():
            _refuse_nan(score, mask)

    def likely_bounds(self) -> tuple[np.floating, np.floating]:
        """Scores between which the last that is kept is, but for a misleading sample."""
        # Odd, as what repeats in a kernel often does so by powers of two.
        step = sum(mask.size for mask in self.masks) // _SAMPLE | 1
        survivors = [
            self._scored(score.reshape(-1)[::step][mask.reshape(-1)[::step]])
            for score, mask in zip(self.scores, self.masks, strict=True)
        ]
        ordered = np.sort(np.concatenate([[-np.inf], *survivors, [np.inf]], dtype=self.dtype))
        share = self.count / sum(int(np.count_nonzero(mask)) for mask in self.masks)
        # Six standard deviations of a sample's quantile, or more.
        margin = 3 * math.sqrt(ordered.size) + 1
        middle = (1 - share) * ordered.size
        low, high = max(0, int(middle - margin)), min(ordered.size - 1, int(middle + margin))
        return ordered[low], ordered[high]

    def kept_by_bounds(self, bounds: tuple[np.floating, np.floating]) -> list[np.ndarray] | None:
        """What to keep, found in one look at all; None if the last one is not between bounds."""
        low, high = bounds
        results = [np.empty(mask.shape, bool) for mask in self.masks]
        between, values, missing = [], [np.empty(0, low.dtype)], self.count
        for score, mask, kept in self._pieces(results):
            _refuse_nan(score, mask)
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

    def kept_by_threshold(self, threshold: np.floating) -> list[np.ndarray]:
        """The survivors above a score, and the first of those that are equal to it."""
        results = [np.empty(mask.shape, bool) for mask in self.masks]
        ties = self.count
        for score, mask, kept in self._pieces(results):
            np.greater(score, threshold, out=kept)
            kept &= mask
            ties -= int(np.count_nonzero(kept))
        for score, mask, kept in self._pieces(results):
            if not ties:
                break
            first = np.flatnonzero(mask & (score == threshold))
            kept[first[:ties]] = True
            ties -= first[:ties].size
        return results

    def threshold(self, likely: tuple[np.floating, np.floating]) -> np.floating:
        """The last score that is kept.

        It is sought between likely bounds; where they are wrong, among all scores.
        """
        everything = self.dtype(-np.inf), self.dtype(np.inf)
        for low, high in (likely, everything):
            between, above = [], 0
            for score, mask in self._pieces():
                above += int(np.count_nonzero((score >= high) & mask))
                between.append(score[(score > low) & (score < high) & mask])
            candidates = np.concatenate(between)
            rank = candidates.size + above - self.count
            if 0 <= rank < candidates.size:
                candidates.partition(rank)
                return candidates[rank]
            # Many may be equal to a bound.
            if rank < 0 and self._number(np.greater_equal, low) >= self.count:
                return low
            if rank >= 0 and self._number(np.greater, high) < self.count:
                return high
        raise AssertionError("a score is NaN, or too few are left")

    def _number(self, compare: np.ufunc, bound: np.floating) -> int:
        """How many of the surviving scores compare so with a bound."""
        return sum(
            int(np.count_nonzero(compare(own, bound) & mask)) for own, mask in self._pieces()
        )

    def _pieces(self, *results: Sequence[np.ndarray]) -> Iterator[tuple[np.ndarray, ...]]:
        """Scores, masks, and what else there is of each weight, in flat pieces and in order."""
        for arrays in zip(self.scores, self.masks, *results, strict=True):
            score, *others = (array.reshape(-1) for array in arrays)
            for start in range(0, score.size, CHUNK):
                own, *rest = (array[start : start + CHUNK] for array in (score, *others))
                yield self._scored(own), *rest

    def _scored(self, array: np.ndarray) -> np.ndarray:
        return self.key(array).astype(self.dtype, copy=False)


def _refuse_nan(score: np.ndarray, mask: np.ndarray) -> None:
    # The least of some numbers is NaN if one of them is.
    if np.isnan(score.min()) and np.isnan(score[mask]).any():
        raise ValueError("a score is NaN: the network has diverged and cannot be ranked.")
