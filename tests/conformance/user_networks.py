"""Networks as users build them: functions of a Keras module, tf_keras or Keras 3.

Layers that Keras looks for by name are named, so that the same code gives the same weight names
each time. Layers within layers and subclassed models are not.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import tensorflow as tf

from tests.conformance import user_classes as classes

WORDS = 11
VECTOR, SERIES, LONG_SERIES = (6,), (4, 5), (8, 2)
IMAGE, VOLUME, FILM = (6, 6, 2), (4, 4, 4, 1), (3, 4, 4, 1)
TOKENS = ("words", 5)


def nested(keras: ModuleType) -> Any:
    layers = keras.layers
    inner = keras.Sequential(
        [keras.Input(VECTOR), layers.Dense(5, activation="relu", name="first")], name="inner"
    )
    x = keras.Input(VECTOR)
    middle = keras.Model(x, layers.Dense(4, name="second")(inner(x)), name="middle")
    x = keras.Input(VECTOR)
    return keras.Model(x, layers.Dense(3, name="output")(middle(x)))


def shared_layer(keras: ModuleType) -> Any:
    layers = keras.layers
    shared = layers.Dense(6, activation="tanh", name="shared")
    x = keras.Input(VECTOR)
    return keras.Model(x, layers.Dense(3, name="output")(shared(shared(x))))


def shared_model(keras: ModuleType) -> Any:
    layers = keras.layers
    tower = keras.Sequential(
        [keras.Input(VECTOR), layers.Dense(5, activation="relu", name="hidden")], name="tower"
    )
    one, other = keras.Input(VECTOR), keras.Input(VECTOR)
    x = layers.Subtract()([tower(one), tower(other)])
    return keras.Model([one, other], layers.Dense(3, name="output")(x))


def operations(keras: ModuleType) -> Any:
    """Functions of TensorFlow or of `keras.ops` between the layers."""
    x = keras.Input(VECTOR)
    y = keras.layers.Dense(8, name="hidden")(x)
    if hasattr(keras, "ops"):
        y = keras.ops.reshape(keras.ops.relu(y) * 2.0, (-1, 4, 2))
        y = keras.ops.max(y, axis=-1)
    else:
        y = tf.reshape(tf.nn.relu(y) * 2.0, (-1, 4, 2))
        y = tf.reduce_max(y, axis=-1)
    return keras.Model(x, keras.layers.Dense(3, name="output")(y))


def many_inputs_and_outputs(keras: ModuleType) -> Any:
    layers = keras.layers
    image, vector = keras.Input(IMAGE), keras.Input(VECTOR)
    x = layers.Flatten()(layers.Conv2D(3, 3, name="conv")(image))
    both = layers.Concatenate()([x, layers.Dense(4, name="dense")(vector)])
    return keras.Model(
        [image, vector], [layers.Dense(3, name="left")(both), layers.Dense(2, name="right")(both)]
    )


def recurrent(keras: ModuleType) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(SERIES),
            layers.LSTM(4, return_sequences=True, name="lstm"),
            layers.GRU(4, return_sequences=True, name="gru"),
            layers.SimpleRNN(4, name="simple"),
            layers.Dense(3, name="output"),
        ]
    )


def wrapped_layers(keras: ModuleType) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(SERIES),
            layers.Bidirectional(layers.GRU(3, return_sequences=True), name="both"),
            layers.TimeDistributed(layers.Dense(3), name="each"),
        ]
    )


def conv_lstm(keras: ModuleType) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(FILM),
            layers.ConvLSTM2D(2, 3, name="conv_lstm"),
            layers.Flatten(),
            layers.Dense(3, name="output"),
        ]
    )


def stacked_cells(keras: ModuleType) -> Any:
    layers = keras.layers
    cells = layers.StackedRNNCells([layers.GRUCell(4), layers.LSTMCell(3)])
    return keras.Sequential([keras.Input(SERIES), layers.RNN(cells, name="rnn")])


def embedding(keras: ModuleType) -> Any:
    layers = keras.layers
    words = keras.Input(TOKENS[1:], dtype="int32")
    x = layers.Embedding(WORDS, 4, mask_zero=True, name="words")(words)
    return keras.Model(words, layers.Dense(3, name="output")(layers.LSTM(4, name="lstm")(x)))


def transformer(keras: ModuleType) -> Any:
    layers = keras.layers
    words = keras.Input(TOKENS[1:], dtype="int32")
    x = layers.Embedding(WORDS, 8, name="words")(words)
    attended = layers.MultiHeadAttention(2, 4, name="attention")(x, x)
    x = layers.LayerNormalization(name="norm")(layers.Add()([x, attended]))
    wide = layers.EinsumDense("abc,cd->abd", (5, 8), bias_axes="d", name="feed")(x)
    x = layers.LayerNormalization(name="norm_2")(layers.Add()([x, wide]))
    return keras.Model(words, layers.Dense(3, name="output")(layers.GlobalAveragePooling1D()(x)))


def with_functions(keras: ModuleType) -> Any:
    x = keras.Input(VECTOR)
    y = keras.layers.Dense(
        5,
        activation=classes.steep_relu(keras),
        kernel_regularizer=classes.small_sum_class(keras)(),
        name="hidden",
    )(x)
    y = keras.layers.Activation(classes.squared(keras))(y)
    return keras.Model(x, keras.layers.Dense(3, name="output")(y))


def around(layer_class: Callable[[ModuleType], type]) -> Callable[[ModuleType], Any]:
    """A functional model with one layer of the user's before its output."""

    def build(keras: ModuleType) -> Any:
        x = keras.Input(VECTOR)
        mine = layer_class(keras)(name="mine")
        return keras.Model(x, keras.layers.Dense(3, name="output")(mine(x)))

    return build


