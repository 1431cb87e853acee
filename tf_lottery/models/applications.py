"""The networks of `tf_keras.applications`, by Keras's own definitions, with random weights."""

from __future__ import annotations

import inspect

import tensorflow as tf
import tf_keras as keras

from tf_lottery.models.images import UnsuitableInputError, check_images
from tf_lottery.models.registry import register

_CONSTRUCTORS = dict(inspect.getmembers(keras.applications, inspect.isfunction))
_SHORT_NAMES = {"inception_v3": "InceptionV3", "mobilenet_v2": "MobileNetV2"}
_LONG_NAMES = tuple(f"applications.{constructor}" for constructor in _CONSTRUCTORS)


@register(
    f"({'|'.join((*_SHORT_NAMES, *_LONG_NAMES))})".replace(".", r"\."),
    examples=("mobilenet_v2", "inception_v3", "applications.MobileNetV3Small"),
    shown=(*_SHORT_NAMES, "applications.NAME (NAME as in tf_keras.applications)"),
    spelled=(*_SHORT_NAMES, *_LONG_NAMES),
)
def application(inputs: tf.Tensor, classes: int, name: str) -> tf.Tensor:
    """Connects a network of `tf_keras.applications`.

    Args:
      inputs: Standardised pixels, `[batch, height, width, channels]`.
      classes: Number of logits.
      name: "inception_v3" (arXiv:1512.00567), "mobilenet_v2" (arXiv:1801.04381) or
        "applications.NAME".

    Returns:
      Logits, `[batch, classes]`.

    Raises:
      UnsuitableInputError: If the inputs are flat or too small for the network.
    """
    check_images(inputs)
    constructor = _CONSTRUCTORS[_SHORT_NAMES.get(name, name.removeprefix("applications."))]
    options = {"classifier_activation": None}
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
