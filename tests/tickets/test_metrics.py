"""Whatever Keras logs is recorded as numbers, or left out with a warning."""

import math

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import tf_lottery
from tests.tickets.small_searches import BATCHES, BOTH, STEPS, network
from tf_lottery.tickets.fit.metrics import numbers_in

ONE_HOT = BATCHES.map(lambda x, y: (x, tf.one_hot(y, 3)))


def test_numbers():
    logs = {"loss": np.float32(0.5), "f1": np.array([0.1, 0.2]), "one": [3], "text": "warm"}
    assert numbers_in(logs) == {"loss": 0.5, "f1_0": 0.1, "f1_1": 0.2, "one": 3.0}
    table = numbers_in({"confusion": np.arange(4).reshape(2, 2)})
    assert table == {
        f"confusion_{row}_{column}": 2 * row + column for row, column in np.ndindex(2, 2)
    }
    assert math.isnan(numbers_in({"loss": np.nan})["loss"])
    assert numbers_in({"nothing": None, "list": ["a", 1]}) == {}


@BOTH
@pytest.mark.parametrize("callback", [False, True])
def test_a_value_per_class(keras, callback):
    model = network(keras)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    metric = keras.metrics.F1Score(name="f1")
    model.compile(keras.optimizers.SGD(0.1), loss, metrics=[metric])
    if callback:
        search = tf_lottery.PruneAndRewind(levels=1, epochs_per_level=2)
        model.fit(ONE_HOT, epochs=search.epochs(STEPS), callbacks=[search], verbose=0)
    else:
        search = tf_lottery.IterativeMagnitudePruning(model, levels=1)
        search.fit(ONE_HOT, epochs=2, validation_data=ONE_HOT, verbose=0)
    last = search.history.levels[-1].metrics
    assert {"loss", "f1_0", "f1_1", "f1_2"} <= set(last)
    if not callback:
        found = np.asarray(model.evaluate(ONE_HOT, verbose=0, return_dict=True)["f1"])
        assert [last[f"val_f1_{place}"] for place in range(3)] == pytest.approx(found.tolist())


def test_what_is_no_number_is_not_recorded_and_said():
    class Note(tf_keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["phase"] = "warm"

    search = tf_lottery.IterativeMagnitudePruning(network(tf_keras), levels=0)
    with pytest.warns(UserWarning, match="phase in the logs of training: no number"):
        search.fit(BATCHES, epochs=1, verbose=0, callbacks=[Note()])
    assert set(search.history.levels[0].metrics) == {"loss"}
