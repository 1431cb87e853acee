"""What diverged is never recorded, and the message says where it began."""

import keras as keras_3
import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

import tf_lottery
from tf_lottery.tickets.fit.prune_and_rewind import PruneAndRewind
from tf_lottery.tickets.fit.search import IterativeMagnitudePruning
from tf_lottery.training.divergence import TrainingDivergedError, bad_data


@pytest.fixture(
    params=[
        pytest.param(keras, id="tf_keras"),
        pytest.param(keras_3, id="keras_3", marks=pytest.mark.slow),
    ]
)
def version(request):
    return request.param


def build(optimizer=None, keras=keras):
    """A network that hides a NaN in the input, as relu(NaN) is 0 on some CPUs."""
    keras.utils.set_random_seed(1)
    layers = [
        keras.Input((6,)),
        keras.layers.Dense(10, lambda inputs: tf.where(inputs > 0, inputs, 0.0), name="hidden"),
        keras.layers.Dense(3, name="output"),
    ]
    model = tf_lottery.prunable(keras.Sequential(layers))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer or keras.optimizers.SGD(0.1), loss)
    return model


@pytest.fixture
def bad(arrays):
    x, y = arrays[0].copy(), arrays[1]
    x[9, 2] = np.nan
    return x, y


@pytest.mark.slow
def test_good_data_afterwards_work_in_the_same_folder(arrays, bad, tmp_path):
    search = IterativeMagnitudePruning(build(), 1, folder=tmp_path)
    with pytest.raises(TrainingDivergedError, match=r"level 0: .*x has NaN in example 9\."):
        search.fit(*bad, epochs=2, batch_size=4, shuffle=False, verbose=0)
    assert search.history.levels == []
    assert not (tmp_path / "level_0" / "level.json").exists()
    # Another process, with another length of training: nothing was finished.
    again = IterativeMagnitudePruning(build(), 1, folder=tmp_path)
    history = again.fit(*arrays, epochs=3, batch_size=4, verbose=0)
    assert [result.level for result in history.levels] == [0, 1]
    for level in range(2):
        assert all(np.isfinite(w).all() for w in again.restore(level).get_weights())
    # And the same object, in a notebook.
    memory = IterativeMagnitudePruning(build(), 1)
    with pytest.raises(TrainingDivergedError):
        memory.fit(*bad, epochs=1, verbose=0)
    assert len(memory.fit(*arrays, epochs=1, verbose=0).levels) == 2


def test_a_finished_level_still_refuses_other_arguments(arrays, tmp_path):
    IterativeMagnitudePruning(build(), 0, folder=tmp_path).fit(*arrays, epochs=1, verbose=0)
    with pytest.raises(ValueError, match="holds another search"):
        IterativeMagnitudePruning(build(), 0, folder=tmp_path).fit(*arrays, epochs=2, verbose=0)


def test_the_first_bad_iteration_is_named(version, arrays):
    """The rate becomes infinite before the third step of the second epoch, number 7."""
    model = build(keras=version)

    def explode(batch, logs):
        if int(model.optimizer.iterations) == 6:
            model.optimizer.learning_rate.assign(np.inf)

    callback = version.callbacks.LambdaCallback(on_train_batch_begin=explode)
    search = IterativeMagnitudePruning(model, 1)
    with pytest.raises(TrainingDivergedError, match=r"loss is nan, since iteration 8\. No example"):
        search.fit(*arrays, batch_size=4, epochs=3, verbose=0, callbacks=[callback])


def test_in_a_loop_of_your_own(bad):
    model = build()
    search = IterativeMagnitudePruning(model, 1)

    def train(steps):
        for _ in steps:
            model.train_on_batch(*bad)
        return {"accuracy": 0.5}

    with pytest.raises(TrainingDivergedError, match=r"level 0: the weight hidden/kernel"):
        search.run(train, iterations=3, verbose=False)
    assert search.history.levels == []
    with pytest.raises(TrainingDivergedError, match="level 0: the val_loss is nan"):
        search.run(lambda steps: {"val_loss": len([*steps]) * np.nan}, iterations=3, verbose=False)


def test_in_the_callback(bad, arrays):
    model = build()
    imp = PruneAndRewind(levels=1, epochs_per_level=1)
    with pytest.raises(TrainingDivergedError, match=r"level 0: .*hidden/kernel.*Look for NaN"):
        model.fit(*bad, epochs=2, batch_size=4, callbacks=[imp], verbose=0)
    assert imp.history.levels == []
    with pytest.raises(ValueError, match=r"hidden/kernel is not finite.*build the model anew"):
        model.fit(*arrays, epochs=2, callbacks=[PruneAndRewind(1, 1)], verbose=0)
    with pytest.raises(ValueError, match="build the model anew"):
        IterativeMagnitudePruning(model, 1)


def test_a_rewind_state_that_is_not_finite_is_not_kept(version, bad, tmp_path):
    search = IterativeMagnitudePruning(build(keras=version), 1, rewind_step=6, folder=tmp_path)
    with pytest.raises(TrainingDivergedError, match="at iteration 6"):
        search.fit(*bad, epochs=3, batch_size=4, verbose=0)
    assert not (tmp_path / "rewind").exists()


def test_where_the_data_are_bad(bad, arrays):
    x, y = bad
    dataset = tf.data.Dataset.from_tensor_slices(bad).batch(4)
    for given, message in (
        ({"x": x}, "x has NaN in example 9"),
        ({"x": {"a": arrays[0], "b": x}}, "x['b'] has NaN in example 9"),
        ({"x": dataset}, "x has NaN in part 0 of batch 2, example 9"),
        ({"x": arrays[0], "sample_weight": np.array([1, np.inf])}, "sample_weight has an infinite"),
        ({"x": arrays[0], "validation_data": bad}, "validation_data[0] has NaN in example 9"),
    ):
        assert bad_data(given, None).startswith(message)
    assert bad_data({"x": arrays[0], "y": y}, None) is None
    assert bad_data({"x": dataset.repeat()}, 2) is None
    assert bad_data({"x": iter([x])}, None) is None


def test_infinite_constants_of_a_model_are_its_own(arrays):
    class Biased(keras.layers.Layer):
        def build(self, shape):
            self.never = self.add_weight("never", [1], trainable=False)
            self.never.assign([-np.inf])

        def call(self, inputs):
            return inputs + 0.0 * tf.zeros_like(self.never)

    layers = [Biased(input_shape=(6,)), keras.layers.Dense(3, name="output")]
    model = tf_lottery.prunable(keras.Sequential(layers), allow_unknown=True)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = IterativeMagnitudePruning(model, 1).fit(*arrays, epochs=1, verbose=0)
    assert len(history.levels) == 2
