"""A small problem whose training is the same every time: SGD, batches in a fixed order."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_lottery.masking.prunable import prunable

STEPS_PER_EPOCH = 4


@pytest.fixture(scope="session")
def arrays() -> tuple[np.ndarray, np.ndarray]:
    """Examples `[16, 6]` and class numbers `[16]`."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(16, 6)).astype(np.float32), rng.integers(0, 3, 16)


@pytest.fixture(scope="session")
def batches(arrays: tuple[np.ndarray, np.ndarray]) -> tf.data.Dataset:
    """Four batches of four, in order."""
    return tf.data.Dataset.from_tensor_slices(arrays).batch(STEPS_PER_EPOCH)


@pytest.fixture(scope="session")
def build_model() -> Callable[..., keras.Model]:
    """Returns a function that builds the same prunable, compiled model every time."""

    def build(
        optimizer: keras.optimizers.Optimizer | None = None, prune: bool = True, **compile_arguments
    ) -> keras.Model:
        model = keras.Sequential(
            [
                keras.layers.Dense(10, input_shape=(6,), name="hidden"),
                keras.layers.BatchNormalization(name="norm"),
                keras.layers.ReLU(),
                keras.layers.Dense(3, name="output"),
            ]
        )
        rng = np.random.default_rng(1)
        model.set_weights([rng.uniform(0.1, 0.9, w.shape) for w in model.get_weights()])
        model = prunable(model) if prune else model
        model.compile(
            optimizer or keras.optimizers.SGD(0.1, momentum=0.9),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            **compile_arguments,
        )
        return model

    return build


class Counter(keras.callbacks.Callback):
    """Counts the batches of one `fit`, and raises after some of them."""

    def __init__(self, interrupt_after: int | None = None):
        super().__init__()
        self.batches = 0
        self.interrupt_after = interrupt_after

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1
        if self.batches == self.interrupt_after:
            raise KeyboardInterrupt


@pytest.fixture
def make_counter() -> type[Counter]:
    """The callback that counts batches."""
    return Counter
