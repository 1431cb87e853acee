"""The networks of arXiv 1409.1556, table 1, as papers on lottery tickets train them on CIFAR."""

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
from tf_lottery.startup import LazyModule

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras
else:
    keras = LazyModule("tf_keras")

_NAMES = tuple(f"vgg{depth}" for depth in (11, 13, 16, 19))

_FILTERS = 64
# Of the five stages.
_MULTIPLES = (1, 2, 4, 8, 8)
_CONVOLUTIONS_OF_STAGES = {
    "11": (1, 1, 2, 2, 2),
    "13": (2, 2, 2, 2, 2),
    "16": (2, 2, 3, 3, 3),
    "19": (2, 2, 4, 4, 4),
}


@register_model(
    rf"vgg(11|13|16|19)(?:_w({WIDTH_FACTOR}))?",
    examples=("vgg11_w0.1", "vgg11"),
    shown=(*_NAMES, f"vgg{ANY_WIDTH}"),
    spelled=_NAMES,
)
def vgg(inputs: tf.Tensor, classes: int, depth: str, width: str | None) -> tf.Tensor:
    """Connects five stages of 3x3 convolutions with 64, 128, 256, 512 and 512 filters.

    Each convolution has batch normalization. Max-poolings are between the stages; after the last, a
    global average and one dense layer take the place of the paper's three. With 10 classes VGG-16
    has 14.7 M weights, VGG-19 20.0 M.

    Args:
      inputs: standardised pixels, `[batch, height, width, channels]`.
      classes: number of logits.
      depth: number of the paper's layers with weights: "11", "13", "16" or "19".
      width: factor of the filters; those of the first stage are rounded to whole ones. None is 1.

    Returns:
      Logits, `[batch, classes]`.

    Raises:
      UnsuitableInputError: if the inputs are flat or too small for the poolings.
    """
    check_images(inputs, halvings=len(_MULTIPLES) - 1)
    features, narrowest = inputs, round(_FILTERS * float(width or 1))
    stages = zip(_MULTIPLES, _CONVOLUTIONS_OF_STAGES[depth], strict=True)
    for stage, (multiple, convolutions) in enumerate(stages, start=1):
        if stage > 1:
            features = keras.layers.MaxPooling2D(name=f"stage{stage}_pool")(features)
        for number in range(1, convolutions + 1):
            name = f"stage{stage}_conv{number}"
            features = convolution_and_norm(features, multiple * narrowest, 3, name=name)
            features = relu(features, name=f"{name}_relu")
    return average_and_classify(features, classes)
