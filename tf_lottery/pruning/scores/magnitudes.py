"""Scores by how large weights are, or how far they have moved; and random ones."""

import numpy as np

from tf_lottery.masking.masks import Mask, Weights
from tf_lottery.pruning.ranking import ScoredBy
from tf_lottery.pruning.score import Evidence, Scores, register_score


@register_score()
def magnitude(weights: Weights, mask: Mask, evidence: Evidence | None = None) -> Scores:
    """Absolute values of the weights, |w|.

    Args:
      weights: weight name to array; may hold more than the masked weights.
      mask: the current mask, which names the weights to score.
      evidence: not looked at.

    Returns:
      Score of each masked weight, arrays of the weights' shapes, each computed when it is looked
      at.
    """
    return ScoredBy(np.abs, {name: weights[name] for name in mask})


@register_score()
def random(weights: Weights, mask: Mask, evidence: Evidence) -> Scores:
    """Random numbers, whatever the weights are; arguments and result as of `magnitude`."""
    generator = evidence.random()
    return {name: generator.random(array.shape) for name, array in mask.items()}


@register_score()
def magnitude_at_rewind(weights: Weights, mask: Mask, evidence: Evidence) -> Scores:
    """Absolute values |w_k| at the rewind step ("large init", arXiv 1905.01067, section 2)."""
    return magnitude(evidence.rewind_weights, mask)


@register_score()
def movement(weights: Weights, mask: Mask, evidence: Evidence) -> Scores:
    """Distance |w - w_k| from the rewind step ("movement", arXiv 1905.01067, section 2)."""
    start = evidence.rewind_weights
    return {name: np.abs(weights[name] - start[name]) for name in mask}
