"""The control for whether a mask belongs to the weights that it was found with."""

from tf_lottery.config.branches import Look, register_branch
from tf_lottery.tickets.origin import Origin, Start


@register_branch(
    needs_other_run=True,
    prunes=False,
    draws=False,
    mask_alone=True,
    starts_as_level=True,
    look=Look("sky", "*", 0),
)
def mask_of_replicate(origin: Origin) -> Start:
    """The level's weights under the mask of the same level of `--other_run`."""
    return origin.start.with_mask(origin.mask_of_other())
