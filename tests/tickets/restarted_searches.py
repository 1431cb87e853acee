"""Searches of one level that rewind to k > 0, by any optimizer of either Keras."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import tensorflow as tf

from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import prunable
from tf_lottery.tickets.fit.search import IterativeMagnitudePruning
from tf_lottery.training.network import set_weights, weights_of

RATE, STEPS, REWIND = 0.01, 4, 4
X = np.random.default_rng(0).normal(size=(STEPS * 4, 5)).astype(np.float32)
Y = np.random.default_rng(1).normal(size=(STEPS * 4, 2)).astype(np.float32)


def build(keras: ModuleType, optimizer: Any = None, **compile_arguments: Any) -> Any:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = prunable(
        keras.Sequential(
            [
                keras.Input((5,)),
                layers.Dense(8, activation="tanh", name="hidden"),
                layers.Dense(2, name="output"),
            ]
        )
    )
    model.compile(optimizer or keras.optimizers.Adam(RATE), "mse", **compile_arguments)
    return model


def batches(first: int = 0) -> tf.data.Dataset:
    """Batches of four in a fixed order; of iteration `first` and those after it."""
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)
    return data.repeat().skip(first % STEPS)


def search(model: Any, rewind_step: str = f"{REWIND}it", **arguments: Any) -> Any:
    return IterativeMagnitudePruning(model, levels=1, rewind_step=rewind_step, **arguments)


def fit(found: Any, callbacks: Any = (), epochs: int = 3) -> None:
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)
    found.fit(data, epochs=epochs, verbose=0, callbacks=callbacks)


def weights_at(found: Any, level: int, kind: Any = "trained") -> Any:
    """Of a level, which the searched model then is: a copy would take longer."""
    return weights_of(found.restore(level, kind, into=found._network.model))


def train_anew(model: Any, weights: Any, mask: Mask, first: int, steps: int) -> Any:
    """What a model comes to with its new optimizer, by `fit` alone."""
    set_weights(model, weights, mask)
    # In the first step of `fit`, Keras would trace that twice, and Nadam counts traces.
    model.optimizer.build(model.trainable_variables)
    model.fit(batches(first), steps_per_epoch=steps, epochs=1, verbose=0)
    return weights_of(model)


def schedule_of(keras: ModuleType) -> Any:
    return keras.optimizers.schedules.PolynomialDecay(0.1, 20, 0.001)


def compiled_update(model: Any, optimizer: Any) -> Callable[[np.ndarray, np.ndarray], None]:
    """A training step of the user's, compiled when it first runs."""

    @tf.function(autograph=False)
    def update(x: tf.Tensor, y: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x, training=True) - y))
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    return update
