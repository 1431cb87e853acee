"""The networks of `tf_keras.applications`, by Keras's own definitions, with random weights."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from tf_lottery.models.images import UnsuitableInputError, check_images
from tf_lottery.models.registry import register_model
from tf_lottery.startup import LazyModule

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras as keras
else:
    keras = LazyModule("tf_keras")

# All of `tf_keras.applications`.
_CONSTRUCTORS = """
ConvNeXtBase ConvNeXtLarge ConvNeXtSmall ConvNeXtTiny ConvNeXtXLarge DenseNet121 DenseNet169
DenseNet201 EfficientNetB0 EfficientNetB1 EfficientNetB2 EfficientNetB3 EfficientNetB4
EfficientNetB5 EfficientNetB6 EfficientNetB7 EfficientNetV2B0 EfficientNetV2B1 EfficientNetV2B2
EfficientNetV2B3 EfficientNetV2L EfficientNetV2M EfficientNetV2S InceptionResNetV2 InceptionV3
MobileNet MobileNetV2 MobileNetV3Large MobileNetV3Small NASNetLarge NASNetMobile RegNetX002
RegNetX004 RegNetX006 RegNetX008 RegNetX016 RegNetX032 RegNetX040 RegNetX064 RegNetX080 RegNetX120
RegNetX160 RegNetX320 RegNetY002 RegNetY004 RegNetY006 RegNetY008 RegNetY016 RegNetY032 RegNetY040
RegNetY064 RegNetY080 RegNetY120 RegNetY160 RegNetY320 ResNet101 ResNet101V2 ResNet152 ResNet152V2
ResNet50 ResNet50V2 ResNetRS101 ResNetRS152 ResNetRS200 ResNetRS270 ResNetRS350 ResNetRS420
ResNetRS50 VGG16 VGG19 Xception
"""
_SHORT_NAMES = {"inception_v3": "InceptionV3", "mobilenet_v2": "MobileNetV2"}
_LONG_NAMES = tuple(f"applications.{constructor}" for constructor in _CONSTRUCTORS.split())


@register_model(
    f"({'|'.join((*_SHORT_NAMES, *_LONG_NAMES))})".replace(".", r"\."),
    examples=("mobilenet_v2", "inception_v3", "applications.MobileNetV3Small"),
    shown=(*_SHORT_NAMES, "applications.NAME (NAME as in tf_keras.applications)"),
    spelled=(*_SHORT_NAMES, *_LONG_NAMES),
)
def application(inputs: tf.Tensor, classes: int, name: str) -> tf.Tensor:
    """Connects a network of `tf_keras.applications`.

    Args:
      inputs: standardised pixels, `[batch, height, width, channels]`.
      classes: number of logits.
      name: "inception_v3" (arXiv 1512.00567), "mobilenet_v2" (arXiv 1801.04381) or
        "applications.NAME".

    Returns:
      Logits, `[batch, classes]`.

    Raises:
      UnsuitableInputError: if the inputs are flat or too small for the network.
    """
    check_images(inputs)
    constructor = getattr(
        keras.applications, _SHORT_NAMES.get(name, name.removeprefix("applications."))
    )
    options: dict[str, Any] = {"classifier_activation": None}
    if "include_preprocessing" in inspect.signature(constructor).parameters:
        options["include_preprocessing"] = False
    try:
        network = constructor(
            weights=None,
            input_tensor=inputs,
            input_shape=tuple(inputs.shape[1:]),
            classes=classes,
            **options,
        )
    except ValueError as error:
        raise UnsuitableInputError(str(error).splitlines()[0]) from error
    return network.output
