"""Scores: functions (weights, mask) -> an array per weight; the highest remain."""

from collections.abc import Callable, Mapping

import numpy as np

from tf_lottery.pruning.masks import Mask

Score = Callable[[Mapping[str, np.ndarray], Mask], dict[str, np.ndarray]]


def magnitude(weights: Mapping[str, np.ndarray], mask: Mask) -> dict[str, np.ndarray]:
    """Absolute values of the weights.

    Args:
      weights: weight name to array; may hold more than the masked weights.
      mask: the current mask, which names the weights to score.

    Returns:
      Score of each masked weight, arrays of the weights' shapes.
    """
    return {name: np.abs(weights[name]) for name in mask}
