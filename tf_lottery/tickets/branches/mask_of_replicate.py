"""The control for whether a mask belongs to the weights that it was found with."""

from tf_lottery.tickets.branches import compares_runs
from tf_lottery.tickets.origin import Origin, Start


@compares_runs
def mask_of_replicate(origin: Origin) -> Start:
    """The level's weights under the mask of the same level of `--other_run`."""
    return origin.start.with_mask(origin.mask_of_other())
