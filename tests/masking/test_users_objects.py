"""Copies of layers with functions and objects of the user's that Keras was not told of."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import keras as keras_3
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tf_lottery.masking.copies import copied_layer, plain_copy

FACTOR = 3.0


def times(factor: float) -> Callable[[Any], Any]:
    def scaled(inputs):
        return inputs * factor

    return scaled


def half_of_ones(shape, dtype=None, **_: Any):
    return tf.ones(shape, dtype or tf.float32) / 2


def layers_of(keras: ModuleType) -> dict[str, Callable[[], Any]]:
    """Layers with something of the user's; each takes and gives vectors of four numbers."""
    layers = keras.layers

    class Ones(keras.initializers.Initializer):
        def __call__(self, shape, dtype=None, **_: Any):
            return tf.ones(shape, dtype or tf.float32)

        def get_config(self):
            return {}

    class Positive(keras.constraints.Constraint):
        def __call__(self, weight):
            return tf.abs(weight)

        def get_config(self):
            return {}

    class Doubled(layers.Layer):
        def call(self, inputs):
            return inputs * 2

        def compute_output_shape(self, shape):
            return shape

    class InBlock(layers.Layer):
        def __init__(self, activation: Any, **options: Any):
            super().__init__(**options)
            self.inner = layers.Dense(4, activation=activation)

        def build(self, shape):
            self.inner.build(shape)

        def call(self, inputs):
            return self.inner(inputs)

        def get_config(self):
            activation = keras.activations.serialize(self.inner.activation)
            return super().get_config() | {"activation": activation}

        @classmethod
        def from_config(cls, config):
            activation = keras.activations.deserialize(config.pop("activation"))
            return cls(activation=activation, **config)

    def repeated(inner: Any) -> Any:
        return keras.Sequential(
            [layers.RepeatVector(2), layers.TimeDistributed(inner), layers.GlobalMaxPooling1D()]
        )

    return {
        "lambda as activation": lambda: layers.Dense(4, activation=lambda x: x * FACTOR),
        "function as activation": lambda: layers.Dense(4, activation=times(2)),
        "function of TensorFlow": lambda: layers.Activation(tf.sin),
        "Lambda of a lambda": lambda: layers.Lambda(lambda x: x * FACTOR),
        "Lambda of a function": lambda: layers.Lambda(times(2)),
        "function as initializer": lambda: layers.Dense(4, kernel_initializer=half_of_ones),
        "initializer": lambda: layers.Dense(4, kernel_initializer=Ones()),
        "constraint": lambda: layers.Dense(4, kernel_constraint=Positive()),
        "two functions of one name": lambda: layers.LSTM(
            4, activation=times(2), recurrent_activation=times(0.1)
        ),
        "layer in a wrapper": lambda: repeated(Doubled()),
        "activation in a layer in a layer": lambda: InBlock(times(5)),
    }


@pytest.mark.parametrize("keras", [tf_keras, keras_3], ids=["tf_keras", "keras"])
@pytest.mark.parametrize("name", layers_of(tf_keras))
def test_a_copy_computes_the_same(keras: ModuleType, name: str):
    shape = (3, 4) if name == "two functions of one name" else (4,)
    x = keras.Input(shape)
    model = keras.Model(x, layers_of(keras)[name]()(x))
    inputs = np.random.default_rng(0).normal(size=(5, *shape)).astype(np.float32)
    np.testing.assert_array_equal(plain_copy(model)(inputs), model(inputs))


@pytest.mark.parametrize("keras", [tf_keras, keras_3], ids=["tf_keras", "keras"])
def test_a_copy_has_the_functions_themselves_under_their_names(keras: ModuleType):
    def swish(x):
        return x

    layer = keras.layers.Dense(4, activation=swish, kernel_initializer=lambda shape, **_: 0)
    copy = copied_layer(layer)
    assert copy.activation is swish
    assert (swish.__name__, layer.kernel_initializer.__name__) == ("swish", "<lambda>")


def test_functions_keep_their_names_where_a_copy_fails():
    class Wanting(tf_keras.layers.Layer):
        def __init__(self, function: Any):
            super().__init__()
            self.function = function

    layer = Wanting(times(2))
    with pytest.raises(ValueError, match="cannot be copied"):
        copied_layer(layer)
    assert layer.function.__name__ == "scaled"


def test_a_layer_of_the_users_with_the_name_of_one_of_keras_is_copied_beside_it():
    class Dense(tf_keras.layers.Layer):
        def call(self, inputs):
            return inputs + 1

    x = tf_keras.Input((4,))
    model = tf_keras.Model(x, tf_keras.layers.Dense(4)(Dense()(x)))
    inputs = np.ones((2, 4), np.float32)
    np.testing.assert_array_equal(plain_copy(model)(inputs), model(inputs))
