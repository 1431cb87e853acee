"""SqueezeNet, arXiv 1602.07360, as trained on ImageNet in arXiv 1903.01611."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tf_lottery.models.images import check_images
from tf_lottery.models.registry import register_model
from tf_lottery.startup import LazyModule

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras
else:
    keras = LazyModule("tf_keras")

# Filters of the squeezing layers; the expanding ones have four times as many of each size.
_SQUEEZED = (16, 16, 32, 32, 48, 48, 64, 64)
_POOLED_AFTER = (1, 4, 8)


@register_model("squeezenet")
def squeezenet(inputs: tf.Tensor, classes: int, *, dropout: float = 0.0) -> tf.Tensor:
    """Connects eight fire modules between two convolutions (table 1).

    With 1000 classes it has 1,248,424 weights.

    Args:
      inputs: standardised pixels, `[batch, height, width, channels]`; in the paper 224x224x3.
      classes: number of logits.
      dropout: share of the features before the last convolution that are left out of a training
        step; 0.5 in the paper.

    Returns:
      Logits, `[batch, classes]`.

    Raises:
      UnsuitableInputError: if the inputs are flat or too small for the strides.
    """
    check_images(inputs, halvings=4)
    features = _convolution(inputs, 96, 7, name="conv1", stride=2)
    for number in range(1, 10):
        if number > 1:
            features = _fire(features, _SQUEEZED[number - 2], name=f"fire{number}")
        if number in _POOLED_AFTER:
            features = keras.layers.MaxPooling2D(
                3, strides=2, padding="same", name=f"pool{number}"
            )(features)
    if dropout:
        features = keras.layers.Dropout(dropout, name="dropout")(features)
    features = keras.layers.Conv2D(classes, 1, name="conv10")(features)
    return keras.layers.GlobalAveragePooling2D(name="pool10")(features)


def _fire(features: tf.Tensor, squeezed: int, name: str) -> tf.Tensor:
    features = _convolution(features, squeezed, 1, name=f"{name}_squeeze")
    expanded = [
        _convolution(features, 4 * squeezed, size, name=f"{name}_expand{size}") for size in (1, 3)
    ]
    return keras.layers.Concatenate(name=f"{name}_concat")(expanded)


def _convolution(
    features: tf.Tensor, filters: int, size: int, *, name: str, stride: int = 1
) -> tf.Tensor:
    return keras.layers.Conv2D(
        filters, size, strides=stride, padding="same", activation="relu", name=name
    )(features)
