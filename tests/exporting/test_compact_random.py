"""Compaction of networks and masks drawn at random."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tf_keras as keras
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tf_lottery
from tests.exporting.compact_checks import check_compaction

ACTIVATIONS = ("relu", "sigmoid", "tanh", "linear", "elu", "softmax", "leaky_relu")
PADDINGS = ("same", "valid")


def network(draw: Callable[[st.SearchStrategy], Any]) -> keras.Model:
    """A network for images of 7x7 pixels, with dead units and single zeros in its kernels."""
    pixels = features = keras.Input((7, 7, 2))
    for _ in range(draw(st.integers(1, 5))):
        features = draw(st.sampled_from(BLOCKS))(draw, features)
    to_vector = draw(
        st.sampled_from(
            [
                keras.layers.Flatten,
                keras.layers.GlobalAveragePooling2D,
                keras.layers.GlobalMaxPooling2D,
            ]
        )
    )
    features = to_vector()(features)
    for _ in range(draw(st.integers(0, 2))):
        features = keras.layers.Dense(
            draw(st.integers(1, 8)),
            draw(st.sampled_from(ACTIVATIONS)),
            use_bias=draw(st.booleans()),
        )(features)
    model = keras.Model(pixels, keras.layers.Dense(3)(features))
    _draw_weights(draw, model)
    return model


def _convolution(draw, features):
    kinds = (keras.layers.Conv2D, keras.layers.Conv2DTranspose, keras.layers.SeparableConv2D)
    small = features.shape[1] < 3
    return draw(st.sampled_from(kinds))(
        draw(st.integers(1, 6)),
        draw(st.sampled_from([1, 2, 3])),
        strides=draw(st.sampled_from([1, 2])),
        padding="same" if small else draw(st.sampled_from(PADDINGS)),
        activation=draw(st.sampled_from(ACTIVATIONS)),
        use_bias=draw(st.booleans()),
    )(features)


def _depthwise(draw, features):
    return keras.layers.DepthwiseConv2D(
        draw(st.sampled_from([1, 2])),
        padding="same" if features.shape[1] < 2 else draw(st.sampled_from(PADDINGS)),
        depth_multiplier=draw(st.integers(1, 2)),
        activation=draw(st.sampled_from(ACTIVATIONS)),
        use_bias=draw(st.booleans()),
    )(features)


def _pooling(draw, features):
    kinds = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)
    return draw(st.sampled_from(kinds))(2, 1, "same")(features)


def _function(draw, features):
    kinds = (
        keras.layers.BatchNormalization,
        keras.layers.PReLU,
        keras.layers.ReLU,
        keras.layers.ZeroPadding2D,
        lambda: keras.layers.Rescaling(2, 1),
        keras.layers.LayerNormalization,
    )
    return draw(st.sampled_from(kinds))()(features)


def _residual(draw, features):
    branch = keras.layers.Conv2D(
        features.shape[-1], 3, padding="same", activation=draw(st.sampled_from(ACTIVATIONS))
    )(features)
    branch = keras.layers.BatchNormalization()(branch)
    join = draw(st.sampled_from([keras.layers.Add, keras.layers.Maximum, keras.layers.Subtract]))
    return join()([features, branch])


def _gated(draw, features):
    gates = keras.layers.GlobalAveragePooling2D(keepdims=True)(features)
    gates = keras.layers.Conv2D(features.shape[-1], 1, activation="sigmoid")(gates)
    return keras.layers.Multiply()([features, gates])


def _joined(draw, features):
    branches = [
        keras.layers.Conv2D(
            draw(st.integers(1, 4)),
            3,
            padding="same",
            activation=draw(st.sampled_from(ACTIVATIONS)),
        )(features)
        for _ in range(2)
    ]
    return keras.layers.Concatenate()([*branches, features])


BLOCKS = (_convolution, _depthwise, _pooling, _function, _residual, _gated, _joined)


def _draw_weights(draw, model: keras.Model) -> None:
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dead = draw(st.sampled_from([0.3, 0.6, 0.9]))
    for weight in model.weights:
        name, shape = weight.name.split("/")[-1], weight.shape
        values = generator.normal(size=shape)
        if "kernel" in name:
            values *= generator.random(shape) > 0.2
            values *= generator.random(shape[-1:]) > dead
            values *= generator.random((*shape[-2:-1], 1)) > dead / 2
        elif "variance" in name:
            values = np.abs(values) + 0.1
        else:
            values *= generator.random(shape) > 0.3
        weight.assign(values)


@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(st.data())
def test_outputs_stay_and_nothing_more_can_go(data):
    result = check_compaction(network(data.draw))
    again = tf_lottery.compact(result.model)
    assert again.parameters == result.parameters
