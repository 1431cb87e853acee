"""The control for which units are connected, with as many connections each."""

import numpy as np

from tf_lottery.config.branches import Look, register_branch
from tf_lottery.masking.masks import Mask
from tf_lottery.tickets.origin import Origin, Start


@register_branch(
    structures=("weights", "units"),
    prunes=False,
    mask_alone=True,
    starts_as_level=True,
    look=Look("sky", "8", 1),
)
def shuffled_units(origin: Origin) -> Start:
    """The level's weights under its mask with the units of each layer in random order.

    Input units (or channels) and output units change places as a whole: how many weights remain
    at each of them stays, unlike in `random_mask`, but no longer at the same units.
    """
    return origin.start.with_mask(
        Mask({name: _shuffled(array, origin.random) for name, array in origin.start.mask.items()})
    )


def _shuffled(array: np.ndarray, random: np.random.Generator) -> np.ndarray:
    for axis in (-2, -1):
        array = np.take(array, random.permutation(array.shape[axis]), axis=axis)
    return array
