"""Random masks, and how they may distribute the weights over the layers."""

from collections.abc import Mapping

import numpy as np

from tf_lottery.masking.masks import Mask


def random_mask_of(mask: Mask, counts: Mapping[str, int], random: np.random.Generator) -> Mask:
    """Draws a mask.

    Args:
      mask: gives names and shapes.
      counts: number of weights that remain of each array.
      random: draws which.
    """
    arrays = {}
    for name, array in mask.items():
        flat = np.zeros(array.size, bool)
        flat[random.permutation(array.size)[: counts[name]]] = True
        arrays[name] = flat.reshape(array.shape)
    return Mask(arrays)


def uniform_counts(mask: Mask) -> dict[str, int]:
    """As many weights as a mask has, with one density in all layers.

    Layers that the mask leaves dense stay so.

    Args:
      mask: what is to be matched.
    """
    return _counts(mask, dict.fromkeys(mask, 1.0))


def erk_counts(mask: Mask) -> dict[str, int]:
    """As many weights as a mask has, distributed as Erdős-Rényi kernels (arXiv 1911.11134, 3).

    The density of a layer is proportional to the sum of its kernel's dimensions over their product,
    and at most 1. Layers that the mask leaves dense stay so.

    Args:
      mask: what is to be matched.
    """
    return _counts(mask, {name: sum(array.shape) / array.size for name, array in mask.items()})


def _counts(mask: Mask, shares: Mapping[str, float]) -> dict[str, int]:
    """Distributes a mask's weights over layers in proportion to shares of their sizes."""
    counts = {name: array.size for name, array in mask.items()}
    free = [name for name, array in mask.items() if not array.all()]
    left = sum(int(np.count_nonzero(mask[name])) for name in free)
    while free:
        scale = left / sum(shares[name] * counts[name] for name in free)
        full = [name for name in free if shares[name] * scale >= 1]
        if not full:
            break
        # Layers that are full pass what they cannot take on to the others.
        free = [name for name in free if name not in full]
        left -= sum(counts[name] for name in full)
    if free:
        exact = {name: scale * shares[name] * counts[name] for name in free}
        counts |= _rounded(exact, left)
    return counts


def _rounded(exact: Mapping[str, float], total: int) -> dict[str, int]:
    """Integers near given numbers, of a given sum: the largest remainders are rounded up."""
    counts = {name: int(number) for name, number in exact.items()}
    missing = total - sum(counts.values())
    by_remainder = sorted(exact, key=lambda name: counts[name] - exact[name])
    for name in by_remainder[:missing]:
        counts[name] += 1
    return counts
