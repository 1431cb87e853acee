"""A level is as long as planned, or a callback ended it and the history says so."""

from typing import Any

import keras as keras_3
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import tf_lottery
from tf_lottery.tickets.fit.level_end import metrics_of_epoch

X = np.random.default_rng(0).normal(size=(16, 6)).astype(np.float32)
Y = np.random.default_rng(1).integers(0, 3, 16)
BATCHES = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)
SLOW_KERAS_3 = pytest.param(keras_3, id="keras_3", marks=pytest.mark.slow)
BOTH = pytest.mark.parametrize("keras", [pytest.param(tf_keras, id="tf_keras"), SLOW_KERAS_3])


def network(keras: Any = tf_keras, rate: float = 0.1, **compile_arguments: Any) -> Any:
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(10, name="hidden"), keras.layers.Dense(3, name="output")]
    model = tf_lottery.prunable(keras.Sequential([keras.layers.Input((6,)), *layers]))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(rate), loss, **compile_arguments)
    return model


def unknown_length() -> tf.data.Dataset:
    """Four batches, of which TensorFlow does not know that they are four."""

    def batches():
        for start in range(0, 16, 4):
            yield X[start : start + 4], Y[start : start + 4]

    signature = (tf.TensorSpec((None, 6), tf.float32), tf.TensorSpec((None,), tf.int64))
    return tf.data.Dataset.from_generator(batches, output_signature=signature)


def counter(keras: Any) -> Any:
    class Counter(keras.callbacks.Callback):
        """Counts the batches of each call of fit."""

        levels: list[int] = []

        def on_train_begin(self, logs=None):
            self.levels.append(0)

        def on_train_batch_end(self, batch, logs=None):
            self.levels[-1] += 1

    Counter.levels = []
    return Counter()


def stops(keras: Any, after: int) -> Any:
    class Stops(keras.callbacks.Callback):
        """Stops each call of fit after some batches."""

        def on_train_begin(self, logs=None):
            self.batches = 0

        def on_train_batch_end(self, batch, logs=None):
            self.batches += 1
            self.model.stop_training = self.batches >= after

    return Stops()


def searching(model: Any, **arguments: Any) -> Any:
    return tf_lottery.IterativeMagnitudePruning(
        model, **{"levels": 2, "pruning_rate": 0.5, "rewind_step": "4it"} | arguments
    )


def weights(model: Any) -> list[np.ndarray]:
    return model.get_weights()


@BOTH
def test_data_that_run_out_are_an_error_and_nothing_is_recorded(keras, tmp_path):
    search = searching(network(keras), folder=tmp_path / "search")
    advice = r"level 0 ended at iteration \d+ of 12, as the data ran out.*repeat\(\).*cardinality"
    with pytest.raises(ValueError, match=advice):
        search.fit(unknown_length(), epochs=3, steps_per_epoch=4, verbose=0)
    assert not search.history.levels
    # What the error says to do.
    count = counter(keras)
    data = unknown_length().repeat()
    search.fit(data, epochs=3, steps_per_epoch=4, verbose=0, callbacks=[count])
    assert count.levels == [12, 8, 8]
    data = unknown_length().apply(tf.data.experimental.assert_cardinality(4))
    other = searching(network(keras))
    other.fit(data, epochs=3, verbose=0)
    assert [result.iterations for result in other.history.levels] == [12, 12, 12]


@BOTH
def test_a_generator_that_runs_out_is_told_to_go_on_by_itself(keras):
    def once():
        for start in range(0, 16, 4):
            yield X[start : start + 4], Y[start : start + 4]

    def endless():
        while True:
            yield from once()

    search = searching(network(keras))
    with pytest.raises(ValueError, match=r"as the data ran out.*generator.*`while True:`"):
        search.fit(once(), epochs=3, steps_per_epoch=4, verbose=0)
    assert not search.history.levels
    # What the error says to do.
    search.fit(endless(), epochs=3, steps_per_epoch=4, verbose=0)
    assert [result.iterations for result in search.history.levels] == [12, 12, 12]


@BOTH
@pytest.mark.parametrize("batches", [10, 12])
def test_a_generator_that_ends_between_two_levels_has_run_out(keras, batches):
    """Keras takes batches ahead, so that there may have been some more."""
    data = ((X[:4], Y[:4]) for _ in range(batches))
    search = searching(network(keras))
    with pytest.raises(ValueError, match=r"^level 1 ended at iteration \d of 10, as the data ran"):
        search.fit(data, epochs=2, steps_per_epoch=5, verbose=0)
    assert len(search.history.levels) == 1


