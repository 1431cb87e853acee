"""The control for where in each layer the weights remain."""

from tf_lottery.config.branches import Look, register_branch
from tf_lottery.tickets.origin import Origin, Start


@register_branch(prunes=False, mask_alone=True, starts_as_level=True, look=Look("green", "^", 0))
def random_mask(origin: Origin) -> Start:
    """The level's weights under a random mask of the same layerwise densities.

    Every layer's mask is shuffled, weight by weight (arXiv 1912.05671, section 4, "random pruning";
    arXiv 2009.08576, section 5, "shuffling"). If the run prunes units, blocks or 2:4 patterns, the
    mask has as many of those.
    """
    return origin.start.with_mask(origin.plan.shuffled(origin.start.mask, origin.random))
