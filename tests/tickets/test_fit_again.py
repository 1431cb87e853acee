"""A search that is fitted again: nothing is trained anew without a word."""

import warnings

import keras as keras_3
import numpy as np
import pytest
import tf_keras

import tf_lottery
from tests.same_weights import assert_same_weights
from tf_lottery.tickets.fit.random_layers import random_layers
from tf_lottery.training.network import weights_of

X = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
Y = (X.sum(axis=1) > 0).astype(np.int32)


def search_of(keras, layers, **arguments):
    model = keras.Sequential([keras.Input((6,)), *layers, keras.layers.Dense(2, name="output")])
    model = tf_lottery.prunable(model)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    return tf_lottery.IterativeMagnitudePruning(
        model, levels=1, pruning_rate=0.5, rewind_step="0it", **arguments
    )


@pytest.fixture(scope="module")
def finished():
    search = search_of(tf_keras, [tf_keras.layers.Dense(4, name="hidden")])
    search.fit(X, Y, epochs=1, verbose=0)
    return search


def test_a_finished_search_says_that_it_trains_no_more(finished, capsys):
    before = [result.metrics for result in finished.history.levels]
    finished.fit(0 * X, Y, epochs=1, verbose=0)
    assert [result.metrics for result in finished.history.levels] == before
    said = capsys.readouterr().out
    assert "All levels of this search are finished: nothing was trained" in said
    assert "A new search trains again." in said


def test_a_search_in_one_fit_is_kept_when_it_is_not_to_be_fitted_again():
    def network():
        return search_of(tf_keras, [tf_keras.layers.Dense(4, name="hidden")])._network.model

    model, imp = network(), tf_lottery.PruneAndRewind(1, 1, 0.5)
    model.fit(X, Y, epochs=2, callbacks=[imp], verbose=0)
    with pytest.raises(ValueError, match="the model is pruned already"):
        model.fit(X, Y, epochs=2, callbacks=[imp], verbose=0)
    assert imp.mask(1).remaining == 16
    assert_same_weights(weights_of(imp.restore(1)), weights_of(model))


def test_another_length_is_refused(finished):
    with pytest.raises(ValueError, match=r"^epochs=3: 2 levels .* with epochs=1, .* new search"):
        finished.fit(X, Y, epochs=3, verbose=0)


@pytest.mark.slow
def test_a_search_that_goes_on_tells_of_random_numbers_that_are_not_kept(tmp_path):
    def search():
        hidden = [
            tf_keras.layers.Dense(4, name="hidden"),
            tf_keras.layers.Dropout(0.5, name="drop"),
        ]
        return search_of(tf_keras, hidden, folder=tmp_path / "search")

    with warnings.catch_warnings(), pytest.raises(KeyboardInterrupt):
        warnings.simplefilter("error")
        stop = tf_keras.callbacks.LambdaCallback(on_epoch_begin=lambda *_: interrupt())
        search().fit(X, Y, verbose=0, callbacks=lambda level: [stop] if level else [])
    with pytest.warns(UserWarning, match="goes on with level 1. Random numbers of drop "):
        search().fit(X, Y, verbose=0)


def interrupt():
    raise KeyboardInterrupt


@pytest.mark.parametrize("keras", [tf_keras, keras_3], ids=["tf_keras", "keras_3"])
def test_which_layers_draw(keras):
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((4, 3)),
            layers.GaussianNoise(0.1, name="noise"),
            layers.LSTM(2, dropout=0.2, return_sequences=True, name="lstm"),
            layers.GRU(2, return_sequences=True, name="gru"),
            layers.SpatialDropout1D(0.3, name="spatial"),
            layers.Dropout(0.0, name="none"),
            layers.Dense(2, name="dense"),
        ]
    )
    found = {name.split("/")[0] for name in random_layers(model)}
    assert found == {"noise", "lstm", "spatial"}


def test_epochs_of_another_length_are_refused(finished, tmp_path):
    said = r"^an epoch has 3 iterations, and had 2 at the levels .* batch_size, or make a new"
    with pytest.raises(ValueError, match=said):
        finished.fit(X, Y, epochs=1, batch_size=16, verbose=0)
    hidden = [tf_keras.layers.Dense(4, name="hidden")]
    search_of(tf_keras, hidden, folder=tmp_path / "search").fit(X, Y, epochs=1, verbose=0)
    model = search_of(tf_keras, [tf_keras.layers.Dense(4, name="hidden")])._network.model
    imp = tf_lottery.PruneAndRewind(
        2, epochs_per_level=1, pruning_rate=0.5, folder=tmp_path / "search"
    )
    with pytest.raises(ValueError, match=said):
        model.fit(X, Y, epochs=3, batch_size=16, verbose=0, callbacks=[imp])


@pytest.mark.parametrize(
    "keras", [tf_keras, pytest.param(keras_3, marks=pytest.mark.slow)], ids=["tf_keras", "keras"]
)
@pytest.mark.slow
def test_recurrent_layers_begin_each_level_without_states(keras, tmp_path):
    """Those of a search that goes on in another process have none either."""
    sequences = np.random.default_rng(2).normal(size=(8, 5, 3)).astype(np.float32)
    fit = {"epochs": 2, "batch_size": 4, "shuffle": False, "verbose": 0}

    def search(levels, folder=None):
        keras.utils.set_random_seed(0)
        recurrent = keras.layers.LSTM(4, stateful=True, name="lstm")
        inputs = keras.Input(batch_shape=(4, 5, 3))
        outputs = keras.layers.Dense(2, name="output")(recurrent(inputs))
        model = tf_lottery.prunable(keras.Model(inputs, outputs))
        model.compile(keras.optimizers.SGD(0.5), "mse")
        return tf_lottery.IterativeMagnitudePruning(model, levels, folder=folder)

    targets = sequences[:, 0, :2]
    at_once = search(1)
    at_once.fit(sequences, targets, **fit)
    search(0, tmp_path / "search").fit(sequences, targets, **fit)
    later = search(1, tmp_path / "search")
    later.fit(sequences, targets, **fit)
    assert_same_weights(*(weights_of(each.restore(1)) for each in (at_once, later)))
