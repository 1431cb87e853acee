"""The control for how the weights are distributed over the layers: Erdős-Rényi kernels."""

from tf_lottery.config.branches import Look, register_branch
from tf_lottery.pruning.random_masks import erk_counts, random_mask_of
from tf_lottery.tickets.origin import Origin, Start


@register_branch(
    structures=("weights",),
    prunes=False,
    mask_alone=True,
    starts_as_level=True,
    look=Look("green", "<", 1),
)
def random_mask_erk(origin: Origin) -> Start:
    """The level's weights under a random mask of Erdős-Rényi kernels (arXiv 1911.11134, 3)."""
    mask = origin.start.mask
    return origin.start.with_mask(random_mask_of(mask, erk_counts(mask), origin.random))
