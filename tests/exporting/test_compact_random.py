"""Compaction of networks and masks drawn at random, the same in both Keras."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import keras as keras_3
import numpy as np
import pytest
import tf_keras
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tf_lottery
from tests.exporting.compact_checks import check_compaction

ACTIVATIONS = ("relu", "sigmoid", "tanh", "linear", "elu", "softmax", "leaky_relu")
PADDINGS = ("same", "valid")


def twins(draw: Callable[[st.SearchStrategy], Any]) -> tuple[Any, Any]:
    """The same network in tf_keras and in Keras 3."""
    drawn = []

    def record(strategy: st.SearchStrategy) -> Any:
        drawn.append(draw(strategy))
        return drawn[-1]

    first, replay = network(record, tf_keras), iter(drawn)
    return first, network(lambda strategy: next(replay), keras_3)


def network(draw: Callable[[st.SearchStrategy], Any], keras: ModuleType) -> Any:
    """A network for images of 7x7 pixels, with dead units and single zeros in its kernels."""
    pixels = features = keras.Input((7, 7, 2))
    for _ in range(draw(st.integers(1, 5))):
        features = draw(st.sampled_from(BLOCKS))(draw, keras.layers, features)
    to_vector = ("Flatten", "GlobalAveragePooling2D", "GlobalMaxPooling2D")
    features = _layer(draw, keras.layers, *to_vector)()(features)
    for _ in range(draw(st.integers(0, 2))):
        features = keras.layers.Dense(
            draw(st.integers(1, 8)),
            draw(st.sampled_from(ACTIVATIONS)),
            use_bias=draw(st.booleans()),
        )(features)
    model = keras.Model(pixels, keras.layers.Dense(3)(features))
    _draw_weights(draw, model)
    return model


def _layer(draw, layers: ModuleType, *names: str) -> type:
    return getattr(layers, draw(st.sampled_from(names)))


def _convolution(draw, layers, features):
    small = features.shape[1] < 3
    return _layer(draw, layers, "Conv2D", "Conv2DTranspose", "SeparableConv2D")(
        draw(st.integers(1, 6)),
        draw(st.sampled_from([1, 2, 3])),
        strides=draw(st.sampled_from([1, 2])),
        padding="same" if small else draw(st.sampled_from(PADDINGS)),
        activation=draw(st.sampled_from(ACTIVATIONS)),
        use_bias=draw(st.booleans()),
    )(features)


def _depthwise(draw, layers, features):
    return layers.DepthwiseConv2D(
        draw(st.sampled_from([1, 2])),
        padding="same" if features.shape[1] < 2 else draw(st.sampled_from(PADDINGS)),
        depth_multiplier=draw(st.integers(1, 2)),
        activation=draw(st.sampled_from(ACTIVATIONS)),
        use_bias=draw(st.booleans()),
    )(features)


def _pooling(draw, layers, features):
    return _layer(draw, layers, "MaxPooling2D", "AveragePooling2D")(2, 1, "same")(features)


def _function(draw, layers, features):
    if draw(st.booleans()):
        return layers.Rescaling(2, 1)(features)
    kinds = ("BatchNormalization", "PReLU", "ReLU", "ZeroPadding2D", "LayerNormalization")
    return _layer(draw, layers, *kinds)()(features)


def _residual(draw, layers, features):
    branch = layers.Conv2D(
        features.shape[-1], 3, padding="same", activation=draw(st.sampled_from(ACTIVATIONS))
    )(features)
    branch = layers.BatchNormalization()(branch)
    return _layer(draw, layers, "Add", "Maximum", "Subtract")()([features, branch])


def _gated(draw, layers, features):
    gates = layers.GlobalAveragePooling2D(keepdims=True)(features)
    gates = layers.Conv2D(features.shape[-1], 1, activation="sigmoid")(gates)
    return layers.Multiply()([features, gates])


def _joined(draw, layers, features):
    branches = [
        layers.Conv2D(
            draw(st.integers(1, 4)),
            3,
            padding="same",
            activation=draw(st.sampled_from(ACTIVATIONS)),
        )(features)
        for _ in range(2)
    ]
    return layers.Concatenate()([*branches, features])


BLOCKS = (_convolution, _depthwise, _pooling, _function, _residual, _gated, _joined)


def _draw_weights(draw, model: Any) -> None:
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


REPEATABLE = settings(
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.slow
@settings(REPEATABLE, max_examples=3)
@given(st.data())
def test_outputs_stay_and_nothing_more_can_go_in_either_keras(data):
    check_twins(data.draw)


@pytest.mark.slow
@settings(REPEATABLE, max_examples=50)
@given(st.data())
def test_outputs_of_many_networks_stay(data):
    check_twins(data.draw)


def check_twins(draw: Callable[[st.SearchStrategy], Any]) -> None:
    results = [check_compaction(model) for model in twins(draw)]
    for result in results:
        again = tf_lottery.compact(result.model)
        assert again.parameters == result.parameters
    sizes, twin_sizes = (
        [(layer.units_before, layer.units, layer.parameters) for layer in result.layers]
        for result in results
    )
    assert sizes == twin_sizes
    for array, twin in zip(*(result.model.get_weights() for result in results), strict=True):
        np.testing.assert_allclose(array, twin, rtol=1e-4, atol=1e-5)
