"""Checks that labels fit a model; XLA does not check that."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tf_lottery.masking.keras_versions import is_graph, is_keras_3

_BY_NUMBER, _BY_COLUMN = "sparse_categorical_crossentropy", "categorical_crossentropy"


def check_fit_labels(model: Any, y: Any, fit_arguments: Mapping[str, Any]) -> None:
    """Checks the labels that `fit` is given as arrays, those of the validation data too.

    Args:
      model: a compiled model.
      y: labels.
      fit_arguments: further arguments of `fit`.

    Raises:
      ValueError: as `check_labels`, or if a class has no weight in `class_weight`.
    """
    check_labels(model, y)
    _check_class_weight(model, y, fit_arguments.get("class_weight"))
    validation = fit_arguments.get("validation_data")
    if isinstance(validation, tuple | list) and len(validation) > 1:
        check_labels(model, validation[1], "validation_data[1]")


def check_labels(model: Any, y: Any, name: str = "y") -> None:
    """Checks labels of one set of examples.

    Args:
      model: a compiled model.
      y: labels; only looked at if they are an array and the loss takes classes.
      name: of the argument.

    Raises:
      ValueError: if they are text, in another form than the loss takes, or a class number is not
        one of the model's outputs, nor what the loss ignores.
    """
    loss = _name_of_loss(model)
    if loss not in (_BY_NUMBER, _BY_COLUMN) or not hasattr(y, "dtype"):
        return
    labels, shape = np.asarray(y), tuple(model.output_shape)
    classes = shape[-1]
    _check_numbers(labels, classes, name)
    _check_form(labels, shape, loss, name)
    if loss == _BY_COLUMN:
        return
    broken = labels[labels != np.floor(labels)]
    if broken.size:
        raise ValueError(f"{name} holds the label {broken.flat[0]}: labels are whole numbers.")
    outside = labels[(labels < 0) | (labels >= classes)]
    ignored = _ignored_class(only_one(model.loss))
    if ignored is not None:
        outside = outside[outside != ignored]
    if outside.size:
        raise ValueError(
            f"{name} holds the label {outside.flat[0]}, but the model tells {classes} classes "
            f"apart: labels must be 0 to {classes - 1}."
        )


def only_one(nested: Any) -> Any:
    """The loss, labels or outputs of a model with one output; None of others.

    Args:
      nested: as it is, or a list or mapping of one.
    """
    leaves = tf.nest.flatten(nested)
    return leaves[0] if len(leaves) == 1 else None


def _name_of_loss(model: Any) -> Any:
    """The name of the loss of a graph with one output; None of others."""
    if not is_graph(model) or len(model.outputs) != 1:
        return None
    loss = only_one(model.loss)
    return getattr(loss, "name", getattr(loss, "__name__", loss))


def _check_numbers(labels: np.ndarray, classes: int, name: str) -> None:
    if labels.dtype.kind in "biuf":
        return
    example = labels.ravel()[:1].tolist()
    if example and isinstance(example[0], str | bytes):
        raise ValueError(
            f"{name} holds text ({example[0]!r}), but labels are numbers, 0 to {classes - 1} for "
            "this model: classes, labels = numpy.unique(names, return_inverse=True) numbers them."
        )


def _check_form(labels: np.ndarray, outputs: tuple, loss: str, name: str) -> None:
    """Checks that there is a column for each class where the loss takes that, and only there."""
    classes = outputs[-1]
    columns = labels.ndim == len(outputs) and labels.shape[-1] == classes
    if loss == _BY_NUMBER and columns and classes > 1:
        raise ValueError(
            f"{name} has a column for each of {classes} classes, shape {labels.shape}, and the "
            f"loss {_BY_NUMBER} takes class numbers: give {name}.argmax(axis=-1), or compile the "
            f"model with {_BY_COLUMN}."
        )
    numbers = labels.ndim < len(outputs) or labels.shape[-1] == 1
    if loss == _BY_COLUMN and numbers and classes > 1:
        raise ValueError(
            f"{name} has the shape {labels.shape}, and the loss {_BY_COLUMN} takes a column for "
            f"each of {classes} classes: compile the model with {_BY_NUMBER}, or give "
            f"keras.utils.to_categorical({name}, {classes})."
        )


def _check_class_weight(model: Any, y: Any, weights: Any) -> None:
    # In Keras 3 a class without a weight has the weight 1.
    if not isinstance(weights, Mapping) or is_keras_3(model):
        return
    if _name_of_loss(model) != _BY_NUMBER or not hasattr(y, "dtype"):
        return
    without = sorted({int(label) for label in np.unique(y)} - {int(label) for label in weights})
    if without:
        raise ValueError(
            f"class_weight has no weight for class {without[0]}, which y holds; give one for each "
            "class, such as 1.0."
        )


def _ignored_class(loss: Any) -> int | None:
    return loss.get_config().get("ignore_class") if hasattr(loss, "get_config") else None
