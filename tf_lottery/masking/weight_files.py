"""Files of weights alone, of models whose masks constraints hold."""

import json
import os
import warnings
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import h5py
import numpy as np
import tensorflow as tf

from tf_lottery.masking.keras_versions import tensorflow_variable
from tf_lottery.masking.mask_records import (
    MASKS,
    fits,
    held_masks,
    mask_records,
    recorded_mask,
    take_zeros_as_they_are,
    zeros_among_remaining,
)


def save_weights(
    save: Callable[..., Any], model: Any, filepath: Any, *arguments: Any, **keywords: Any
) -> Any:
    """Saves weights as Keras does, and the masks with them where the file is HDF5.

    Args:
      save: `save_weights` of Keras, of the model.
      model: holds masks by constraints.
      filepath: where to.
      *arguments: further ones of `save`.
      **keywords: further ones of `save`.
    """
    returned = save(filepath, *arguments, **keywords)
    if _is_path(filepath) and h5py.is_hdf5(filepath):
        with h5py.File(filepath, "a") as file:
            if MASKS in file:
                del file[MASKS]
            # Keras reads what it looks for by name, and leaves this alone.
            file[MASKS] = np.frombuffer(json.dumps(mask_records(model)).encode(), np.uint8)
    elif any(not held.mask.numpy().all() for _, held in held_masks(model).values()):
        warnings.warn(
            f"{filepath} has the weights of {model.name} without its masks, which only HDF5 files "
            'hold, such as "ticket.weights.h5": loaded and trained, its pruned weights would grow '
            "again. Save the masks beside it with tf_lottery.get_mask(model).save(path), and give "
            "them back with tf_lottery.set_mask(model, tf_lottery.Mask.load(path)).",
            stacklevel=3,
        )
    return returned


def load_weights(
    load: Callable[..., Any], model: Any, filepath: Any, *arguments: Any, **keywords: Any
) -> Any:
    """Loads weights as Keras does, and the masks that the file has of them.

    Args:
      load: `load_weights` of Keras, of the model.
      model: holds masks by constraints.
      filepath: where from.
      *arguments: further ones of `load`.
      **keywords: further ones of `load`.
    """
    returned = load(filepath, *arguments, **keywords)
    held, records = held_masks(model), _records_in(filepath)
    if records and all(name in held and fits(records[name], held[name][0]) for name in records):
        for name, record in records.items():
            _set_mask(held[name], recorded_mask(name, record, held[name][0]))
    elif zeros := _zeros_that_would_grow(held):
        whose = f"no masks of {', '.join(held)}" if records else "no masks"
        warnings.warn(
            f"{filepath} holds {whose}: {zeros:,} weights of {model.name} are 0.0, and would grow "
            "again in training if they were pruned. Give it its masks with tf_lottery.set_mask("
            "model, tf_lottery.Mask.load(path)), or take the zeros for them with "
            "tf_lottery.prunable(tf_lottery.strip(model), keep_zeros=True).",
            stacklevel=3,
        )
    take_zeros_as_they_are(model)
    return returned


def _is_path(filepath: Any) -> bool:
    return isinstance(filepath, str | os.PathLike)


def _records_in(filepath: Any) -> Mapping[str, Any]:
    if not _is_path(filepath):
        return {}
    if h5py.is_hdf5(filepath):
        with h5py.File(filepath, "r") as file:
            masks: Any = file.get(MASKS)
            return {} if masks is None else json.loads(bytes(masks[()]))
    if str(filepath).endswith(".keras") and zipfile.is_zipfile(filepath):
        with zipfile.ZipFile(filepath) as archive:
            return json.loads(archive.read("config.json"))["config"].get(MASKS, {})
    return {}


def _set_mask(held: tuple[Any, Any], mask: np.ndarray) -> None:
    variable, constraint = held
    weight = tensorflow_variable(variable)
    constraint.mask.assign(mask)
    # As the optimizer's averages, which Keras assigns where training ends, need not be masked.
    weight.assign(tf.math.multiply_no_nan(weight, constraint.mask))


def _zeros_that_would_grow(held: Mapping[str, tuple[Any, Any]]) -> int:
    return sum(zeros_among_remaining(*each)[0] for each in held.values())
