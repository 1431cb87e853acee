"""Divergence: weights, losses and examples that are not finite."""

import math
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import numpy as np
import tensorflow as tf

_VALUES_PER_CHUNK = 2**22


class TrainingDivergedError(ArithmeticError):
    """A loss or a weight is not finite."""


def first_not_finite(weights: Mapping[str, np.ndarray]) -> str | None:
    """Name of the first of some weights that holds a NaN or an infinity; None if all are finite."""
    for name, array in weights.items():
        if np.issubdtype(array.dtype, np.floating) or array.dtype.name == "bfloat16":
            finite = np.isfinite(array.astype(np.float32) if array.dtype.itemsize < 4 else array)
            if not finite.all():
                return name
    return None


def bad_loss(metrics: Mapping[str, float]) -> str | None:
    """Name of the first loss that is not finite among the metrics of a level; None without one."""
    for name, value in metrics.items():
        if (name == "loss" or name.endswith("_loss")) and not math.isfinite(value):
            return name
    return None


def first_bad_index(losses: Iterable[Any]) -> int | None:
    """Index of the first of some losses, numbers or tensors, that is not finite."""
    return next((i for i, loss in enumerate(losses) if not np.isfinite(np.asarray(loss))), None)


def bad_data(fit_arguments: Mapping[str, Any], batches: int | None) -> str | None:
    """Says where examples given to `fit` are not finite; reads all of them.

    Args:
      fit_arguments: x, y, sample_weight and validation_data of `model.fit`, as far as given.
      batches: of a data set, how many are looked at; None: all.

    Returns:
      Such as "x has NaN in example 17"; None if nothing is found, or cannot be looked at again.
    """
    for argument in ("x", "y", "sample_weight", "validation_data"):
        value: Any = fit_arguments.get(argument)
        if isinstance(value, tf.data.Dataset):
            of_validation = argument == "validation_data"
            most = fit_arguments.get("validation_steps") if of_validation else batches
            endless = int(value.cardinality()) == tf.data.INFINITE_CARDINALITY
            found = None if endless and not most else _in_dataset(argument, value, most)
        else:
            found = _in_arrays(argument, value)
        if found:
            return found
    return None


def _in_dataset(argument: str, dataset: tf.data.Dataset, batches: int | None) -> str | None:
    examples = 0
    for number, element in enumerate(islice(dataset, batches)):
        leaves = tf.nest.flatten(element)
        for part, leaf in enumerate(leaves):
            if found := _first_bad(leaf.numpy() if hasattr(leaf, "numpy") else leaf):
                kind, row = found
                where = f"part {part} of " if len(leaves) > 1 else ""
                return f"{argument} has {kind} in {where}batch {number}, example {examples + row}"
        examples += len(leaves[0]) if leaves and leaves[0].shape.rank else 1
    return None


def _in_arrays(argument: str, value: Any) -> str | None:
    if value is None or not (hasattr(value, "shape") or isinstance(value, dict | list | tuple)):
        return None
    if isinstance(value, dict):
        parts = {f"{argument}[{name!r}]": part for name, part in value.items()}
    elif isinstance(value, list | tuple):
        parts = {f"{argument}[{index}]": part for index, part in enumerate(value)}
    else:
        found = _first_bad(value)
        return f"{argument} has {found[0]} in example {found[1]}" if found else None
    return next((found for name, part in parts.items() if (found := _in_arrays(name, part))), None)


def _first_bad(values: Any) -> tuple[str, int] | None:
    """What is not finite, and in which row."""
    array = np.asarray(values)
    if not np.issubdtype(array.dtype, np.floating):
        return None
    array = array.reshape(1) if array.ndim == 0 else array
    rows = max(1, _VALUES_PER_CHUNK // max(1, math.prod(array.shape[1:])))
    for start in range(0, len(array), rows):
        chunk = array[start : start + rows].reshape(len(array[start : start + rows]), -1)
        bad = ~np.isfinite(chunk)
        if bad.any():
            row = int(np.argmax(bad.any(axis=1)))
            value = chunk[row][np.argmax(bad[row])]
            return "NaN" if np.isnan(value) else "an infinite value", start + row
    return None
