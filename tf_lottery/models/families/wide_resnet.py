"""The wide residual networks of arXiv 1605.07146, table 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tf_lottery.models.convolution import average_and_classify, batch_norm, convolution, relu
from tf_lottery.models.images import check_images
from tf_lottery.models.registry import register_model
from tf_lottery.models.residual import residual_stages
from tf_lottery.startup import LazyModule

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras
else:
    keras = LazyModule("tf_keras")

# Depths beyond those of the paper, 16 to 40, as long as they are 6n + 4.
_DEPTHS = "|".join(str(6 * blocks + 4) for blocks in range(1, 34))


@register_model(
    rf"wideresnet_({_DEPTHS})_([1-9]\d*)",
    examples=("wideresnet_10_1",),
    shown=("wideresnet_16_8", "wideresnet_28_10", "wideresnet_D_N (D = 10, 16, 22, …)"),
    spelled=("wideresnet_16_8", "wideresnet_28_10", "wideresnet_40_4"),
)
def wide_resnet(inputs: tf.Tensor, classes: int, depth: str, width: str) -> tf.Tensor:
    """Connects three stages of blocks with 16, 32 and 64 filters times the width.

    Normalization and rectifier come before the convolutions, as in arXiv 1603.05027. On 32x32x3
    images and 10 classes WRN-16-8 has 11.0 M weights, WRN-28-10 36.5 M.

    Args:
      inputs: standardised pixels, `[batch, height, width, channels]`.
      classes: number of logits.
      depth: number of convolutions, 6n + 4 for n blocks a stage.
      width: factor of the filters.

    Returns:
      Logits, `[batch, classes]`.

    Raises:
      UnsuitableInputError: if the inputs are flat.
    """
    check_images(inputs)
    filters, blocks = 16 * int(width), (int(depth) - 4) // 6
    features = convolution(inputs, 16, 3, name="stem")
    features = residual_stages(
        features, _block, (filters, 2 * filters, 4 * filters), (blocks, blocks, blocks)
    )
    return average_and_classify(_norm_and_relu(features, name="final"), classes)


def _block(features: tf.Tensor, filters: int, stride: int, name: str) -> tf.Tensor:
    shortcut, changes_shape = features, stride > 1 or features.shape[-1] != filters
    activated = _norm_and_relu(features, name=f"{name}_conv1")
    if changes_shape:
        shortcut = convolution(activated, filters, 1, stride, name=f"{name}_shortcut")
    residual = convolution(activated, filters, 3, stride, name=f"{name}_conv1")
    residual = _norm_and_relu(residual, name=f"{name}_conv2")
    residual = convolution(residual, filters, 3, name=f"{name}_conv2")
    return keras.layers.Add(name=f"{name}_add")([shortcut, residual])


def _norm_and_relu(features: tf.Tensor, *, name: str) -> tf.Tensor:
    return relu(batch_norm(features, name=f"{name}_bn"), name=f"{name}_relu")
