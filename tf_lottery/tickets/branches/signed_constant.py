"""The control for the signs: are they all that the first weights tell?"""

import numpy as np

from tf_lottery.config.branches import Look, register_branch
from tf_lottery.tickets.origin import Origin, Start


@register_branch(
    prunes=False, weights_alone=True, starts_as_level=True, look=Look("orange", "p", 2)
)
def signed_constant(origin: Origin) -> Start:
    """Signs of the level's first weights, one magnitude per layer (arXiv 1905.01067, section 4).

    The magnitude is the standard deviation of the layer's newly drawn kernel. What is not pruned
    (biases, normalization) keeps its values.
    """
    weights, drawn = dict(origin.start.state.weights), origin.new_weights()
    for name in origin.start.mask:
        weights[name] = np.copysign(np.std(drawn[name]), weights[name])
    return origin.start.with_weights(weights)
