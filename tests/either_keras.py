"""Parametrizations of tests that hold in either Keras: with one it is fast, the other is slow."""

from types import ModuleType

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


@pytest.fixture(
    name="keras",
    params=[
        pytest.param(tf_keras, id="tf_keras"),
        pytest.param(keras_3, id="keras_3", marks=pytest.mark.slow),
    ],
)
def keras_3_is_slow(request: pytest.FixtureRequest) -> ModuleType:
    """For modules all of whose tests have the argument `keras`, as a fixture that they import."""
    return request.param
