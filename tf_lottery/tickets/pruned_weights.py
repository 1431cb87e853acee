"""Checks that training has left the pruned weights alone."""

from typing import Any

import numpy as np

from tf_lottery.masking.prunable import masked_variables


def check_pruned_weights(model: Any) -> None:
    """Checks that all pruned weights of a model are zero.

    Args:
      model: a prunable model, just trained.

    Raises:
      ValueError: if one has another value.
    """
    regrown = [
        name
        for name, (weight, mask) in masked_variables(model).items()
        if np.any(weight.numpy()[mask.numpy() == 0])
    ]
    if regrown:
        raise ValueError(
            f"training has changed pruned weights of {', '.join(regrown)}. The optimizers of Keras "
            "mask weights after each step; where a training step assigns them otherwise, call "
            "tf_lottery.set_mask(model, tf_lottery.get_mask(model)) in it."
        )
