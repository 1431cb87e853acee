"""Searches on two replicas, each of which has normalization statistics of its own."""

from types import ModuleType
from typing import Any

import keras as keras_3
import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

import tf_lottery
from tests.tickets.small_searches import BATCHES

EPOCHS = 2


def compiled(strategy: tf.distribute.Strategy, keras: ModuleType = keras, **options: Any):
    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.Dense(12, name="hidden"),
        keras.layers.BatchNormalization(momentum=0.5, name="norm"),
        keras.layers.Dense(3, name="output"),
    ]
    with strategy.scope():
        model = tf_lottery.prunable(keras.Sequential([keras.layers.Input((8,)), *layers]))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.1, **options), loss)
    return model


@pytest.fixture
def model(mirrored: tf.distribute.Strategy):
    return compiled(mirrored)


ARGUMENTS = {"levels": 1, "pruning_rate": 0.4, "rewind_step": "1ep"}


def assert_the_ticket_has_the_statistics_of(model, search):
    trained, ticket = (tf_lottery.strip(each) for each in (model, search.restore(1)))
    for found, expected in zip(ticket.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.slow
def test_tickets_of_the_callback_have_the_statistics_of_all_replicas(model):
    search = tf_lottery.PruneAndRewind(epochs_per_level=EPOCHS, **ARGUMENTS)
    model.fit(BATCHES, epochs=search.epochs(4), callbacks=[search], verbose=0)
    assert_the_ticket_has_the_statistics_of(model, search)


def test_tickets_and_rewound_weights_have_the_statistics_of_all_replicas(model, mirrored):
    search = tf_lottery.IterativeMagnitudePruning(model, **ARGUMENTS)
    means = []

    class Look(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                of_replicas = mirrored.experimental_local_results(
                    next(v for v in model.variables if "moving_mean" in v.name)
                )
                means.append([value.numpy() for value in of_replicas])

    search.fit(BATCHES, epochs=EPOCHS, callbacks=[Look()], verbose=0)
    (first, second), rewound = means
    np.testing.assert_allclose(rewound[0], (first + second) / 2, rtol=1e-6)
    np.testing.assert_array_equal(*rewound)
    assert_the_ticket_has_the_statistics_of(model, search)


@pytest.mark.parametrize(
    ("keras", "averages"),
    [
        pytest.param(keras, False, id="tf_keras", marks=pytest.mark.slow),
        pytest.param(keras, True, id="tf_keras, averages", marks=pytest.mark.slow),
        pytest.param(keras_3, False, id="keras_3"),
    ],
)
def test_validation_results_are_those_of_the_ticket(mirrored, keras, averages):
    model = compiled(mirrored, keras, use_ema=averages)
    search = tf_lottery.IterativeMagnitudePruning(model, levels=1)
    search.fit(BATCHES, epochs=EPOCHS, validation_data=BATCHES, verbose=0)
    loss = search.restore(1).evaluate(BATCHES, verbose=0)
    assert search.history.levels[1].metrics["val_loss"] == pytest.approx(loss, rel=1e-5)
