"""Callbacks that would carry what they know of one level over to the next."""

import warnings
from typing import Any

import keras as keras_3
import numpy as np
import pytest
import tf_keras

import tf_lottery
from tests.tickets.small_searches import BATCHES, BOTH, STEPS, X, Y, network


def search(keras: Any, callbacks: Any, levels: int = 2) -> None:
    found = tf_lottery.IterativeMagnitudePruning(network(keras), levels)
    found.fit(BATCHES, epochs=1, callbacks=callbacks, verbose=0)


def fit(keras: Any, level_callbacks: Any = (), beside: Any = (), levels: int = 2) -> None:
    imp = tf_lottery.PruneAndRewind(levels, 1, level_callbacks=level_callbacks)
    network(keras).fit(BATCHES, epochs=imp.epochs(STEPS), callbacks=[*beside, imp], verbose=0)


def best_loss(keras: Any, *, begins_anew: bool) -> Any:
    class BestLoss(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            # Numbers of other names are the callback's own affair.
            self.best, self.begun_at = np.inf, 0

        def on_train_begin(self, logs=None):
            self.begun_at += 1
            if begins_anew:
                self.best = np.inf

        def on_epoch_end(self, epoch, logs=None):
            self.best = min(self.best, logs["loss"])

    return BestLoss()


@BOTH
@pytest.mark.parametrize(("way", "name"), [(search, "callbacks"), (fit, "level_callbacks")])
def test_numbers_that_a_callback_carries_over_are_told_once(keras, way, name):
    """`begun_at` is another at each level, but as the callback itself sets it."""
    match = rf"^BestLoss: level 1 begins with .* \(best=\d\S+\), .* {name}=lambda level"
    with pytest.warns(UserWarning, match=match) as caught:
        way(keras, [best_loss(keras, begins_anew=False)])
    told = [each for each in caught if "BestLoss" in str(each.message)]
    assert [each.filename for each in told] == [__file__]


@BOTH
@pytest.mark.parametrize("way", [search, pytest.param(fit, marks=pytest.mark.slow)])
def test_what_begins_anew_or_is_meant_to_go_on_is_not_told(keras, way, tmp_path):
    class Own(keras.callbacks.ModelCheckpoint):
        pass

    callbacks = [
        best_loss(keras, begins_anew=True),
        keras.callbacks.EarlyStopping("loss", patience=1),
        keras.callbacks.ReduceLROnPlateau("loss", patience=0, min_delta=9.0),
        Own(str(tmp_path / "last.weights.h5"), save_weights_only=True),
        keras.callbacks.CSVLogger(str(tmp_path / "log.csv"), append=True),
    ]
    goes_on = best_loss(keras, begins_anew=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="(?!.*shuffle)", category=UserWarning)
        way(keras, callbacks)
        way(keras, lambda level: [goes_on], levels=1)


@pytest.mark.parametrize(
    ("way", "name"),
    [(search, "callbacks"), pytest.param(fit, "level_callbacks", marks=pytest.mark.slow)],
)
def test_files_of_which_one_level_is_left_are_told(way, name, tmp_path):
    def checkpoint(file: str, **arguments: Any) -> Any:
        path = str(tmp_path / file)
        return tf_keras.callbacks.ModelCheckpoint(path, "loss", save_weights_only=True, **arguments)

    callbacks = [
        checkpoint("best.h5", save_best_only=True),
        checkpoint("{epoch}.h5"),
        tf_keras.callbacks.CSVLogger(str(tmp_path / "log.csv")),
    ]
    with pytest.warns(UserWarning) as caught:
        way(tf_keras, callbacks, levels=1)
    told = [text for each in caught if f"{name}=lambda level" in (text := str(each.message))]
    assert [text.split(" is one")[0].split(" begins")[0] for text in told] == [
        "ModelCheckpoint(save_best_only=True)",
        "ModelCheckpoint",
        "CSVLogger",
    ]


@BOTH
@pytest.mark.parametrize(
    "kind", ["plateau", "stopping", pytest.param("checkpoint", marks=pytest.mark.slow)]
)
def test_callbacks_beside_that_compare_levels_are_told_before_training(keras, kind, tmp_path):
    callback = {
        "plateau": lambda: keras.callbacks.ReduceLROnPlateau("loss", patience=100),
        "stopping": lambda: keras.callbacks.EarlyStopping("loss", patience=100),
        "checkpoint": lambda: keras.callbacks.ModelCheckpoint(
            str(tmp_path / "best.weights.h5"), "loss", save_best_only=True, save_weights_only=True
        ),
    }[kind]()
    match = rf"^{type(callback).__name__} beside PruneAndRewind compares .*level_callbacks="
    with pytest.warns(UserWarning, match=match) as caught:
        fit(keras, beside=[callback], levels=1)
    assert __file__ in [each.filename for each in caught]


@BOTH
@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_labels_given_to_the_fit_around_the_callback_are_checked(keras, compiled):
    model, outside = network(keras), np.where(np.arange(16) == 7, 3, Y)
    model.compile("sgd", model.loss, jit_compile=compiled)
    for arguments, name in (
        ({"y": outside}, "y"),
        ({"y": outside, "validation_split": 0.25}, "y"),
        ({"y": Y, "validation_data": (X, outside)}, r"validation_data\[1\]"),
    ):
        imp = tf_lottery.PruneAndRewind(1, 1)
        with pytest.raises(ValueError, match=rf"^{name} holds the label 3, .* 0 to 2"):
            model.fit(X, epochs=2, callbacks=[imp], verbose=0, **arguments)
    imp, endless = tf_lottery.PruneAndRewind(1, 1), BATCHES.repeat()
    with pytest.raises(ValueError, match=r"^validation_data is a data set without end"):
        model.fit(X, Y, epochs=2, callbacks=[imp], verbose=0, validation_data=endless)
    assert not int(model.optimizer.iterations)


def test_a_fit_of_the_users_is_around_that_of_keras():
    class Own(keras_3.Model):
        def __init__(self):
            super().__init__()
            self.out = keras_3.layers.Dense(3, name="out")

        def call(self, inputs):
            return self.out(inputs)

        def fit(self, *args, **kwargs):
            return super().fit(*args, **kwargs)

    model = Own()
    model(X)
    model = tf_lottery.prunable(model)
    model.compile("sgd", "mse")
    imp = tf_lottery.PruneAndRewind(1, 1)
    stop = keras_3.callbacks.EarlyStopping("loss", patience=100)
    with pytest.warns(UserWarning, match="^EarlyStopping beside PruneAndRewind"):
        model.fit(X, np.eye(3)[Y], epochs=2, callbacks=[imp, stop], verbose=0)
