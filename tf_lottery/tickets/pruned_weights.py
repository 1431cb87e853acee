"""Checks that training has left the pruned weights alone."""

from typing import Any

import numpy as np

from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import masked_variables


def check_own_mask(mask: Mask, own: Mask, level: int) -> None:
    """Checks that training has left the mask of a level alone.

    Args:
      mask: that the model has now.
      own: that it had when training began.
      level: the level.

    Raises:
      ValueError: if they differ.
    """
    if mask != own:
        raise ValueError(
            f"level {level} has the mask of another level: a callback has loaded what was saved "
            "there, such as the best weights in one file for all levels. Give fit "
            "callbacks=lambda level: [...], with callbacks and files of each level's own. Nothing "
            "of this level is recorded."
        )


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
