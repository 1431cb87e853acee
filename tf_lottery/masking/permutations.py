"""Permutations of units, under which a network computes the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Place:
    """Where exchangeable units are in a weight.

    Attributes:
      weight: name of the weight.
      axis: the axis that indexes them.
      indices: of each unit on that axis, `[units, indices of a unit]`: of one that is flattened
        into a Dense layer, its positions in the order of height and width.
      learned: whether training fits the weight, which the statistics of a normalization are not.
    """

    weight: str
    axis: int
    indices: np.ndarray
    learned: bool


@dataclass(frozen=True)
class ExchangeableUnits:
    """Units or filters that can change places with each other, if all their weights do.

    Attributes:
      places: where they are, in the order of the network; at least one.
    """

    places: tuple[Place, ...]

    @property
    def count(self) -> int:
        """The number of units."""
        return len(self.places[0].indices)


def permuted(
    arrays: Mapping[str, np.ndarray],
    groups: Sequence[ExchangeableUnits],
    orders: Sequence[np.ndarray],
) -> dict[str, np.ndarray]:
    """Moves units to other places.

    Args:
      arrays: weights by name, or a mask of some of them.
      groups: exchangeable units of the network.
      orders: of each group the numbers of its units in their new order, `[units]`.

    Returns:
      The arrays; those without exchangeable units are the same.
    """
    sources: dict[tuple[str, int], np.ndarray] = {}
    for group, order in zip(groups, orders, strict=True):
        for place in group.places:
            if place.weight in arrays:
                size = np.shape(arrays[place.weight])[place.axis]
                source = sources.setdefault((place.weight, place.axis), np.arange(size))
                source[place.indices] = place.indices[order]
    moved = dict(arrays)
    for (name, axis), source in sources.items():
        moved[name] = np.take(moved[name], source, axis)
    return moved
