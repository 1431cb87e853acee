"""Solutions: networks where training has ended, and how far they are apart."""

from dataclasses import dataclass

import numpy as np

from tf_lottery.masking.masks import Mask, Weights


@dataclass(frozen=True)
class Solution:
    """A network where training has ended.

    Attributes:
      label: names it in tables and figures.
      weights: all weights of the network by name; those that the mask prunes are 0.
      mask: which of them remain.
    """

    label: str
    weights: Weights
    mask: Mask


@dataclass(frozen=True)
class Distance:
    """How far two solutions are apart (arXiv 1903.01611, section 2).

    Attributes:
      l2: length of the difference.
      cosine: cosine of the angle between the two, both as vectors from 0.
    """

    l2: float
    cosine: float


def distance(first: Solution, second: Solution, mask: Mask | None = None) -> Distance:
    """Distance of two solutions over the kernels that can be pruned.

    Args:
      first: a solution.
      second: another of the same network.
      mask: counts only these weights: those of a subnetwork, to compare it with the same weights
        of the dense network.

    Raises:
      ValueError: if they are of different networks.
    """
    return _distance(first, second, list(first.mask), mask)


def layer_distances(
    first: Solution, second: Solution, mask: Mask | None = None
) -> dict[str, Distance]:
    """Distance of two solutions in each kernel; arguments and errors as of `distance`."""
    return {name: _distance(first, second, [name], mask) for name in first.mask}


def check_same_network(first: Solution, second: Solution) -> None:
    """Checks that two solutions are of the same network.

    Raises:
      ValueError: if they have other weights, or weights of other shapes; names one.
    """
    names = {**first.weights, **second.weights}
    for name in names:
        shapes = [
            np.shape(solution.weights[name]) if name in solution.weights else None
            for solution in (first, second)
        ]
        if shapes[0] != shapes[1]:
            described = [
                "no such weight" if shape is None else f"shape {shape}" for shape in shapes
            ]
            raise ValueError(
                f"{first.label} and {second.label} are solutions of different networks: {name} has "
                f"{described[0]} in the first and {described[1]} in the second."
            )


def _distance(first: Solution, second: Solution, names: list[str], mask: Mask | None) -> Distance:
    check_same_network(first, second)
    squares = {"difference": 0.0, "first": 0.0, "second": 0.0, "product": 0.0}
    for name in names:
        chosen = ... if mask is None else mask[name]
        one = first.weights[name][chosen].astype(np.float64)
        other = second.weights[name][chosen].astype(np.float64)
        squares["difference"] += np.sum((one - other) ** 2)
        squares["first"] += np.sum(one**2)
        squares["second"] += np.sum(other**2)
        squares["product"] += np.sum(one * other)
    lengths = np.sqrt(squares["first"] * squares["second"])
    cosine = squares["product"] / lengths if lengths else np.nan
    return Distance(float(np.sqrt(squares["difference"])), float(cosine))
