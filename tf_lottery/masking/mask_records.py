"""The masks that constraints hold, written as what JSON can hold and read again."""

import base64
import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_lottery.masking.keras_versions import tensorflow_variable
from tf_lottery.masking.layers import keras_variables
from tf_lottery.masking.mask_constraint import MaskConstraint, mask_constraint

# The name of the masks in files of Keras.
MASKS = "tf_lottery_masks"


def held_masks(model: Any) -> dict[str, tuple[Any, MaskConstraint]]:
    """Variable and constraint of every weight that has a mask, by the names of the weights."""
    return {
        name: (variable, constraint)
        for name, variable in keras_variables(model).items()
        if (constraint := mask_constraint(variable)) is not None
    }


def zeros_among_remaining(variable: Any, constraint: MaskConstraint) -> tuple[int, int]:
    """Number of the weights that a mask leaves and that are 0.0, and of all that it leaves."""
    weight, remains = tensorflow_variable(variable).numpy(), constraint.mask.numpy() != 0
    return int(np.count_nonzero((weight == 0) & remains)), int(np.count_nonzero(remains))


def take_zeros_as_they_are(model: Any) -> None:
    """Has no zeros of a model count as pruned ones without mask, until its next training ends."""
    for _, constraint in held_masks(model).values():
        constraint.zeros_known = None


def mask_records(model: Any) -> dict[str, Any]:
    """What is written of the masks of a model, by the names of the weights."""
    records = {}
    for name, (_, constraint) in held_masks(model).items():
        mask = constraint.mask.numpy() != 0
        records[name] = {
            "shape": list(mask.shape),
            "bits": base64.b64encode(zlib.compress(np.packbits(mask).tobytes())).decode(),
            "pruning_rate": constraint.pruning_rate,
            "kept": constraint.kept,
        }
    return records


def fits(record: Mapping[str, Any], variable: Any) -> bool:
    """Whether a record has the shape of a weight."""
    return tuple(record["shape"]) == tuple(tensorflow_variable(variable).shape)


def recorded_mask(name: str, record: Mapping[str, Any], variable: Any) -> np.ndarray:
    """The mask of a record, as ones and zeros of the type of its weight.

    Args:
      name: of the weight.
      record: of its mask.
      variable: the weight, of either Keras.

    Raises:
      ValueError: if the record is that of a weight of another shape.
    """
    weight = tensorflow_variable(variable)
    shape, size = tuple(weight.shape), math.prod(weight.shape)
    # No more than the weight has is unpacked, whatever the file claims.
    unpacked = zlib.decompressobj().decompress(base64.b64decode(record["bits"]), -(-size // 8) + 1)
    if not fits(record, variable) or len(unpacked) != -(-size // 8):
        raise ValueError(f"the mask of {name} in the file does not fit a weight of shape {shape}.")
    bits = np.unpackbits(np.frombuffer(unpacked, np.uint8), count=size)
    return bits.reshape(shape).astype(weight.dtype.as_numpy_dtype)
