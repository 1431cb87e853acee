"""The residual networks for CIFAR-10 of arXiv 1512.03385, section 4.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tf_lottery.models.convolution import (
    ANY_WIDTH,
    WIDTH_FACTOR,
    average_and_classify,
    convolution_and_norm,
    relu,
)
from tf_lottery.models.images import check_images
from tf_lottery.models.registry import register_model
from tf_lottery.models.residual import basic_block, residual_stages

if TYPE_CHECKING:
    import tensorflow as tf

_PLAIN_NAMES = tuple(f"resnet{depth}" for depth in (8, 14, 20, 32, 44, 56, 110))
# To 1202, the paper's deepest; two of these names are networks for ImageNet.
_DEPTHS = "|".join(str(depth) for depth in range(8, 1203, 6) if depth not in (50, 152))


@register_model(
    rf"resnet({_DEPTHS})(?:_w({WIDTH_FACTOR}))?",
    examples=("resnet8", "resnet20", "resnet14_w0.5"),
    shown=(*_PLAIN_NAMES, f"resnet{ANY_WIDTH}"),
    spelled=_PLAIN_NAMES,
)
def cifar_resnet(inputs: tf.Tensor, classes: int, depth: str, width: str | None) -> tf.Tensor:
    """Connects three stages of basic blocks with 16, 32 and 64 filters.

    Shortcuts that change the shape are 1x1 convolutions, the paper's option B. On 32x32x3 images
    and 10 classes ResNet-20 has 272,474 weights to train.

    Args:
      inputs: standardised pixels, `[batch, height, width, channels]`.
      classes: number of logits.
      depth: number of layers with weights, shortcuts not counted, 6n + 2 for n blocks a stage.
      width: factor of the filters, rounded to whole ones; None is 1.

    Returns:
      Logits, `[batch, classes]`.

    Raises:
      UnsuitableInputError: if the inputs are flat.
    """
    check_images(inputs)
    filters, blocks = round(16 * float(width or 1)), (int(depth) - 2) // 6
    features = relu(convolution_and_norm(inputs, filters, 3, name="stem"), name="stem_relu")
    features = residual_stages(
        features, basic_block, (filters, 2 * filters, 4 * filters), (blocks, blocks, blocks)
    )
    return average_and_classify(features, classes)
