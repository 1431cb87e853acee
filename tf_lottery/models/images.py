"""What architectures ask of the images they get."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf


class UnsuitableInputError(Exception):
    """Raised by an architecture whose inputs are of a shape that it cannot take."""


def check_images(inputs: tf.Tensor, halvings: int = 0) -> None:
    """Checks that inputs are images large enough to be halved.

    Args:
      inputs: what an architecture got.
      halvings: how often the network halves height and width, rounding down.

    Raises:
      UnsuitableInputError: if the inputs are flat or too small.
    """
    if len(inputs.shape) != 4:
        raise UnsuitableInputError("it needs (height, width, channels), not flat features.")
    smallest = 2**halvings
    if min(inputs.shape[1:3]) < smallest:
        raise UnsuitableInputError(
            f"it halves height and width {halvings} times, so each must be at least {smallest}."
        )
