"""The residual blocks of arXiv 1512.03385, figure 5, and the stages made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tf_lottery.models.convolution import convolution_and_norm, relu
from tf_lottery.startup import LazyModule

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras
else:
    keras = LazyModule("tf_keras")


def basic_block(features: tf.Tensor, filters: int, stride: int, name: str) -> tf.Tensor:
    """Connects two 3x3 convolutions and the shortcut around them.

    Args:
      features: `[batch, height, width, channels]`.
      filters: channels of the output.
      stride: stride of the first convolution.
      name: prefix of the layers' names.

    Returns:
      Features, `[batch, height / stride, width / stride, filters]`.
    """
    residual = convolution_and_norm(features, filters, 3, stride, name=f"{name}_conv1")
    residual = relu(residual, name=f"{name}_relu1")
    residual = convolution_and_norm(residual, filters, 3, name=f"{name}_conv2")
    return _add_shortcut(features, residual, stride, name)


def bottleneck_block(features: tf.Tensor, filters: int, stride: int, name: str) -> tf.Tensor:
    """Connects 1x1, 3x3 and 1x1 convolutions and the shortcut around them.

    The stride is on the 3x3 convolution, not on the first as in the paper: so do the networks that
    today go by the paper's names.

    Args:
      features: `[batch, height, width, channels]`.
      filters: channels of the 3x3 convolution; the output has four times as many.
      stride: stride of the 3x3 convolution.
      name: prefix of the layers' names.

    Returns:
      Features, `[batch, height / stride, width / stride, 4 * filters]`.
    """
    residual = convolution_and_norm(features, filters, 1, name=f"{name}_conv1")
    residual = relu(residual, name=f"{name}_relu1")
    residual = convolution_and_norm(residual, filters, 3, stride, name=f"{name}_conv2")
    residual = relu(residual, name=f"{name}_relu2")
    residual = convolution_and_norm(residual, 4 * filters, 1, name=f"{name}_conv3")
    return _add_shortcut(features, residual, stride, name)


def residual_stages(
    features: tf.Tensor,
    block: Callable[[tf.Tensor, int, int, str], tf.Tensor],
    filters_of_stages: Sequence[int],
    blocks_of_stages: Sequence[int],
) -> tf.Tensor:
    """Connects stages of blocks, each but the first halving height and width.

    Args:
      features: `[batch, height, width, channels]`.
      block: connects one block: features, filters, stride, name.
      filters_of_stages: filters of every stage's blocks.
      blocks_of_stages: number of every stage's blocks.

    Returns:
      The features of the last block.
    """
    stages = zip(filters_of_stages, blocks_of_stages, strict=True)
    for stage, (filters, blocks) in enumerate(stages, start=1):
        for number in range(1, blocks + 1):
            stride = 2 if stage > 1 and number == 1 else 1
            features = block(features, filters, stride, f"stage{stage}_block{number}")
    return features


def _add_shortcut(inputs: tf.Tensor, residual: tf.Tensor, stride: int, name: str) -> tf.Tensor:
    shortcut, filters = inputs, residual.shape[-1]
    if stride > 1 or inputs.shape[-1] != filters:
        shortcut = convolution_and_norm(inputs, filters, 1, stride, name=f"{name}_shortcut")
    features = keras.layers.Add(name=f"{name}_add")([shortcut, residual])
    return relu(features, name=f"{name}_relu")
