"""The control for how the weights are distributed over the layers: evenly."""

from tf_lottery.config.branches import Look, register_branch
from tf_lottery.pruning.random_masks import random_mask_of, uniform_counts
from tf_lottery.tickets.origin import Origin, Start


@register_branch(
    structures=("weights",),
    prunes=False,
    mask_alone=True,
    starts_as_level=True,
    look=Look("green", ">", 2),
)
def random_mask_uniform(origin: Origin) -> Start:
    """The level's weights under a random mask of one density in all layers that are pruned."""
    mask = origin.start.mask
    return origin.start.with_mask(random_mask_of(mask, uniform_counts(mask), origin.random))