def subclassed(keras: ModuleType) -> Any:
    model = classes.network_class(keras)(name="network")
    model(np.zeros((1, *VECTOR), np.float32))
    return model


def own_call(keras: ModuleType) -> Any:
    model = classes.own_call_class(keras)()
    model(np.zeros((1, *VECTOR), np.float32))
    return model


def own_step(keras: ModuleType) -> Any:
    x = keras.Input(VECTOR)
    hidden = keras.layers.Dense(7, activation="relu", name="hidden")(x)
    return classes.own_step_class(keras)(x, keras.layers.Dense(3, name="output")(hidden))


def separable(keras: ModuleType) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(IMAGE),
            layers.SeparableConv2D(4, 3, name="separable"),
            layers.DepthwiseConv2D(2, depth_multiplier=2, name="depthwise"),
            layers.Conv2DTranspose(2, 2, name="transposed"),
            layers.BatchNormalization(name="norm"),
        ]
    )


def other_dimensions(keras: ModuleType) -> Any:
    layers = keras.layers
    series, volume = keras.Input(LONG_SERIES), keras.Input(VOLUME)
    x = layers.SeparableConv1D(4, 3, name="separable")(layers.Conv1D(3, 3, name="conv_1")(series))
    y = layers.Conv3DTranspose(2, 2, name="transposed")(layers.Conv3D(2, 2, name="conv_3")(volume))
    both = layers.Concatenate()([layers.Flatten()(x), layers.Flatten()(y)])
    return keras.Model([series, volume], layers.Dense(2, name="output")(both))


def mixed_precision(keras: ModuleType) -> Any:
    layers = keras.layers
    options = {"dtype": "mixed_bfloat16"}
    return keras.Sequential(
        [
            keras.Input(SERIES),
            layers.Dense(8, activation="relu", name="hidden", **options),
            layers.GRU(4, name="gru", **options),
            layers.Dense(3, name="output", dtype="float32"),
        ]
    )


def locally_connected(keras: ModuleType) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(IMAGE),
            layers.LocallyConnected2D(2, 3, name="local"),
            layers.Flatten(),
            layers.Dense(3, name="output"),
        ]
    )
