"""The control for the signs, with random magnitudes."""

import numpy as np

from tf_lottery.config.branches import Look, register_branch
from tf_lottery.tickets.origin import Origin, Start


@register_branch(
    prunes=False, weights_alone=True, starts_as_level=True, look=Look("orange", "d", 1)
)
def signed_reinitialization(origin: Origin) -> Start:
    """Signs of the level's first weights, magnitudes drawn anew (arXiv 1905.01067, section 4).

    What is not pruned (biases, normalization) keeps its values.
    """
    weights, drawn = dict(origin.start.state.weights), origin.new_weights()
    for name in origin.start.mask:
        weights[name] = np.copysign(drawn[name], weights[name])
    return origin.start.with_weights(weights)
