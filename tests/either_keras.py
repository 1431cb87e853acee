"""Parametrizations of tests that hold in either Keras: with one it is fast, the other is slow."""

import keras as keras_3
import pytest
import tf_keras

TF_KERAS_FAST = pytest.mark.parametrize(
    "keras",
    [
        pytest.param(tf_keras, id="tf_keras"),
        pytest.param(keras_3, id="keras_3", marks=pytest.mark.slow),
    ],
)
KERAS_3_FAST = pytest.mark.parametrize(
    "keras",
    [
        pytest.param(tf_keras, id="tf_keras", marks=pytest.mark.slow),
        pytest.param(keras_3, id="keras_3"),
    ],
)
