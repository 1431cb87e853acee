"""Solutions with their units in the same order: weight matching (arXiv 2209.04836, section 3.2)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from tf_lottery.landscape.solutions import Solution, check_same_network
from tf_lottery.masking.masks import Mask, Weights
from tf_lottery.masking.permutations import ExchangeableUnits, Place, permuted

# Of the product of lengths: a gain below it may be a rounding error.
_SMALLEST_GAIN = 1e-12


def aligned(first: Solution, second: Solution, groups: Sequence[ExchangeableUnits]) -> Solution:
    """The second solution, with the units in the order that is most like that of the first.

    It computes what it did. Its mask, and all else that belongs to units, moves with them.

    Args:
      first: a solution.
      second: another of the same network.
      groups: the exchangeable units of the network.

    Raises:
      ValueError: if they are of different networks.
    """
    check_same_network(first, second)
    orders = match_weights(first.weights, second.weights, groups)
    return Solution(
        second.label,
        permuted(second.weights, groups, orders),
        Mask(permuted(second.mask, groups, orders)),
    )


def match_weights(
    first: Weights, second: Weights, groups: Sequence[ExchangeableUnits]
) -> list[np.ndarray]:
    """Orders the units of a network so that its weights are like those of another.

    Coordinate descent (arXiv 2209.04836, algorithm 1): it goes through the groups in random orders,
    which are always the same, and puts the units of each in the order with the largest inner
    product of all learned weights of both networks, the other groups as they are, until none gains.
    That is a local optimum.

    Args:
      first: weights by name.
      second: those of the same network whose units are to be ordered.
      groups: the exchangeable units of the network.

    Returns:
      For `permuted`: of each group the numbers of the second network's units in their new order.
      The order in which they are if a weight is not finite.
    """
    orders = [np.arange(group.count) for group in groups]
    names = sorted({place.weight for group in groups for place in _learned(group)})
    fixed = {name: np.asarray(first[name], np.float64) for name in names}
    moving = {name: np.asarray(second[name], np.float64) for name in names}
    if not all(np.isfinite(array).all() for array in (*fixed.values(), *moving.values())):
        return orders
    neighbours = _neighbours(groups)
    random, due = np.random.default_rng(0), set(range(len(groups)))
    while due:
        for number in random.permutation(sorted(due)):
            due.discard(number)
            group = groups[number]
            order = _best_order(fixed, moving, group)
            touched = {place.weight: moving[place.weight] for place in _learned(group)}
            new = permuted(touched, [group], [order])
            gain = _products(fixed, new) - _products(fixed, touched)
            lengths = sum(np.linalg.norm(fixed[name]) * np.linalg.norm(new[name]) for name in new)
            if gain > _SMALLEST_GAIN * lengths:
                moving |= new
                orders[number] = orders[number][order]
                due |= neighbours[number]
    return orders


def _neighbours(groups: Sequence[ExchangeableUnits]) -> list[set[int]]:
    """Of each group those whose best order depends on its order: on other axes of its weights."""
    axes = defaultdict(set)
    for number, group in enumerate(groups):
        for place in _learned(group):
            axes[place.weight].add((place.axis, number))
    return [
        {
            number
            for place in _learned(group)
            for axis, number in axes[place.weight]
            if axis != place.axis
        }
        for group in groups
    ]


def _learned(group: ExchangeableUnits) -> list[Place]:
    return [place for place in group.places if place.learned]


def _best_order(
    first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray], group: ExchangeableUnits
) -> np.ndarray:
    """The order of a group's units with the largest inner product of their weights."""
    products = np.zeros((group.count, group.count))
    for place in _learned(group):
        one, other = (_by_unit(arrays[place.weight], place) for arrays in (first, second))
        products += one @ other.T
    _, order = linear_sum_assignment(products, maximize=True)
    return order


def _by_unit(array: np.ndarray, place: Place) -> np.ndarray:
    """The weights of each unit, `[units, weights of a unit]`."""
    taken = np.moveaxis(array, place.axis, 0)[place.indices]
    return taken.reshape(len(taken), -1)


def _products(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> float:
    return sum(float(np.vdot(first[name], array)) for name, array in second.items())
