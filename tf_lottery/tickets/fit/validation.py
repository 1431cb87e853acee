"""Validation of a model after `fit`."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from tf_lottery.masking.keras_versions import keras_of
from tf_lottery.tickets.fit.length import examples_before_split
from tf_lottery.training.network import unite_statistics


def validate_again(model: Any, x: Any, y: Any, fit_arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Validates a model as `fit` does, with the weights that it has now.

    Args:
      model: as `fit` left it.
      x: as given to `fit`.
      y: as given to `fit`.
      fit_arguments: further arguments of `fit`.

    Returns:
      Results by the names that `fit` gives them: "val_loss", ...; none without validation data.
    """
    data, split = fit_arguments.get("validation_data"), fit_arguments.get("validation_split")
    if data is None and split:
        arrays = x, y, fit_arguments.get("sample_weight")
        first = examples_before_split(x, fit_arguments)
        data = tf.nest.map_structure(lambda each: None if each is None else each[first:], arrays)
    if data is None:
        return {}
    inputs, labels, weights = keras_of(model).utils.unpack_x_y_sample_weight(data)
    unite_statistics(model)
    batch_size = fit_arguments.get("validation_batch_size") or fit_arguments.get("batch_size")
    found = model.evaluate(
        inputs,
        labels,
        # Data sets have their own.
        batch_size=None if labels is None else batch_size,
        sample_weight=weights,
        steps=fit_arguments.get("validation_steps"),
        verbose=0,
        return_dict=True,
    )
    return {f"val_{name}": value for name, value in found.items()}
