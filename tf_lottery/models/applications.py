"""The networks of `tf_keras.applications`, by Keras's own definitions, with random weights."""

from __future__ import annotations

import inspect

import tensorflow as tf
import tf_keras as keras

from tf_lottery.model_names import APPLICATIONS, BUILT_IN, SHORT_NAMES
from tf_lottery.models.images import UnsuitableInputError, check_images
from tf_lottery.models.registry import register

_CONSTRUCTORS = {name: getattr(keras.applications, name) for name in APPLICATIONS}


@register(**vars(BUILT_IN["applications"]))
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
    constructor = _CONSTRUCTORS[SHORT_NAMES.get(name, name.removeprefix("applications."))]
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
