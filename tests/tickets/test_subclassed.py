"""Searches over subclassed models: what holds for them, and what is refused before training."""

from types import ModuleType
from typing import Any

import keras as keras_3
import numpy as np
import pytest
import tf_keras

from tests.either_keras import KERAS_3_FAST, TF_KERAS_FAST
from tf_lottery.masking.layers import model_variables
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import get_mask, masked_variables, prunable, set_mask, strip
from tf_lottery.tickets.fit.search import IterativeMagnitudePruning

X = np.random.default_rng(0).normal(size=(16, 6)).astype(np.float32)
Y = np.random.default_rng(1).normal(size=(16, 3)).astype(np.float32)
BOTH = pytest.mark.parametrize("keras", [tf_keras, keras_3])


def network(keras: ModuleType) -> Any:
    class Mine(keras.Model):
        def __init__(self):
            super().__init__(name="mine")
            self.hidden = keras.layers.Dense(8, activation="relu", kernel_constraint="non_neg")
            self.head = keras.layers.Dense(3)

        def call(self, inputs):
            return self.head(self.hidden(inputs))

    keras.utils.set_random_seed(0)
    model = Mine()
    model(X[:1])
    return model


def compiled(model: Any, keras: ModuleType) -> Any:
    model.compile(keras.optimizers.SGD(0.05), "mse")
    return model


def half_mask(model: Any) -> Mask:
    return Mask({n: np.arange(a.size).reshape(a.shape) % 2 > 0 for n, a in get_mask(model).items()})


@TF_KERAS_FAST
@pytest.mark.parametrize("score", ["snip", "taylor", "grasp", "synflow"])
def test_scores_that_take_derivatives_are_refused_before_training(keras: ModuleType, score: str):
    model = compiled(prunable(network(keras)), keras)
    search = IterativeMagnitudePruning(model, 1, score=score)
    with pytest.raises(ValueError, match=r"Keras cannot copy mine, a subclassed model"):
        search.fit(X, Y, verbose=0)
    assert int(model.optimizer.iterations) == 0


@BOTH
def test_whole_units_are_refused_before_training(keras: ModuleType):
    model = compiled(prunable(network(keras)), keras)
    with pytest.raises(ValueError, match=r"structure='units': mine is a subclassed model"):
        IterativeMagnitudePruning(model, 1, structure="units")


@pytest.mark.slow
@BOTH
def test_a_model_that_was_trained_before_it_became_prunable_is_masked(keras: ModuleType):
    """What Keras compiled for the dense model knows of no masks."""
    model = compiled(network(keras), keras)
    model.fit(X, Y, verbose=0)
    assert prunable(model) is model
    mask = half_mask(model)
    set_mask(model, mask)
    model.fit(X, Y, epochs=2, verbose=0)
    for name, array in mask.items():
        value = model_variables(model)[name].numpy()
        assert not value[~array].view(np.uint32).any(), name
        assert value[array].any(), name


@KERAS_3_FAST
def test_stripped_it_is_dense_again_with_the_constraints_of_the_users(keras: ModuleType, capsys):
    model = prunable(network(keras))
    set_mask(model, half_mask(model))
    outputs = np.asarray(model(X))
    assert strip(model) is model
    assert "no copy but the model itself, as it is a subclassed model" in capsys.readouterr().out
    assert not masked_variables(model)
    np.testing.assert_array_equal(model(X), outputs)
    assert type(model.hidden.kernel.constraint).__name__ == "NonNeg"
    assert model.head.kernel.constraint is None
    compiled(model, keras).fit(X, Y, epochs=2, verbose=0)
    assert np.count_nonzero(model.head.kernel) > 12
    assert np.min(model.hidden.kernel) >= 0
