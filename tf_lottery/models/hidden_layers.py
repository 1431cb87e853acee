"""The hidden Dense layers of networks that may be trained with dropout."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tf_lottery.startup import LazyModule

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras
else:
    keras = LazyModule("tf_keras")


def hidden_dense(features: tf.Tensor, widths: Iterable[int], dropout: float) -> tf.Tensor:
    """Connects Dense layers with rectifiers, called dense_1 and so on.

    Args:
      features: `[batch, features]`.
      widths: units of each layer.
      dropout: share of the units of each that are left out of a training step (Srivastava et al.,
        2014, section 4); with 0, there are no layers for it.

    Returns:
      The units of the last, `[batch, units]`.
    """
    for number, units in enumerate(widths, start=1):
        features = keras.layers.Dense(units, activation="relu", name=f"dense_{number}")(features)
        if dropout:
            features = keras.layers.Dropout(dropout, name=f"dropout_{number}")(features)
    return features
