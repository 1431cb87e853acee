"""What callbacks that begin anew at each level of one `fit` see, and what they may do."""

import warnings
from collections import Counter

import keras as keras_3
import numpy as np
import pytest
import tf_keras

import tf_lottery
from tests.tickets.small_searches import BATCHES, BOTH, STEPS, X, Y, network


def fit(keras, level_callbacks, epochs_per_level=1, behind=(), optimizer="sgd", **arguments):
    model = network(keras)
    model.compile(optimizer, model.loss, run_eagerly=True)
    imp = tf_lottery.PruneAndRewind(1, epochs_per_level, level_callbacks=level_callbacks)
    callbacks, epochs = [imp, *behind], imp.epochs(STEPS)
    model.fit(BATCHES, epochs=epochs, callbacks=callbacks, verbose=0, **arguments)
    return imp


@BOTH
def test_they_are_told_of_validation_and_may_add_metrics(keras):
    told = Counter()

    class Own(keras.callbacks.Callback):
        def on_test_begin(self, logs=None):
            told["begin"] += 1

        def on_test_batch_begin(self, batch, logs=None):
            told["batch"] += 1

        def on_test_batch_end(self, batch, logs=None):
            told["batch end"] += 1

        def on_test_end(self, logs=None):
            told[f"end with {logs['loss']:.4f}"] += 1

        def on_epoch_end(self, epoch, logs=None):
            logs["own"] = epoch

    # Level 0 is validated before it ends, level 1 at its end.
    imp = fit(keras, [Own()], 2, validation_data=(X, Y), validation_freq=[1, 4])
    metrics = [result.metrics for result in imp.history.levels]
    assert [each["own"] for each in metrics] == [1, 1]
    losses = [f"end with {each['val_loss']:.4f}" for each in metrics]
    assert told == Counter({"begin": 2, "batch": 2, "batch end": 2, **Counter(losses)})


@pytest.mark.slow
def test_averages_are_swapped_in_for_validation():
    ema = {"use_ema": True, "ema_momentum": 0.9}
    losses = []
    for callbacks in ([], [keras_3.callbacks.SwapEMAWeights()]):
        optimizer = keras_3.optimizers.SGD(0.3, **ema)
        imp = fit(keras_3, callbacks, 2, optimizer=optimizer, validation_data=(X, Y))
        losses.append([result.metrics["val_loss"] for result in imp.history.levels])
    assert not np.isclose(*losses).any()


@BOTH
def test_a_backup_that_one_of_them_restores_is_refused(keras, tmp_path):
    def keep(level):
        return [keras.callbacks.BackupAndRestore(str(tmp_path), delete_checkpoint=False)]

    with pytest.raises(ValueError, match=r"^as level 1 began, BackupAndRestore has .*\(folder="):
        fit(keras, keep)


@BOTH
def test_callbacks_behind_the_search_that_find_rewound_weights_are_told(keras, tmp_path):
    saves = keras.callbacks.ModelCheckpoint(
        str(tmp_path / "{epoch}.weights.h5"), save_weights_only=True
    )
    with pytest.warns(UserWarning, match=r"^ModelCheckpoint behind PruneAndRewind .* last"):
        fit(keras, [], behind=[saves])
    measures = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None)
    with pytest.warns(UserWarning, match=r"^LambdaCallback behind PruneAndRewind"):
        fit(keras, [], behind=[measures])
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*behind")
        fit(keras, [], behind=[tf_keras.callbacks.History()] * (keras is tf_keras))
