"""Averages of weights, which optimizers with `use_ema=True` keep and Keras assigns in the end."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tf_lottery.masking.keras_versions import averages_weights, inner_optimizer, tensorflow_variable
from tf_lottery.masking.prunable import masked_variables


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
    """Sets averages of pruned weights to 0.0: Keras averages weights before it masks them."""
    for average, mask in averages:
        average.assign(tf.where(mask != 0, average, tf.zeros([], average.dtype)))


def _inner_optimizer(model: Any) -> Any:
    return inner_optimizer(getattr(model, "optimizer", None))
