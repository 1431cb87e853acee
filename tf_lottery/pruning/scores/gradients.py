"""Scores by what the loss, or its gradient, would change without a weight."""

from typing import Any

import numpy as np

from tf_lottery.masking.masks import Mask, Weights
from tf_lottery.pruning.score import Evidence, Scores, register_score


@register_score(needs_data=True, ranks_all_together=True)
def snip(weights: Weights, mask: Mask, evidence: Evidence) -> Scores:
    """Connection sensitivity |w dL/dw| (arXiv 1810.02340, section 4.1), L the mean loss.

    The paper divides it by its sum, which does not change the order.
    """
    total: dict[str, Any] = dict.fromkeys(mask, 0.0)
    for gradients in evidence.loss_gradients(weights, mask):
        for name in mask:
            total[name] = total[name] + gradients[name]
    return {name: np.abs(weights[name] * total[name]) for name in mask}


@register_score(needs_data=True, ranks_all_together=True)
def grasp(weights: Weights, mask: Mask, evidence: Evidence) -> Scores:
    """Preserved gradient flow w * Hg (arXiv 2002.07376, section 4, equation 8).

    Half of what the squared norm of the gradient g loses without the weight, to the first order, H
    being the Hessian. The paper removes the weights of highest -w * Hg, whose removal leaves or
    makes the norm largest.
    """
    flow = evidence.gradient_flow(weights, mask)
    return {name: weights[name] * flow[name] for name in mask}


@register_score(needs_data=True)
def taylor(weights: Weights, mask: Mask, evidence: Evidence) -> Scores:
    """Mean over the batches of (w dL/dw)^2 (arXiv 1906.10771, section 3.1, equation 8).

    The square of what the loss of a batch changes without the weight, to the first order.
    """
    total: dict[str, Any] = dict.fromkeys(mask, 0.0)
    batches = 0
    for gradients in evidence.loss_gradients(weights, mask):
        batches += 1
        for name in mask:
            total[name] = total[name] + (weights[name] * gradients[name]) ** 2
    return {name: total[name] / batches for name in mask}
