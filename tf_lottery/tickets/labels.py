"""Checks that labels fit a model; XLA does not check that."""

from typing import Any

import numpy as np

from tf_lottery.masking.keras_versions import is_graph


def check_labels(model: Any, y: Any) -> None:
    """Checks class numbers that are given to `fit` as an array.

    Args:
      model: a compiled model.
      y: labels; only looked at if they are an array and the loss reads them as class numbers.

    Raises:
      ValueError: if a class number is not one of the model's outputs, nor what the loss ignores.
    """
    if not is_graph(model) or len(model.outputs) != 1:
        return
    loss = getattr(model.loss, "name", getattr(model.loss, "__name__", model.loss))
    if loss != "sparse_categorical_crossentropy" or not hasattr(y, "dtype"):
        return
    labels, classes = np.asarray(y), model.output_shape[-1]
    outside = labels[(labels < 0) | (labels >= classes)]
    ignored = _ignored_class(model.loss)
    if ignored is not None:
        outside = outside[outside != ignored]
    if outside.size:
        raise ValueError(
            f"y holds the label {outside.flat[0]}, but the model has {classes} outputs: labels "
            f"must be 0 to {classes - 1}."
        )


def _ignored_class(loss: Any) -> int | None:
    return loss.get_config().get("ignore_class") if hasattr(loss, "get_config") else None
