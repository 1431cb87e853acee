"""Chooses what remains by structures: whole units and filters, blocks, or n weights of every m."""

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tf_lottery.masking.tfmot import pruning_utils
from tf_lottery.pruning.ranking import CHUNK

# Weights in a block: TFLite has no other size for 32-bit kernels.
BLOCK = 4


def keep_highest_units(
    scores: Sequence[np.ndarray],
    masks: Sequence[np.ndarray],
    count: int,
    unit_axes: Sequence[tuple[int, ...]],
) -> list[np.ndarray]:
    """Removes whole units, lowest first, until as near as possible to `count` weights remain.

    A unit's value is the root mean square of its surviving scores; a negative score, which not
    every method excludes, lowers it. Among filters of one size that is the order of their L2 norms
    (Li et al. 2017, arXiv 1608.08710, section 3.1, rank filters by L1 norms in each layer). A norm
    grows with a filter's size, though, and so does what its removal saves: with the mean, units of
    different layers are ranked by what is lost per weight saved, as single weights are in a global
    ranking (a unit of one weight is ranked by its score).

    Among equal units those that come first remain. Of two numbers of weights equally near to
    `count` the higher is chosen. The highest unit of every array always remains, since without it
    nothing would pass the layer.

    Args:
      scores: arrays of scores.
      masks: boolean arrays of the same shapes, True where a weight survives so far.
      count: number of weights to keep over all arrays. May be above that of the survivors, since
        a level before may have come out below its own; then nothing is removed.
      unit_axes: of each array the axes that index its units; all weights that share their indices
        there are one unit. Without axes the whole array is one, and so remains.

    Returns:
      New boolean arrays, each its old mask less the removed units.

    Raises:
      ValueError: if a survivor's score is NaN.
    """
    units = [_unit_values(*arrays) for arrays in zip(scores, masks, unit_axes, strict=True)]
    if any(np.isnan(values).any() for values, _ in units):
        raise ValueError("a score is NaN: the network has diverged and cannot be ranked.")
    survivors = sum(int(sizes.sum()) for _, sizes in units)
    removed = _lowest_units(units, survivors - count)
    return [
        _without_units(mask, gone, axes)
        for mask, gone, axes in zip(masks, removed, unit_axes, strict=True)
    ]


def has_blocks(shape: tuple[int, ...], unit_axes: tuple[int, ...]) -> bool:
    """Whether TFLite multiplies an array sparse by blocks: Dense kernels `[in, out]` of 4n inputs.

    Those with other numbers of inputs have a last block of fewer weights, which could not be
    counted as the others are.
    """
    return len(shape) == 2 and unit_axes in ((1,), (-1,)) and shape[0] % BLOCK == 0


def keep_highest_blocks(
    scores: Sequence[np.ndarray],
    masks: Sequence[np.ndarray],
    count: int,
    unit_axes: Sequence[tuple[int, ...]],
) -> list[np.ndarray]:
    """Removes blocks of four consecutive inputs of a unit, as `keep_highest_units` does units.

    So the value of a block is the root mean square of its surviving scores, and the highest block
    of every array always remains. The first block of a unit has its inputs 0 to 3.

    Args:
      scores: arrays of scores.
      masks: boolean arrays of the same shapes. Arrays without blocks keep theirs.
      count: number of weights to keep over all arrays.
      unit_axes: of each array the axes that index its units, which tell `has_blocks`.

    Returns:
      New boolean arrays, each its old mask less the removed blocks.

    Raises:
      ValueError: if a survivor's score is NaN.
    """
    blocked = [has_blocks(mask.shape, axes) for mask, axes in zip(masks, unit_axes, strict=True)]
    kept = keep_highest_units(
        _blocks_apart(scores, blocked),
        _blocks_apart(masks, blocked),
        count,
        [(0, 2) if apart else () for apart in blocked],
    )
    return [new.reshape(mask.shape) for new, mask in zip(kept, masks, strict=True)]


def has_n_of_m_groups(shape: tuple[int, ...], unit_axes: tuple[int, ...]) -> bool:
    """Whether tfmot knows n:m groups for an array: kernels like those of Dense and Conv2D.

    Pointwise kernels of SeparableConv2D are such; depthwise kernels, those of transposed
    convolutions and those of convolutions over other than two dimensions are not.
    """
    rank = len(shape)
    return rank in (2, 4) and tuple(axis % rank for axis in unit_axes) == (rank - 1,)


def keep_n_of_m(
    scores: Sequence[np.ndarray],
    masks: Sequence[np.ndarray],
    unit_axes: Sequence[tuple[int, ...]],
    n: int = 2,
    m: int = 4,
) -> list[np.ndarray]:
    """Keeps the `n` highest scores of every `m` consecutive inputs of a unit, as tfmot does.

    Groups run along the input axis, the second to last, where GPUs and TFLite want them (Mishra et
    al. 2021, arXiv 2104.08378, section 3). The last group of an input axis that `m` does not divide
    is smaller and keeps `n` all the same, so an axis of at most `n` inputs keeps everything. Among
    equal scores those that come first remain.

    Args:
      scores: arrays of scores.
      masks: boolean arrays of the same shapes. Arrays without such groups keep theirs; those of
        others must be True throughout, as groups of a sparse network may hold fewer than `n`.
      unit_axes: of each array the axes that index its units, which tell `has_n_of_m_groups`.
      n: number of weights that remain of each group; less than `m`.
      m: number of weights in a group.

    Returns:
      New boolean arrays.

    Raises:
      ValueError: if a score is NaN or an array with groups is pruned already.
    """
    kept = []
    for score, mask, axes in zip(scores, masks, unit_axes, strict=True):
        if not has_n_of_m_groups(mask.shape, axes):
            kept.append(mask.copy())
            continue
        if np.isnan(score).any():
            raise ValueError("a score is NaN: the network has diverged and cannot be ranked.")
        if not mask.all():
            raise ValueError(
                f"{n}:{m} masks are chosen from the dense network, but of an array of shape "
                f"{mask.shape} only {np.count_nonzero(mask)} weights are left; prune at level 1 "
                "only."
            )
        kept.append(_n_of_m_mask(score, n, m))
    return kept


