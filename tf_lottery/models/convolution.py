"""The layers that all networks with batch normalization are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tf_lottery.startup import LazyModule

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras
else:
    keras = LazyModule("tf_keras")

# In names of networks: a factor of the filters, from 0.04 on, where 16 of them leave one.
WIDTH_FACTOR = r"[1-9]\d*(?:\.\d+)?|0\.(?:[1-9]|0[4-9])\d*"
# How lists of models show such names, behind the depth.
ANY_WIDTH = "DEPTH_wFACTOR (FACTOR of 0.04 or more)"


def convolution(
    features: tf.Tensor, filters: int, size: int, stride: int = 1, *, name: str
) -> tf.Tensor:
    """Connects a convolution without biases, which the normalization after it would undo.

    Args:
      features: `[batch, height, width, channels]`.
      filters: channels of the output.
      size: height and width of the kernel.
      stride: divides height and width, rounding up.
      name: name of the layer.

    Returns:
      Features, `[batch, height / stride, width / stride, filters]`.
    """
    return keras.layers.Conv2D(
        filters, size, strides=stride, padding="same", use_bias=False, name=name
    )(features)


def batch_norm(features: tf.Tensor, *, name: str) -> tf.Tensor:
    """Connects a batch normalization, arXiv 1502.03167; `name` is the layer's."""
    return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)(features)


def convolution_and_norm(
    features: tf.Tensor, filters: int, size: int, stride: int = 1, *, name: str
) -> tf.Tensor:
    """Connects a `convolution` and its batch normalization, called NAME_bn."""
    features = convolution(features, filters, size, stride, name=name)
    return batch_norm(features, name=f"{name}_bn")


def relu(features: tf.Tensor, *, name: str) -> tf.Tensor:
    """Connects a rectifier; `name` is the layer's."""
    return keras.layers.ReLU(name=name)(features)


def average_and_classify(features: tf.Tensor, classes: int) -> tf.Tensor:
    """Connects a global average pooling and the output layer.

    Args:
      features: `[batch, height, width, channels]`.
      classes: number of logits.

    Returns:
      Logits, `[batch, classes]`.
    """
    features = keras.layers.GlobalAveragePooling2D(name="pool")(features)
    return keras.layers.Dense(classes, name="output")(features)
