"""The control of the first paper: does the mask alone make the ticket?"""

from tf_lottery.config.branches import Look, register_branch
from tf_lottery.tickets.origin import Origin, Start


@register_branch(
    prunes=False, weights_alone=True, starts_as_level=True, look=Look("orange", "s", 0)
)
def random_reinitialization(origin: Origin) -> Start:
    """The level's mask on newly drawn weights (arXiv 1803.03635, section 2).

    Biases and normalization begin as in a new network too. The step stays the one at which the
    level begins, so that learning rate and length of training do.
    """
    return origin.start.with_weights(origin.new_weights())
