"""A level that was interrupted begins anew, or BackupAndRestore resumes it.

The state at the rewind step is that of the training that goes on, and never of one given up.
"""

from pathlib import Path
from typing import Any

import keras as keras_3
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import tf_lottery
from tests.either_keras import KERAS_3_FAST, TF_KERAS_FAST
from tests.same_weights import assert_same_weights
from tf_lottery.training.network import weights_of

X = np.random.default_rng(0).normal(size=(16, 6)).astype(np.float32)
Y = np.random.default_rng(1).integers(0, 3, 16)
# Of arrays Keras would make data sets at each level.
BATCHES = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)
WITH_VALIDATION = {"verbose": 0, "validation_data": BATCHES.take(2)}


def network(keras: Any, seed: int = 1) -> Any:
    keras.utils.set_random_seed(seed)
    layers = [keras.layers.Dense(10, name="hidden"), keras.layers.Dense(3, name="output")]
    model = tf_lottery.prunable(keras.Sequential([keras.layers.Input((6,)), *layers]))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss, metrics=["accuracy"])
    return model


def searching(model: Any, folder: Path | None = None, **arguments: Any) -> Any:
    arguments = {"levels": 2, "pruning_rate": 0.5, "rewind_step": "1ep"} | arguments
    return tf_lottery.IterativeMagnitudePruning(model, folder=folder, **arguments)


def interrupts(keras: Any, *, at_end: bool = False, epoch: int = 0, level: int = 0) -> Any:
    class Interrupts(keras.callbacks.Callback):
        """Ends a level after an epoch, or after the last one."""

        begun, is_at_end = -1, at_end

        def on_train_begin(self, logs=None):
            self.begun += 1

        def on_epoch_end(self, now, logs=None):
            if not at_end and self.begun == level and now == epoch:
                raise KeyboardInterrupt

        def on_train_end(self, logs=None):
            if at_end and self.begun == level:
                raise KeyboardInterrupt

    return Interrupts()


def stops(keras: Any, epoch: int) -> Any:
    class Stops(keras.callbacks.Callback):
        def on_epoch_end(self, now, logs=None):
            self.model.stop_training |= now == epoch

    return Stops()


@TF_KERAS_FAST
@pytest.mark.parametrize("kept", ["folder", pytest.param("memory", marks=pytest.mark.slow)])
def test_the_state_of_a_training_that_was_given_up_is_not_rewound_to(keras, kept, tmp_path):
    folder = tmp_path / "search" if kept == "folder" else None
    search = searching(network(keras), folder, rewind_step="2ep")
    with pytest.raises(KeyboardInterrupt):
        search.fit(BATCHES, epochs=4, callbacks=[interrupts(keras, epoch=2)], verbose=0)
    if folder:
        search = searching(network(keras, seed=2), folder, rewind_step="2ep")
    with pytest.raises(ValueError, match="stopped level 0 at iteration 4, before the rewind step"):
        search.fit(BATCHES, epochs=4, callbacks=[stops(keras, 0)], verbose=0)
    assert not search.history.levels
    search.fit(BATCHES, epochs=4, verbose=0)
    straight = searching(network(keras, seed=2 if folder else 1), rewind_step="2ep")
    straight.fit(BATCHES, epochs=4, verbose=0)
    for level in range(3):
        pair = (s.restore(level, "rewind", into=s._network.model) for s in (search, straight))
        assert_same_weights(*map(weights_of, pair))


@TF_KERAS_FAST
@pytest.mark.slow
def test_nor_is_it_by_the_callback(keras, tmp_path):
    def fit(*callbacks: Any, seed: int, level_callbacks: Any = ()) -> None:
        imp = tf_lottery.PruneAndRewind(
            1, 4, 0.5, "2ep", folder=tmp_path / "search", level_callbacks=level_callbacks
        )
        model = network(keras, seed)
        model.fit(BATCHES, epochs=imp.epochs(4), callbacks=[*callbacks, imp], verbose=0)

    with pytest.raises(KeyboardInterrupt):
        fit(interrupts(keras, epoch=2), seed=1)
    with pytest.raises(ValueError, match="stopped level 0 at iteration 4, before the rewind step"):
        fit(seed=2, level_callbacks=[stops(keras, 0)])


def resumed(keras: Any, folder: Path | None, backup: Path, after: Any, **arguments: Any) -> Any:
    """A search that is interrupted, and another object that goes on with it."""

    def search(callbacks: list, seed: int) -> Any:
        found = searching(network(keras, seed), folder, **arguments)
        saves = keras.callbacks.BackupAndRestore(str(backup))
        found.fit(BATCHES, epochs=3, callbacks=[*callbacks, saves], **WITH_VALIDATION)
        return found

    def interrupted() -> None:
        found = searching(network(keras), folder, **arguments)
        saves = keras.callbacks.BackupAndRestore(str(backup))
        # Before it where training ends, as it then deletes what it has; else after it.
        order = 1 if after.is_at_end else -1
        found.fit(BATCHES, epochs=3, callbacks=[after, saves][::order], **WITH_VALIDATION)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    return search([], 2)


def straight(keras: Any, **arguments: Any) -> Any:
    search = searching(network(keras), **arguments)
    search.fit(BATCHES, epochs=3, **WITH_VALIDATION)
    return search


