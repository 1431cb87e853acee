"""A search that is fitted again: nothing is trained anew without a word."""

import warnings

import keras as keras_3
import numpy as np
import pytest
import tf_keras

import tf_lottery
from tf_lottery.tickets.random_layers import random_layers

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
