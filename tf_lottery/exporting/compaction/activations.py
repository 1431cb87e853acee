"""Which activations compute every unit from itself alone."""

from typing import Any

import tensorflow as tf

from tf_lottery.masking.keras_versions import is_of_keras, keras_of

ACTIVATION_LAYERS = ("ELU", "LeakyReLU", "ReLU", "ThresholdedReLU")
_FUNCTIONS = (
    "celu elu exponential gelu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu "
    "linear log_sigmoid mish relu relu6 selu sigmoid silu soft_shrink softplus softsign "
    "sparse_plus sparse_sigmoid squareplus swish tanh tanh_shrink"
)


def is_elementwise(layer: Any) -> bool:
    """Whether the activation of a layer is known to compute every unit from itself alone."""
    activation = layer.activation
    if type(activation).__name__ in ACTIVATION_LAYERS:
        return is_of_keras(activation)
    keras = keras_of(layer)
    modules = (keras.activations, tf.nn, getattr(keras, "ops", None))
    return any(
        activation is getattr(module, name)
        for module in modules
        for name in _FUNCTIONS.split()
        if hasattr(module, name)
    )
