"""`fit` of prunable models: averages of weights, and weights that came without their masks."""

import warnings
from types import ModuleType
from typing import Any

import keras as keras_3
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import tf_lottery
from tf_lottery.masking.prunable import masked_variables

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(16, 8)).astype(np.float32)
Y = RANDOM.integers(0, 3, 16)
# Of arrays Keras would make data sets whenever it trains.
DATA = tf.data.Dataset.from_tensor_slices((X, Y)).batch(8)
KINDS = pytest.mark.parametrize(
    ("keras", "held_by"),
    [
        (tf_keras, "wrapper"),
        pytest.param(tf_keras, "constraint", marks=pytest.mark.slow),
        (keras_3, "constraint"),
        (tf_keras, "subclassed"),
        pytest.param(keras_3, "subclassed", marks=pytest.mark.slow),
    ],
)


def network(
    keras: ModuleType, held_by: str, optimizer: Any = "adam", run_eagerly: bool = True
) -> Any:
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(12, "relu", name="hidden"), keras.layers.Dense(3, name="output")]
    if held_by == "constraint":
        layers[0] = keras.layers.EinsumDense("ab,bc->ac", 12, name="hidden")

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.hidden, self.out = layers

        def call(self, inputs):
            return self.out(self.hidden(inputs))

    model = Own() if held_by == "subclassed" else keras.Sequential([keras.Input((8,)), *layers])
    model(X)
    model = tf_lottery.prunable(model)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, run_eagerly=run_eagerly)
    return model


def half(model: Any) -> tf_lottery.Mask:
    random = np.random.default_rng(1)
    return tf_lottery.Mask(
        {n: random.random(a.shape) < 0.5 for n, a in tf_lottery.get_mask(model).items()}
    )


def pruned_weights(model: Any) -> np.ndarray:
    found = [weight.numpy()[mask.numpy() == 0] for weight, mask in masked_variables(model).values()]
    return np.concatenate(found)


@KINDS
@pytest.mark.parametrize("overwrites", [None, pytest.param(1, marks=pytest.mark.slow)])
def test_averages_of_pruned_weights_are_not_left(keras, held_by, overwrites):
    """Keras assigns averages when training ends, and masks them not."""
    average = {"use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": overwrites}
    model = network(keras, held_by, keras.optimizers.Adam(0.1, **average), run_eagerly=False)
    tf_lottery.set_mask(model, half(model))
    model.fit(DATA, epochs=2, verbose=0)
    assert pruned_weights(model).size
    assert not pruned_weights(model).view(np.uint32).any()


def test_averages_of_a_restored_ticket_are_masked_too():
    model = network(tf_keras, "wrapper", tf_keras.optimizers.Adam(0.1, use_ema=True))
    search = tf_lottery.IterativeMagnitudePruning(model, 1, 0.5)
    search.fit(DATA, epochs=1, verbose=0)
    ticket = search.restore(1)
    ticket.fit(DATA, epochs=1, verbose=0)
    assert not pruned_weights(ticket).view(np.uint32).any()


@pytest.mark.parametrize(
    ("way", "held_by"),
    [
        ("set_weights", "constraint"),
        ("tf.train.Checkpoint", "subclassed"),
        ("keras.saving", "constraint"),
        pytest.param("set_weights", "subclassed", marks=pytest.mark.slow),
        pytest.param("tf.train.Checkpoint", "constraint", marks=pytest.mark.slow),
        pytest.param("keras.saving", "subclassed", marks=pytest.mark.slow),
    ],
)
def test_pruned_weights_without_their_mask_are_told_before_training(way, held_by, tmp_path):
    ticket, other = network(keras_3, held_by), network(keras_3, held_by)
    tf_lottery.set_mask(ticket, half(ticket))
    match way:
        case "set_weights":
            other.set_weights(ticket.get_weights())
        case "tf.train.Checkpoint":
            path = tf.train.Checkpoint(model=ticket).write(str(tmp_path / "ticket"))
            tf.train.Checkpoint(model=other).read(path)
        case "keras.saving":
            keras_3.saving.save_weights(ticket, tmp_path / "ticket.weights.h5")
            keras_3.saving.load_weights(other, tmp_path / "ticket.weights.h5")
    zeros = sum(array.size - array.sum() for array in half(ticket).values())
    name = "hidden/kernel"
    with pytest.warns(UserWarning, match=rf"^{zeros} weights of .*{name}.* are 0\.0, .*set_mask"):
        other.fit(DATA, verbose=0)


@KINDS
def test_a_model_with_its_masks_or_with_kernels_that_begin_at_zero_is_not_told(keras, held_by):
    model = network(keras, held_by)
    kernel = model.layers[-1].layer.kernel if held_by == "wrapper" else model.layers[-1].kernel
    kernel.assign(tf.zeros(kernel.shape))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*are 0.0")
        model.fit(DATA, verbose=0)
        tf_lottery.set_mask(model, half(model))
        model.fit(DATA, verbose=0)


def recurrent(keras: ModuleType) -> Any:
    return keras.layers.SimpleRNN(8, recurrent_initializer="identity", name="hidden")


def non_negative(keras: ModuleType) -> Any:
    return keras.layers.Dense(8, kernel_constraint="non_neg", name="hidden")


def embedding(keras: ModuleType) -> Any:
    table = RANDOM.normal(size=(9, 8))
    table[:2] = 0.0
    constant = keras.initializers.Constant(table)
    return keras.layers.Embedding(9, 8, embeddings_initializer=constant, name="hidden")


@pytest.mark.parametrize("keras", [tf_keras, pytest.param(keras_3, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("layer", "x", "optimizer"),
    [
        (recurrent, X[..., None], "Adam"),
        (non_negative, X, "Adam"),
        (embedding, RANDOM.integers(2, 9, 16), "Adam"),
        (lambda keras: keras.layers.Dense(8, name="hidden"), X, "Ftrl"),
    ],
)
def test_zeros_of_initializers_constraints_and_optimizers_are_not_told(keras, layer, x, optimizer):
    """A search, as well as `fit` called again and that of a ticket or of a loaded model."""
    keras.utils.set_random_seed(0)
    layers = [layer(keras), keras.layers.Dense(3, name="output")]
    model = keras.Sequential([keras.Input(x.shape[1:]), *layers])
    model(x)
    model = tf_lottery.prunable(model)
    given = {"l1_regularization_strength": 0.05} if optimizer == "Ftrl" else {}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(getattr(keras.optimizers, optimizer)(0.1, **given), loss, run_eagerly=True)
    data = tf.data.Dataset.from_tensor_slices((x, Y)).batch(16)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*are 0.0")
        model.fit(data, verbose=0)
        search = tf_lottery.IterativeMagnitudePruning(model, 1, rewind_step="1ep")
        search.fit(data, epochs=2, verbose=0)
        search.restore(1).fit(data, verbose=0)


def test_pruned_weights_without_their_mask_are_told_by_a_search_too():
    ticket, other = network(tf_keras, "wrapper"), network(tf_keras, "wrapper")
    tf_lottery.set_mask(ticket, half(ticket))
    for layer, of in zip(other.layers, ticket.layers, strict=True):
        layer.kernel.assign(of.kernel)
    with pytest.warns(UserWarning, match=r"hidden/kernel.* are 0\.0, .*set_mask"):
        tf_lottery.IterativeMagnitudePruning(other, 1).fit(DATA, epochs=1, verbose=0)