def shuffled(
    mask: np.ndarray, structure: str, unit_axes: tuple[int, ...], random: np.random.Generator
) -> np.ndarray:
    """Draws a mask with as many weights of an array, in whole pieces of a structure.

    Args:
      mask: boolean array. Of "units" and "1x4" blocks it has whole ones.
      structure: "weights", "units", "2:4" or "1x4". Arrays without such pieces keep their mask.
      unit_axes: the axes that index units.
      random: draws.
    """
    if structure == "units" and unit_axes:
        units = _units_last(mask, unit_axes)
        kept = units.any(axis=tuple(range(units.ndim - len(unit_axes))))
        drawn = random.permutation(kept.ravel()).reshape(kept.shape)
        return np.moveaxis(
            np.broadcast_to(drawn, units.shape), range(-len(unit_axes), 0), unit_axes
        ).copy()
    if structure == "1x4" and has_blocks(mask.shape, unit_axes):
        kept = mask.reshape(-1, BLOCK, mask.shape[1]).any(axis=1)
        return np.repeat(random.permutation(kept.ravel()).reshape(kept.shape), BLOCK, axis=0)
    if structure == "2:4" and has_n_of_m_groups(mask.shape, unit_axes) and not mask.all():
        return keep_n_of_m([random.random(mask.shape)], [np.ones_like(mask)], [unit_axes])[0]
    if structure == "weights":
        return random.permutation(mask.ravel()).reshape(mask.shape)
    return mask.copy()


def _blocks_apart(arrays: Sequence[np.ndarray], blocked: Sequence[bool]) -> list[np.ndarray]:
    """Gives arrays that have blocks the shape `[blocks, inputs of a block, units]`."""
    return [
        array.reshape(-1, BLOCK, array.shape[1]) if apart else array
        for array, apart in zip(arrays, blocked, strict=True)
    ]


def _unit_values(
    scores: np.ndarray, mask: np.ndarray, axes: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the signed squares of each unit's surviving scores, and how many it has.

    Squares rank as their roots do.
    """
    scores, mask = _units_last(scores, axes), _units_last(mask, axes)
    count = math.prod(mask.shape[mask.ndim - len(axes) :])
    rows = math.prod(mask.shape[: mask.ndim - len(axes)])
    scores, mask = scores.reshape(rows, count), mask.reshape(rows, count)
    totals, sizes = np.zeros(count), np.zeros(count, np.int64)
    step = max(1, CHUNK // max(1, count))
    for start in range(0, rows, step):
        piece, alive = scores[start : start + step].astype(np.float64), mask[start : start + step]
        totals += np.sum(piece * np.abs(piece), axis=0, where=alive)
        sizes += np.count_nonzero(alive, axis=0)
    return totals / np.maximum(sizes, 1), sizes


def _lowest_units(units: Sequence[tuple[np.ndarray, np.ndarray]], surplus: int) -> list[np.ndarray]:
    """True for the lowest units of all arrays, that have nearest to `surplus` weights."""
    removable = [sizes > 0 for _, sizes in units]
    for (values, _), free in zip(units, removable, strict=True):
        alive = np.flatnonzero(free)
        if alive.size:
            free[alive[np.argmax(values[alive])]] = False
    positions = np.flatnonzero(np.concatenate(removable))
    values = np.concatenate([values for values, _ in units])[positions]
    sizes = np.concatenate([sizes for _, sizes in units])[positions]
    order = np.lexsort((-positions, values))
    weights = np.concatenate([[0], np.cumsum(sizes[order])])
    removed = np.zeros(sum(free.size for free in removable), bool)
    removed[positions[order[: np.argmin(np.abs(weights - surplus))]]] = True
    return np.split(removed, np.cumsum([free.size for free in removable])[:-1])


def _without_units(mask: np.ndarray, removed: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    kept = mask.copy()
    view = _units_last(kept, axes)
    view &= ~removed.reshape(view.shape[view.ndim - len(axes) :])
    return kept


def _units_last(array: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    return np.moveaxis(array, axes, range(-len(axes), 0))


def _n_of_m_mask(scores: np.ndarray, n: int, m: int) -> np.ndarray:
    # tfmot ranks by absolute value and pads with zeros: ranks from 1 on keep the scores' order.
    ranks = np.unique(scores, return_inverse=True)[1].reshape(scores.shape) + 1
    # Of an accelerator's memory this would take several times the kernel's size.
    with tf.device("CPU:0"):
        weights = tf.constant(ranks, tf.int32)
        rows = pruning_utils.weights_rearrange(weights)
        mask = pruning_utils.generate_m_by_n_mask(rows, (m - n, m))
        mask = pruning_utils.m_by_n_sparsity_mask_prepare(mask, weights.shape)
    return mask.numpy() != 0
