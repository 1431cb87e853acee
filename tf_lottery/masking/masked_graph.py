"""Graphs that save the masks of their weights with themselves, and models that say they do not."""

import base64
import functools
import math
import sys
import warnings
import zlib
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from tf_lottery.masking.keras_versions import (
    keras_of,
    tensorflow_variable,
    unmasked_class,
)
from tf_lottery.masking.layers import keras_variables
from tf_lottery.masking.mask_constraint import hold_mask, mask_constraint

_MASKS = "tf_lottery_masks"


class _SavesMasks:
    """Puts masks that constraints hold into the configuration, which Keras saves with a model."""

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()  # pyright: ignore[reportAttributeAccessIssue] - of the model
        return {**config, _MASKS: _saved_masks(self)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        config = dict(config)
        masks = config.pop(_MASKS)
        load = super().from_config  # pyright: ignore[reportAttributeAccessIssue] - of the model
        model = load(config, custom_objects=custom_objects)
        _hold_saved_masks(model, masks)
        return model


def save_masks_with(model: Any) -> None:
    """Lets Keras save the masks that constraints hold with a model, or say that it does not.

    Args:
      model: a model whose weights have masks. One of a class of Keras saves them from now on; one
        of a class of the user's warns when it is saved.
    """
    if unmasked_class(model) in _graph_classes(keras_of(model)):
        _set_class(model, masked_class(unmasked_class(model)))
    else:
        _warn_when_saved(model)


def save_for_export(model: Any, path: Any, **arguments: Any) -> None:
    """Does `model.save(path, **arguments)` without a word on masks, which an export is without."""
    type(model).save(model, path, **arguments)


def forget_masks(model: Any) -> None:
    """Makes a model one of its plain class again, which saves no masks."""
    if unmasked_class(model) is not type(model):
        _set_class(model, unmasked_class(model))
    vars(model).pop("save", None)


@cache
def masked_class(kind: type) -> type:
    """The class of models that are of a class of Keras, and save masks with themselves.

    Args:
      kind: sequential, or that of functional models, of either Keras.
    """
    members = {"__module__": __name__, "unmasked_class": kind}
    masked = type(f"Masked{kind.__name__}", (_SavesMasks, kind), members)
    keras = _keras_of_class(kind)
    # HDF5 files name the class without its package.
    keras.saving.get_custom_objects()[masked.__name__] = masked
    return keras.saving.register_keras_serializable("tf_lottery")(masked)


def register_masked_classes(keras: Any) -> None:
    """Lets a Keras load the models that `save_masks_with` made."""
    for kind in _graph_classes(keras):
        masked_class(kind)


@cache
def _graph_classes(keras: Any) -> tuple[type, type]:
    x = keras.Input((1,), name="any")
    return keras.Sequential, type(keras.Model(x, x, name="any"))


def _keras_of_class(kind: type) -> Any:
    return sys.modules[kind.__module__.split(".")[0]]


def _saved_masks(model: Any) -> dict[str, Any]:
    saved = {}
    for name, variable in keras_variables(model).items():
        constraint = mask_constraint(variable)
        if constraint is not None:
            mask = constraint.mask.numpy() != 0
            saved[name] = {
                "shape": list(mask.shape),
                "bits": base64.b64encode(zlib.compress(np.packbits(mask).tobytes())).decode(),
                "pruning_rate": constraint.pruning_rate,
                "kept": constraint.kept,
            }
    return saved


def _hold_saved_masks(model: Any, masks: Mapping[str, Any]) -> None:
    variables = keras_variables(model)
    if missing := sorted(set(masks) - set(variables)):
        raise ValueError(
            f"the file of {model.name} has masks of {', '.join(missing)}, but the model has no "
            "such weights."
        )
    for name, saved in masks.items():
        constraint = hold_mask(variables[name], saved["pruning_rate"])
        constraint.kept = saved["kept"]
        constraint.mask.assign(_mask(name, saved, tensorflow_variable(variables[name])))
    save_masks_with(model)


def _mask(name: str, saved: Mapping[str, Any], weight: Any) -> np.ndarray:
    shape, size = tuple(weight.shape), math.prod(weight.shape)
    # No more than the weight has is unpacked, whatever the file claims.
    unpacked = zlib.decompressobj().decompress(base64.b64decode(saved["bits"]), -(-size // 8) + 1)
    if tuple(saved["shape"]) != shape or len(unpacked) != -(-size // 8):
        raise ValueError(f"the mask of {name} in the file does not fit a weight of shape {shape}.")
    bits = np.unpackbits(np.frombuffer(unpacked, np.uint8), count=size)
    return bits.reshape(shape).astype(weight.dtype.as_numpy_dtype)


def _set_class(model: Any, kind: type) -> None:
    object.__setattr__(model, "__class__", kind)


def _warn_when_saved(model: Any) -> None:
    save = model.save

    @functools.wraps(save)
    def saving(*arguments: Any, **keywords: Any) -> Any:
        warnings.warn(
            f"{model.name} is saved without its masks, as its class is not one of Keras: trained "
            "after it is loaded, its pruned weights would grow again. Save them with "
            "tf_lottery.get_mask(model).save(path), and give them back with tf_lottery.set_mask("
            "tf_lottery.prunable(loaded), tf_lottery.Mask.load(path)); or save "
            "tf_lottery.strip(model) if it is not to be trained on.",
            stacklevel=2,
        )
        return save(*arguments, **keywords)

    object.__setattr__(model, "save", saving)
