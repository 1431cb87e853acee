"""A small problem whose training is the same every time: SGD, batches in a fixed order."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_lottery.masking.prunable import prunable
from tf_lottery.tickets.fit.search import IterativeMagnitudePruning

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


@pytest.fixture(scope="session")
def search_in(build_model):
    """Returns a function that makes a search of the same model in a folder, or in memory."""

    def make(folder, levels=3, optimizer=None, **arguments) -> IterativeMagnitudePruning:
        model = build_model(optimizer)
        return IterativeMagnitudePruning(
            model, levels, rewind_step="3it", folder=folder, **arguments
        )

    return make


@pytest.fixture(scope="session")
def finished_search(search_in, batches, tmp_path_factory) -> Path:
    """The folder of a search of one level; not to be changed."""
    folder = tmp_path_factory.mktemp("finished") / "search"
    search_in(folder, levels=1).fit(batches, epochs=2, verbose=0)
    return folder


@pytest.fixture
def finished(finished_search, tmp_path) -> Path:
    """A copy of it that may be changed."""
    return shutil.copytree(finished_search, tmp_path / "search")
