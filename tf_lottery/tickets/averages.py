"""Averages of weights, which optimizers with `use_ema=True` keep and Keras assigns in the end."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tf_lottery.masking.keras_versions import keras_of, tensorflow_variable
from tf_lottery.masking.prunable import masked_variables
from tf_lottery.tickets.fit_length import examples_before_split


def averages_weights(model: Any) -> bool:
    """Whether Keras assigns averages of a model's weights when training ends."""
    return bool(getattr(_inner_optimizer(model), "use_ema", False))


def masked_averages(model: Any) -> list[tuple[tf.Variable, tf.Variable]]:
    """The averages of weights that have a mask, with it; none if the optimizer keeps none."""
    averages = getattr(_inner_optimizer(model), "_model_variables_moving_average", None)
    if not averages or not averages_weights(model):
        return []
    masks = {id(weight): mask for weight, mask in masked_variables(model).values()}
    return [
        (tensorflow_variable(average), masks[id(weight)])
        for weight, average in zip(
            map(tensorflow_variable, model.trainable_variables), averages, strict=False
        )
        if id(weight) in masks
    ]


def mask_averages(averages: Sequence[tuple[tf.Variable, tf.Variable]]) -> None:
    """Sets averages of pruned weights to 0.0: they take in updates that are masked only later."""
    for average, mask in averages:
        average.assign(tf.where(mask != 0, average, tf.zeros([], average.dtype)))


def validate_averages(
    model: Any, x: Any, y: Any, fit_arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Validates a model once more, now that it has the averages.

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


def _inner_optimizer(model: Any) -> Any:
    optimizer = getattr(model, "optimizer", None)
    return getattr(optimizer, "inner_optimizer", optimizer)
