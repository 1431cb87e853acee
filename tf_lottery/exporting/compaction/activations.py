"""Which activations compute every unit from itself alone."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras as keras

ACTIVATION_LAYERS = (
    keras.layers.ELU,
    keras.layers.LeakyReLU,
    keras.layers.ReLU,
    keras.layers.ThresholdedReLU,
)
_FUNCTIONS = tuple(
    getattr(module, name)
    for module, names in (
        (
            keras.activations,
            "elu exponential gelu hard_sigmoid linear mish relu selu sigmoid softplus softsign "
            "swish tanh",
        ),
        (
            tf.nn,
            "elu gelu leaky_relu relu relu6 selu sigmoid silu softplus softsign swish tanh",
        ),
    )
    for name in names.split()
)


def is_elementwise(activation: Callable[[Any], Any]) -> bool:
    """Whether a layer's activation is known to compute every unit from itself alone."""
    return activation in _FUNCTIONS or type(activation) in ACTIVATION_LAYERS
