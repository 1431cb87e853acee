"""A small problem and network of either Keras, for searches and the callback alike."""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import keras as keras_3
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import tf_lottery
from tf_lottery.masking.layers import model_variables

# Of an epoch.
STEPS = 4
_RANDOM = np.random.default_rng(0)
X = _RANDOM.normal(size=(16, 8)).astype(np.float32)
Y = _RANDOM.integers(0, 3, 16)
BATCHES = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)
BOTH = pytest.mark.parametrize(
    "keras", [tf_keras, pytest.param(keras_3, marks=pytest.mark.slow)], ids=["tf_keras", "keras"]
)


def network(keras: ModuleType, rate: Any = 0.1, hidden: Sequence[str] = ("hidden",)) -> Any:
    """Always the same, prunable and compiled.

    Args:
      keras: the Keras module.
      rate: learning rate, or its schedule.
      hidden: names of the layers before the output, the first of 12 units, others of 8.
    """
    units = [12] + [8] * (len(hidden) - 1)
    layers = [
        keras.layers.Dense(count, "relu", name=name)
        for name, count in zip(hidden, units, strict=True)
    ]
    layers += [keras.layers.Dense(3, name="output")]
    model = tf_lottery.prunable(keras.Sequential([keras.Input((8,)), *layers]))
    random = np.random.default_rng(1)
    for variable in model_variables(model).values():
        variable.assign(random.uniform(-0.6, 0.6, tuple(variable.shape)))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(rate, momentum=0.9), loss)
    return model
