"""Finds the highest scores of a whole network without gathering them."""

from collections.abc import Iterator, Sequence

import numpy as np

_DIGIT_BITS = 16
_DIGITS = 1 << _DIGIT_BITS
# Small enough for the temporary arrays of a chunk to stay in the processor's cache.
_CHUNK = 1 << 16


def keep_highest(
    scores: Sequence[np.ndarray], masks: Sequence[np.ndarray], count: int
) -> list[np.ndarray]:
    """Keeps the `count` highest scores among the survivors.

    Among equal scores those that come first remain: arrays in the given order, row-major within.
    Beside its results it needs no memory that grows with the arrays.

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
    for score, mask in _chunks(scores, masks):
        if np.isnan(score).any() and np.isnan(score[mask]).any():
            raise ValueError("a score is NaN: the network has diverged and cannot be ranked.")
    survivors = sum(int(np.count_nonzero(mask)) for mask in masks)
    if count > survivors:
        raise ValueError(f"{count} weights should remain, but only {survivors} are left.")
    results = [np.zeros(mask.shape, bool) for mask in masks]
    if count == 0:
        return results
    threshold, ties = _threshold(scores, masks, count, dtype)
    for score, mask, kept in _chunks(scores, masks, results):
        score = score.astype(dtype, copy=False)
        np.greater(score, threshold, out=kept)
        kept &= mask
        if ties:
            first = np.flatnonzero(mask & (score == threshold))[:ties]
            kept[first] = True
            ties -= first.size
    return results


def _threshold(
    scores: Sequence[np.ndarray], masks: Sequence[np.ndarray], count: int, dtype: type[np.floating]
) -> tuple[np.floating, int]:
    """The `count`-th highest surviving score, and how many of the survivors equal to it to keep.

    A radix selection: each pass over the scores finds the next 16 bits of the threshold from the
    histogram of those bits among the scores that share the bits known so far.
    """
    bits = 8 * np.dtype(dtype).itemsize
    prefix = 0
    for shift in range(bits - _DIGIT_BITS, -1, -_DIGIT_BITS):
        histogram = np.zeros(_DIGITS, np.int64)
        for score, mask in _chunks(scores, masks):
            keys = _ordered_keys(score[mask].astype(dtype, copy=False))
            if shift + _DIGIT_BITS < bits:
                keys = keys[keys >> (shift + _DIGIT_BITS) == prefix]
            digits = (keys >> shift) & (_DIGITS - 1)
            histogram += np.bincount(digits.astype(np.intp), minlength=_DIGITS)
        at_least = np.cumsum(histogram[::-1])[::-1]
        digit = int(np.count_nonzero(at_least >= count)) - 1
        count -= int(at_least[digit] - histogram[digit])
        prefix = prefix << _DIGIT_BITS | digit
    return _score_of_key(prefix, dtype), count


def _ordered_keys(scores: np.ndarray) -> np.ndarray:
    """Unsigned integers in the order of the scores; equal ones for -0.0 and 0.0."""
    sign_bit = 8 * scores.itemsize - 1
    bits = (scores + scores.dtype.type(0)).view(f"u{scores.itemsize}")
    # The bits of negative numbers rise as the numbers fall: all are flipped, else the sign alone.
    flipped = (bits.view(f"i{scores.itemsize}") >> sign_bit).view(bits.dtype)
    return bits ^ (flipped | bits.dtype.type(1 << sign_bit))


def _score_of_key(key: int, dtype: type[np.floating]) -> np.floating:
    size = np.dtype(dtype).itemsize
    sign_bit = 8 * size - 1
    bits = key ^ (1 << sign_bit) if key >> sign_bit else key ^ ((1 << 8 * size) - 1)
    return np.array([bits], f"u{size}").view(dtype)[0]


def _chunks(*sequences: Sequence[np.ndarray]) -> Iterator[tuple[np.ndarray, ...]]:
    """Flat pieces of corresponding arrays, in order."""
    for arrays in zip(*sequences, strict=True):
        flat = [array.reshape(-1) for array in arrays]
        for start in range(0, flat[0].size, _CHUNK):
            yield tuple(array[start : start + _CHUNK] for array in flat)