def assert_same_levels(one: Any, other: Any) -> None:
    for level in range(3):
        for kind in ("trained", "rewind"):
            pair = (each.restore(level, kind, into=each._network.model) for each in (one, other))
            assert_same_weights(*map(weights_of, pair))


@TF_KERAS_FAST
@pytest.mark.parametrize("rewind_step", ["0it", pytest.param("1ep", marks=pytest.mark.slow)])
def test_a_resumed_training_is_rewound_to_its_own_state(keras, rewind_step, tmp_path):
    """Also where the process that resumes it had other weights at first."""
    after = interrupts(keras, epoch=1)
    arguments = {"rewind_step": rewind_step}
    search = resumed(keras, tmp_path / "search", tmp_path / "backup", after, **arguments)
    assert_same_levels(search, straight(keras, **arguments))


@TF_KERAS_FAST
def test_a_training_resumed_at_the_rewind_step_is_at_it(keras, tmp_path):
    """What is restored is the state, though memory has lost it."""
    search = resumed(keras, None, tmp_path / "backup", interrupts(keras, epoch=0))
    assert_same_levels(search, straight(keras))


@KERAS_3_FAST
def test_initial_weights_that_are_lost_are_not_guessed(keras, tmp_path):
    after = interrupts(keras, epoch=0)
    with pytest.raises(ValueError, match=r"resumed at iteration 4 .*rewind step 0.*folder="):
        resumed(keras, None, tmp_path / "backup", after, rewind_step="0it")


@pytest.mark.parametrize(
    ("keras", "level"),
    [
        pytest.param(tf_keras, 0, id="tf_keras-0", marks=pytest.mark.slow),
        pytest.param(keras_3, 1, id="keras_3-1"),
        pytest.param(tf_keras, 1, id="tf_keras-1", marks=pytest.mark.slow),
        pytest.param(keras_3, 0, id="keras_3-0", marks=pytest.mark.slow),
    ],
)
def test_a_level_of_which_nothing_is_left_is_finished(keras, level, tmp_path):
    after = interrupts(keras, at_end=True, level=level)
    with pytest.warns(UserWarning, match=f"level {level} was trained to its end .*computed anew"):
        search = resumed(keras, tmp_path / "search", tmp_path / "backup", after)
    whole = straight(keras)
    assert_same_levels(search, whole)
    for found, result in zip(search.history.levels, whole.history.levels, strict=True):
        assert (found.iterations, found.weights_at, found.stopped_early) == (12, 12, False)
        validation = {n: v for n, v in result.metrics.items() if n.startswith("val_")}
        expected = validation if found.level == level else result.metrics
        assert found.metrics == pytest.approx(expected)
    again = searching(network(keras), tmp_path / "search")
    assert again.history.levels == search.history.levels


@pytest.mark.slow
def test_a_metric_that_is_lost_cannot_end_the_search(tmp_path):
    after = interrupts(tf_keras, at_end=True)
    folder, stopping = tmp_path / "search", {"stop_below": 0.1, "stop_metric": "accuracy"}
    with pytest.raises(ValueError, match=r"metrics on training data are lost.*looks at accuracy"):
        resumed(tf_keras, folder, tmp_path / "backup", after, **stopping)
    search = searching(network(tf_keras), folder, **stopping)
    search.fit(BATCHES, epochs=3, **WITH_VALIDATION)
    assert [result.iterations for result in search.history.levels] == [12, 12, 12]


@TF_KERAS_FAST
@pytest.mark.parametrize("stopped", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_backup_of_the_level_before_is_refused(keras, stopped, tmp_path):
    search = searching(network(keras))
    saves = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"), delete_checkpoint=False)
    callbacks = [stops(keras, 1), saves] if stopped else [saves]
    with pytest.raises(ValueError, match=r"level 1 began with what .*lambda level.*_checkpoint="):
        search.fit(BATCHES, epochs=3, callbacks=callbacks, verbose=0)
    assert len(search.history.levels) == 1


@TF_KERAS_FAST
def test_a_resumed_level_needs_the_length_of_an_epoch(keras, tmp_path):
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4).filter(lambda x, y: True)

    def fit(*callbacks: Any, steps: int | None = None) -> Any:
        search = searching(network(keras), rewind_step="9it")
        saves = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
        arguments = {"steps_per_epoch": steps} if steps else {}
        return search.fit(
            data.repeat() if steps else data,
            epochs=3,
            callbacks=[saves, *callbacks],
            verbose=0,
            **arguments,
        )

    with pytest.raises(KeyboardInterrupt):
        fit(interrupts(keras, epoch=0))
    with pytest.raises(ValueError, match=r"after 1 epochs.*is not known.*steps_per_epoch"):
        fit()
    # What the error says to do.
    assert [level.iterations for level in fit(steps=4).levels] == [12, 12, 12]


@TF_KERAS_FAST
def test_a_backup_from_the_middle_of_a_search_in_one_fit_is_refused(keras, tmp_path):
    def search(*callbacks: Any) -> Any:
        model, imp = network(keras), tf_lottery.PruneAndRewind(1, epochs_per_level=3)
        saves = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
        # More epochs than it needs, so that their number does not tell.
        model.fit(BATCHES, epochs=20, callbacks=[saves, *callbacks, imp], verbose=0)
        return imp.history

    with pytest.raises(KeyboardInterrupt):
        search(interrupts(keras, epoch=1))
    with pytest.raises(ValueError, match=r"BackupAndRestore has restored .*\(folder=\.\.\.\)"):
        search()