def test_epochs_that_become_shorter_are_an_error():
    """Of longer ones Keras takes as many batches as the first epoch had."""
    lengths = [3, 3, 2, 1, 1, 1]
    left = iter(lengths)

    def batches():
        for _ in range(next(left, lengths[-1])):
            yield X[:4], Y[:4]

    signature = (tf.TensorSpec((4, 6), tf.float32), tf.TensorSpec((4,), tf.int64))
    data = tf.data.Dataset.from_generator(batches, output_signature=signature)
    search = searching(network(), rewind_step="0it")
    with pytest.raises(ValueError, match=r"ended at iteration \d+ of 9, as the data ran out"):
        search.fit(data, epochs=3, verbose=0)
    assert not search.history.levels


@pytest.mark.slow
def test_lists_are_as_long_as_arrays():
    count = counter(tf_keras)
    model = network()
    lists = X.tolist(), Y.tolist()
    searching(model).fit(
        *lists, batch_size=4, epochs=2, shuffle=False, callbacks=[count], verbose=0
    )
    assert count.levels == [8, 4, 4]
    arrays = network()
    searching(arrays).fit(X, Y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    for one, two in zip(weights(model), weights(arrays), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    "keras",
    [
        pytest.param(tf_keras, id="tf_keras", marks=pytest.mark.slow),
        pytest.param(keras_3, id="keras_3"),
    ],
)
@pytest.mark.slow
def test_levels_have_their_full_length_after_backup_and_restore(keras, tmp_path):
    count = counter(keras)

    def search(callbacks: list) -> Any:
        found = searching(network(keras), folder=tmp_path / "search")
        backup = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
        found.fit(BATCHES, epochs=3, callbacks=[count, backup, *callbacks], verbose=0)
        return found

    class Interrupts(keras.callbacks.Callback):
        epochs = 0

        def on_epoch_end(self, epoch, logs=None):
            Interrupts.epochs += 1
            if Interrupts.epochs == 4:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search([Interrupts()])
    finished = search([])
    assert count.levels == [12, 4, 4, 8]
    assert [result.iterations for result in finished.history.levels] == [12, 12, 12]
    whole = searching(network(keras))
    whole.fit(BATCHES, epochs=3, verbose=0)
    assert [whole.mask(level) for level in range(3)] == [finished.mask(n) for n in range(3)]


def test_a_level_0_resumed_after_the_rewind_step_needs_a_folder(tmp_path):
    class Interrupts(tf_keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    def fit(callbacks: list) -> None:
        backup = tf_keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
        searching(network()).fit(BATCHES, epochs=3, callbacks=[backup, *callbacks], verbose=0)

    with pytest.raises(KeyboardInterrupt):
        fit([Interrupts()])
    with pytest.raises(ValueError, match=r"resumed at iteration 8 .*rewind step 4.*folder="):
        fit([])


@BOTH
def test_a_callback_that_stops_ends_the_level_and_the_history_says_so(keras):
    search = searching(network(keras))
    search.fit(BATCHES, epochs=3, callbacks=[stops(keras, after=6)], verbose=0)
    ends = [(result.iterations, result.stopped_early) for result in search.history.levels]
    assert ends == [(6, True), (10, True), (10, True)]
    assert "stopped at iteration 6" in str(search.history.levels[0])
    assert "stopped_early" in repr(search.history)
    with pytest.raises(
        ValueError, match="stopped level 0 at iteration 3, before the rewind step 4"
    ):
        searching(network(keras)).fit(
            BATCHES, epochs=3, callbacks=[stops(keras, after=3)], verbose=0
        )


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("validation_freq", [2, pytest.param(1, marks=pytest.mark.slow)])
def test_the_history_tells_of_the_weights_that_are_kept(keras, validation_freq, tmp_path):
    def measured() -> Any:
        return network(keras, rate=1.5, metrics=["accuracy"])

    stop = keras.callbacks.EarlyStopping("val_loss", patience=2, restore_best_weights=True)
    search = searching(measured(), levels=1, folder=tmp_path / "search")
    search.fit(
        X[:8],
        Y[:8],
        validation_data=(X[8:], Y[8:]),
        validation_freq=validation_freq,
        epochs=20,
        batch_size=2,
        callbacks=[stop],
        verbose=0,
    )
    assert any(result.weights_at < result.iterations for result in search.history.levels)
    for level, result in enumerate(search.history.levels):
        loss, accuracy = search.restore(level).evaluate(X[8:], Y[8:], verbose=0)
        assert result.metrics["val_loss"] == pytest.approx(loss, rel=1e-5)
        assert result.metrics["val_accuracy"] == pytest.approx(accuracy)
        assert result.weights_at % (4 * validation_freq) == 0
    again = searching(measured(), levels=1, folder=tmp_path / "search")
    assert again.history.levels == search.history.levels


@pytest.mark.parametrize("way", ["search", pytest.param("callback", marks=pytest.mark.slow)])
@pytest.mark.parametrize("steps", [3, pytest.param(8, marks=pytest.mark.slow)])
def test_executions_that_an_epoch_ends_within(steps, way):
    """Keras 3 counts such an execution as a whole one."""
    model = network(keras_3)
    model.compile("sgd", model.loss, steps_per_execution=steps, jit_compile=False)
    if way == "search":
        found = tf_lottery.IterativeMagnitudePruning(model, 1, rewind_step="1ep")
        found.fit(BATCHES, epochs=2, verbose=0)
    else:
        found = tf_lottery.PruneAndRewind(1, 2, rewind_step="1ep")
        model.fit(BATCHES, epochs=found.epochs(4), callbacks=[found], verbose=0)
    assert [result.iterations for result in found.history.levels] == [8, 8]
    # It began afresh.
    assert int(model.optimizer.iterations) == 4


def test_metrics_of_epochs_between_validations():
    logs = {"loss": [4, 3, 2, 1], "val_loss": [30, 10]}
    assert metrics_of_epoch(logs, [2, 3, 4, 5], 3, 2) == {"loss": 3, "val_loss": 30}
    assert metrics_of_epoch(logs, [2, 3, 4, 5], 5, 2) == {"loss": 1, "val_loss": 10}
    assert metrics_of_epoch(logs, [2, 3, 4, 5], 4, [3, 5]) == {"loss": 2, "val_loss": 10}
    # What was measured later belongs to other weights.
    assert metrics_of_epoch(logs, [2, 3, 4, 5], 2, 2) == {"loss": 4}


@BOTH
def test_weights_from_before_the_first_validation_are_validated(keras):
    rising = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: logs.update(rising=epoch)
    )
    stop = keras.callbacks.EarlyStopping("rising", mode="min", restore_best_weights=True)
    stop.patience = 9
    model = network(keras, metrics=["accuracy"])
    search = searching(model, levels=0, rewind_step=0)
    search.fit(
        BATCHES,
        validation_data=(X[:8], Y[:8]),
        validation_freq=3,
        epochs=3,
        callbacks=[rising, stop],
        verbose=0,
    )
    (result,) = search.history.levels
    assert result.weights_at == 4
    assert result.metrics["val_loss"] == pytest.approx(
        model.evaluate(X[:8], Y[:8], verbose=0)[0], rel=1e-6
    )


@BOTH
@pytest.mark.parametrize(
    ("rewind_step", "iteration"),
    [
        ("25%", 3),
        *(pytest.param(*each, marks=pytest.mark.slow) for each in [("1ep", 4), ("0.5ep", 2)]),
    ],
)
def test_lengths_of_data_of_unknown_length(rewind_step, iteration, keras, capsys):
    model = network(keras)
    search = searching(model, rewind_step=rewind_step)
    search.fit(unknown_length(), epochs=3, verbose=2)
    assert f"rewind_step='{rewind_step}' depends on them" in capsys.readouterr().out
    known = network(keras)
    searching(known, rewind_step=iteration).fit(BATCHES, epochs=3, verbose=0)
    for one, two in zip(weights(model), weights(known), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_generator_of_unknown_length_is_told_what_to_write():
    def examples():
        while True:
            yield X[:4], Y[:4]

    search = searching(network(), rewind_step="25%")
    with pytest.raises(ValueError, match=r"rewind_step='25%'.*generator.*steps_per_epoch"):
        search.fit(examples(), epochs=4, verbose=0)
    search.fit(examples(), epochs=4, steps_per_epoch=2, verbose=0)
    assert [result.iterations for result in search.history.levels] == [8, 8, 8]


class TestPruneAndRewind:
    """The callback, which sees one training."""

    def fit(self, keras: Any, imp: Any, epochs: int | None = None, **arguments: Any) -> Any:
        model = network(keras)
        model.fit(
            BATCHES,
            **{
                "epochs": epochs or imp.epochs(4),
                "callbacks": [imp],
                "verbose": 0,
            }
            | arguments,
        )
        return model

    def planned(self, **arguments: Any) -> Any:
        return tf_lottery.PruneAndRewind(
            2, epochs_per_level=3, pruning_rate=0.5, rewind_step="1ep", **arguments
        )

    @BOTH
    def test_early_stopping_ends_the_level_not_the_search(self, keras):
        def stop() -> Any:
            return keras.callbacks.EarlyStopping(
                "loss", patience=0, min_delta=10.0, restore_best_weights=True
            )

        imp = self.planned(level_callbacks=[stop()])
        model = self.fit(keras, imp)
        other = network(keras)
        search = searching(other, rewind_step="1ep")
        search.fit(BATCHES, epochs=3, callbacks=[stop()], verbose=0)
        assert imp.history.levels == search.history.levels
        ends = [(each.iterations, each.weights_at) for each in imp.history.levels]
        assert ends == [(8, 4), (12, 8), (12, 8)]
        for one, two in zip(weights(model), weights(other), strict=True):
            np.testing.assert_array_equal(one, two)

    @BOTH
    def test_a_callback_that_stops_within_an_epoch_ends_the_level(self, keras):
        imp = self.planned(level_callbacks=[stops(keras, after=6)])
        model = self.fit(keras, imp)
        other = network(keras)
        search = searching(other, rewind_step="1ep")
        search.fit(BATCHES, epochs=3, callbacks=[stops(keras, after=6)], verbose=0)
        assert [(each.iterations, each.weights_at) for each in imp.history.levels] == [
            (each.iterations, each.weights_at) for each in search.history.levels
        ]
        assert [each.iterations for each in imp.history.levels] == [6, 10, 10]
        if keras is tf_keras:  # It goes on with the batches that the level has left.
            return
        assert imp.history.levels == search.history.levels
        for one, two in zip(weights(model), weights(other), strict=True):
            np.testing.assert_array_equal(one, two)

    def test_callbacks_see_numbers(self):
        class Looks(tf_keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                assert isinstance(logs["loss"], float)

        self.fit(tf_keras, self.planned(level_callbacks=[Looks()]))

    def test_callbacks_begin_anew_at_each_level(self):
        levels = []

        def callbacks(level: int) -> list:
            levels.append(counter(tf_keras))
            return levels[-1:]

        self.fit(tf_keras, self.planned(level_callbacks=callbacks))
        assert [count.levels for count in levels] == [[12], [8], [8]]

    @pytest.mark.filterwarnings("ignore:EarlyStopping beside")
    @pytest.mark.parametrize("order", [1, pytest.param(-1, marks=pytest.mark.slow)])
    def test_a_callback_beside_that_stops_is_an_error(self, order):
        imp = self.planned()
        stop = tf_keras.callbacks.EarlyStopping("loss", patience=0, min_delta=10.0)
        match = r"ended at level 0 of 2.*EarlyStopping.*level_callbacks="
        with pytest.raises(ValueError, match=match):
            self.fit(tf_keras, imp, callbacks=[imp, stop][::order])

    def test_epochs_count_from_the_initial_epoch(self):
        with pytest.raises(ValueError, match=r"2 levels need 10 epochs .*begins at epoch 3"):
            self.fit(tf_keras, self.planned(), epochs=7, initial_epoch=3)
        imp = self.planned()
        self.fit(tf_keras, imp, epochs=10, initial_epoch=3)
        assert len(imp.history.levels) == 3

    def test_data_that_run_out_are_an_error(self):
        imp, model = self.planned(), network()
        with pytest.raises(ValueError, match=r"the data ran out.*repeat\(\).*`while True:`"):
            model.fit(unknown_length(), steps_per_epoch=3, epochs=20, callbacks=[imp], verbose=0)

    @BOTH
    def test_data_of_unknown_length_are_told_to_say_it(self, keras):
        def fit(data: tf.data.Dataset, **arguments: Any) -> tf_lottery.SearchHistory:
            imp = self.planned()
            network(keras).fit(data, epochs=imp.epochs(4), callbacks=[imp], verbose=0, **arguments)
            return imp.history

        advice = (
            r"an epoch is unknown.*assert_cardinality\(number\).*steps_per_epoch.*go on for all"
        )
        with pytest.raises(ValueError, match=advice):
            fit(unknown_length())
        # What the error says to do, either way.
        counted = fit(unknown_length().apply(tf.data.experimental.assert_cardinality(4)))
        repeated = fit(unknown_length().repeat(), steps_per_epoch=4)
        assert [level.iterations for level in counted.levels] == [12, 12, 12]
        assert counted.levels == repeated.levels

    def test_level_callbacks_need_whole_epochs(self):
        imp = tf_lottery.PruneAndRewind(
            1, 2, 0.5, "3it", level_callbacks=[tf_keras.callbacks.History()]
        )
        with pytest.raises(ValueError, match=r"level_callbacks: .*middle of an epoch"):
            self.fit(tf_keras, imp)
        with pytest.raises(ValueError, match="level_callbacks=3"):
            self.planned(level_callbacks=3)
