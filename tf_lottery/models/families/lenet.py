"""Fully connected networks: LeNet-300-100 and others of its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tf_lottery.models.hidden_layers import hidden_dense
from tf_lottery.models.registry import register_model
from tf_lottery.startup import LazyModule

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras
else:
    keras = LazyModule("tf_keras")


@register_model(
    r"lenet((?:_[1-9]\d*)+)",
    examples=("lenet_300_100",),
    shown=("lenet_300_100", "lenet_N_M_…"),
)
def lenet(inputs: tf.Tensor, classes: int, widths: str, *, dropout: float = 0.0) -> tf.Tensor:
    """Connects a fully connected network; "300_100" is the one of arXiv 1803.03635, section 2.

    Args:
      inputs: standardised pixels, `[batch, height, width, channels]` or `[batch, features]`.
      classes: number of logits.
      widths: units of each hidden layer, joined by underscores.
      dropout: share of their units that are left out of a training step.

    Returns:
      Logits, `[batch, classes]`.
    """
    features = keras.layers.Flatten(name="flatten")(inputs)
    units = [int(width) for width in widths.strip("_").split("_")]
    features = hidden_dense(features, units, dropout)
    return keras.layers.Dense(classes, name="output")(features)
