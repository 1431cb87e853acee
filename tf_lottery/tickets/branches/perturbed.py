"""The control for how exactly training depends on where it begins: a moved rewind point."""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated

import numpy as np

from tf_lottery.config.branches import Look, register_branch
from tf_lottery.config.options import Range
from tf_lottery.config.parameters import Parameter
from tf_lottery.tickets.origin import Origin, Start


@register_branch(needs_next_level=True, keeps_slots=True, prunes=False, look=Look("sky", "d", 2))
def perturbed(
    origin: Origin,
    *,
    perturbation: Annotated[
        float,
        Parameter(
            "Length by which --branch=perturbed moves a level's rewind point, in distances between "
            "it and the next level's; 0: not at all.",
            within=Range(
                "use 0, which moves nothing, or a positive number, such as 2",
                lambda length: 0 <= length < math.inf,
            ),
        ),
    ] = 1.0,
) -> Start:
    """The level's rewind point, moved in a random direction (arXiv 2210.03044, section 3.2).

    The direction is Gaussian over the weights that remain, and the same for any length; biases and
    normalization stay. The length is `--perturbation` times the distance between the level's
    rewind point and the next level's: the norm of the weights that the next pruning sets to 0.
    A length of 0 leaves the rewind point as it is, bit for bit.
    """
    start = origin.start
    if origin.level == 0:
        # Level 0 did not begin at the rewind step, but passed it with its optimizer's slots.
        start = replace(start, state=origin.journal.rewind_state(), rewind_optimizer=True)
    if perturbation == 0:
        return start
    mask, following, weights = start.mask, origin.next_mask(), start.state.weights
    pruned_next = [weights[name][array != following[name]] for name, array in mask.items()]
    direction = mask.apply(
        {name: origin.random.standard_normal(array.shape) for name, array in mask.items()}
    )
    scale = perturbation * _norm(pruned_next) / _norm(direction.values())
    moved = {
        name: (weights[name] + scale * array).astype(weights[name].dtype)
        for name, array in direction.items()
    }
    return start.with_weights({**weights, **moved}, keeps_slots=True)


def _norm(arrays: Iterable[np.ndarray]) -> float:
    return float(np.sqrt(sum(np.sum(np.square(array, dtype=np.float64)) for array in arrays)))
