"""Checks that training has left the pruned weights alone."""

from typing import Any

import numpy as np

from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import get_mask, masked_variables


def check_own_mask(mask: Mask, own: Mask, level: int) -> None:
    """Checks that training has left the mask of a level alone.

    Args:
      mask: the mask that the model has now.
      own: the mask that the model had when training began.
      level: the level.

    Raises:
      ValueError: if they differ.
    """
    if mask != own:
        raise ValueError(
            f"level {level} has the mask of another level: a callback, or a loop of yours, has "
            "given the model what was kept there, such as the best weights of all levels. Let it "
            "begin anew with each level, with files of that level: callbacks (level_callbacks of "
            "PruneAndRewind) takes a function, lambda level: [...]. Nothing of this level is "
            "recorded."
        )


def check_restored_weights(model: Any, own: Mask, level: int) -> None:
    """Checks that what a callback has restored when a level began belongs to that level.

    Args:
      model: a prunable model.
      own: mask of the level.
      level: the level.

    Raises:
      ValueError: if the model has another mask, or a weight that the level has pruned.
    """
    if get_mask(model) != own or _regrown(model):
        raise ValueError(
            f"level {level} began with what a callback such as BackupAndRestore has kept of "
            "another level. Give fit callbacks=lambda level: [...], with callbacks and files of "
            "each level's own; BackupAndRestore needs that if it has delete_checkpoint=False. "
            "Nothing of this level is recorded."
        )


def check_pruned_weights(model: Any) -> None:
    """Checks that all pruned weights of a model are zero.

    Args:
      model: a prunable model, just trained.

    Raises:
      ValueError: if one has another value.
    """
    if regrown := _regrown(model):
        raise ValueError(
            f"training has changed pruned weights of {', '.join(regrown)}. The optimizers of Keras "
            "mask weights after each step; where a training step assigns them otherwise, call "
            "tf_lottery.set_mask(model, tf_lottery.get_mask(model)) in it."
        )


def _regrown(model: Any) -> list[str]:
    return [
        name
        for name, (weight, mask) in masked_variables(model).items()
        if np.any(weight.numpy()[mask.numpy() == 0])
    ]
