"""The residual networks for ImageNet of arXiv 1512.03385, table 1, also for small images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tf_lottery.models.convolution import average_and_classify, convolution_and_norm, relu
from tf_lottery.models.images import check_images
from tf_lottery.models.registry import register_model
from tf_lottery.models.residual import basic_block, bottleneck_block, residual_stages
from tf_lottery.startup import LazyModule

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras
else:
    keras = LazyModule("tf_keras")

_NAMES = tuple(f"resnet{depth}" for depth in (18, 34, 50, 101))

_BLOCKS = {
    "18": (basic_block, (2, 2, 2, 2)),
    "34": (basic_block, (3, 4, 6, 3)),
    "50": (bottleneck_block, (3, 4, 6, 3)),
    "101": (bottleneck_block, (3, 4, 23, 3)),
}


@register_model(
    r"(cifar_)?resnet(18|34|50|101)",
    examples=("resnet18", "resnet50", "cifar_resnet18"),
    shown=(*_NAMES, "cifar_resnet18"),
    spelled=(*_NAMES, "cifar_resnet18"),
)
def imagenet_resnet(inputs: tf.Tensor, classes: int, small: str | None, depth: str) -> tf.Tensor:
    """Connects four stages of blocks with 64, 128, 256 and 512 filters.

    With 1000 classes ResNet-50 has 25.6 M weights. Those for small images, such as the ResNet-18
    that later papers train on CIFAR-10, begin with a 3x3 convolution that keeps height and width.

    Args:
      inputs: standardised pixels, `[batch, height, width, channels]`; in the paper 224x224x3.
      classes: number of logits.
      small: "cifar_" for small images.
      depth: number of layers with weights, shortcuts not counted.

    Returns:
      Logits, `[batch, classes]`.

    Raises:
      UnsuitableInputError: if the inputs are flat.
    """
    check_images(inputs)
    block, blocks_of_stages = _BLOCKS[depth]
    size, stride = (3, 1) if small else (7, 2)
    features = convolution_and_norm(inputs, 64, size, stride, name="stem")
    features = relu(features, name="stem_relu")
    if not small:
        pool = keras.layers.MaxPooling2D(3, strides=2, padding="same", name="stem_pool")
        features = pool(features)
    features = residual_stages(features, block, (64, 128, 256, 512), blocks_of_stages)
    return average_and_classify(features, classes)
