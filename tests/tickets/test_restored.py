"""Levels of a search as models of their own, side by side."""

from types import ModuleType
from typing import Any

import keras as keras_3
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import tf_lottery
from tests.either_keras import KERAS_3_FAST, TF_KERAS_FAST
from tests.same_weights import assert_same_weights
from tf_lottery.masking.layers import keras_variables, model_variables
from tf_lottery.masking.prunable import get_mask, own_pruning_rates, prunable
from tf_lottery.tickets.fit.search import IterativeMagnitudePruning
from tf_lottery.training.network import weights_of
from tf_lottery.training.schedule_lead import config_without_lead

X = np.random.default_rng(0).normal(size=(16, 6)).astype(np.float32)
Y = np.random.default_rng(1).integers(0, 3, 16)
BOTH = pytest.mark.parametrize("keras", [tf_keras, keras_3])
BATCHES = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)


def functional(keras: ModuleType, **compile_arguments: Any) -> Any:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,), name="x")
    hidden = keras.layers.Dense(10, "relu", name="hidden")(inputs)
    hidden = keras.layers.BatchNormalization(name="norm")(hidden)
    model = keras.Model(inputs, keras.layers.Dense(3, name="output")(hidden))
    return compiled(prunable(model, pruning_rates={"output": 0.1}), keras, **compile_arguments)


def subclassed(keras: ModuleType) -> Any:
    class Mine(keras.Model):
        def __init__(self):
            super().__init__(name="mine")
            self.hidden, self.head = keras.layers.Dense(10), keras.layers.Dense(3)

        def call(self, inputs):
            return self.head(self.hidden(inputs))

    keras.utils.set_random_seed(0)
    model = Mine()
    model(X[:1])
    return compiled(prunable(model), keras)


def compiled(model: Any, keras: ModuleType, **arguments: Any) -> Any:
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(rate, momentum=0.9), loss, **arguments)
    return model


def outputs(model: Any) -> np.ndarray:
    return np.asarray(model(X))


@TF_KERAS_FAST
def test_levels_are_held_side_by_side(keras: ModuleType):
    model = functional(keras)
    search = IterativeMagnitudePruning(model, 3, 0.4)
    search.fit(BATCHES, verbose=0)
    kept = weights_of(model)
    ticket, dense = search.restore(level=3), search.restore(level=0)
    assert ticket is not dense and search.restore(level=3) is not ticket
    assert get_mask(ticket) == search.mask(3)
    assert get_mask(dense).density == 1
    assert own_pruning_rates(ticket) == own_pruning_rates(model)
    assert np.abs(outputs(ticket) - outputs(dense)).max() > 0.01
    dense.fit(BATCHES, verbose=0)
    assert get_mask(ticket) == search.mask(3)
    for name, value in weights_of(model).items():
        np.testing.assert_array_equal(value, kept[name])


@TF_KERAS_FAST
@pytest.mark.parametrize("folder", [None, pytest.param("search", marks=pytest.mark.slow)])
@pytest.mark.slow
def test_the_callback_gives_the_same_levels(keras: ModuleType, tmp_path, folder):
    search = IterativeMagnitudePruning(functional(keras), 2, 0.4, rewind_step="1ep")
    search.fit(BATCHES, epochs=2, verbose=0)
    imp = tf_lottery.PruneAndRewind(2, 2, 0.4, "1ep", folder=folder and tmp_path / folder)
    model, refused = functional(keras), []

    def restore(batch: int, logs: Any) -> None:
        for take in (imp.restore, imp.mask):
            with pytest.raises(ValueError, match=r"^fit has not ended"):
                take(0)
        refused.append(batch)

    with pytest.raises(ValueError, match="level=0 is not finished"):
        imp.restore(0)
    during = keras.callbacks.LambdaCallback(on_train_batch_end=restore)
    model.fit(BATCHES, epochs=imp.epochs(4), callbacks=[during, imp], verbose=0)
    assert len(refused) == 16
    kept = weights_of(model)
    for level in range(3):
        assert imp.mask(level) == search.mask(level)
        for weights in ("trained", "rewind"):
            expected = search.restore(level, weights, into=search._network.model)
            assert_same_weights(weights_of(imp.restore(level, weights)), weights_of(expected))
    assert_same_weights(weights_of(model), kept)
    assert imp.restore(0, into=model) is model
    assert get_mask(model).density == 1
    for take in (imp.restore, imp.mask):
        with pytest.raises(ValueError, match="level=3 is not finished"):
            take(3)


@pytest.mark.slow
@BOTH
def test_levels_are_exported_side_by_side(keras: ModuleType, tmp_path):
    search = IterativeMagnitudePruning(functional(keras), 3, 0.4)
    search.fit(BATCHES, verbose=0)
    ticket, dense = search.restore(level=3), search.restore(level=0)
    report = tf_lottery.export(ticket, tmp_path / "out", ["keras"], dense=dense, measure=False)
    assert report.density == search.mask(3).density < 0.4


@pytest.mark.slow
@KERAS_3_FAST
def test_a_rewound_copy_trains_to_the_level_that_it_was(keras: ModuleType):
    model = functional(keras, metrics=["accuracy", keras.metrics.SparseCategoricalAccuracy("own")])
    search = IterativeMagnitudePruning(model, 2, 0.4, rewind_step="1ep")
    search.fit(BATCHES, epochs=3, verbose=0)
    expected, kept = search.restore(2), weights_of(model)
    start = search.restore(2, "rewind")
    # Four steps an epoch, by which the learning rate has halved four times.
    start.fit(BATCHES, epochs=3, initial_epoch=1, verbose=0)
    for name, value in weights_of(start).items():
        np.testing.assert_array_equal(value, weights_of(expected)[name])
        np.testing.assert_array_equal(value, kept[name])


@TF_KERAS_FAST
@pytest.mark.parametrize("told_by", [pytest.param("names", marks=pytest.mark.slow), "variables"])
def test_what_does_not_decay_does_not_in_a_copy(keras: ModuleType, told_by: str):
    model, optimizer = functional(keras), keras.optimizers.AdamW(0.1, weight_decay=0.5)
    exempt = [
        variable
        for name, variable in keras_variables(model).items()
        if name in ("hidden/bias", "output/kernel")
    ]
    told = {"names": {"var_names": ["bias", "gamma"]}, "variables": {"var_list": exempt}}[told_by]
    optimizer.exclude_from_weight_decay(**told)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    search = IterativeMagnitudePruning(model, 1, 0.4, rewind_step="1ep")
    search.fit(BATCHES, epochs=3, verbose=0)
    start = search.restore(1, "rewind")
    start.fit(BATCHES, epochs=3, initial_epoch=1, verbose=0)
    for name, value in weights_of(start).items():
        np.testing.assert_array_equal(value, weights_of(model)[name])


@pytest.mark.slow
@TF_KERAS_FAST
def test_a_copy_is_compiled_with_what_is_its_own(keras: ModuleType):
    own = keras.metrics.SparseCategoricalAccuracy("own")
    model = functional(keras, metrics=["accuracy", own], jit_compile=False)
    search = IterativeMagnitudePruning(model, 1, 0.4)
    search.fit(BATCHES, epochs=2, verbose=0)
    one, two = search.restore(1), search.restore(0)
    assert int(np.asarray(one.optimizer.iterations)) == 0
    assert one.optimizer is not model.optimizer
    assert config_without_lead(one.optimizer)["momentum"] == 0.9
    found = [each.evaluate(X, Y, verbose=0, return_dict=True) for each in (one, two, model)]
    assert found[0] == pytest.approx(found[2])
    assert set(found[0]) == {"loss", "accuracy", "own"}
    assert found[0]["loss"] != found[1]["loss"]
    one.fit(BATCHES, epochs=2, verbose=0)
    assert not weights_of(one)["hidden/kernel"][~search.mask(1)["hidden/kernel"]].any()
    assert float(np.asarray(own.result())) == pytest.approx(found[2]["own"])


@KERAS_3_FAST
def test_what_is_frozen_stays_frozen_in_copies(keras: ModuleType):
    model = functional(keras)
    model.get_layer("norm").trainable = False
    layer = model.layers[1]
    getattr(layer, "layer", layer).trainable = False
    model = compiled(model, keras)
    search = IterativeMagnitudePruning(model, 1, 0.4)
    search.fit(BATCHES, verbose=0)
    copy = search.restore(1)
    assert len(copy.trainable_variables) == len(model.trainable_variables) == 2


@KERAS_3_FAST
def test_models_that_keras_cannot_copy_need_a_model_that_takes_the_ticket(keras: ModuleType):
    model = subclassed(keras)
    search = IterativeMagnitudePruning(model, 1, 0.4)
    search.fit(BATCHES, verbose=0)
    with pytest.raises(ValueError, match=r"level=1 cannot be .* copy mine: .*subclassed.* into="):
        search.restore(1)
    other = subclassed(keras)
    dense, ticket = search.restore(0, into=other), search.restore(1, "rewind", into=model)
    assert (dense, ticket) == (other, model)
    assert get_mask(dense).density == 1
    assert get_mask(ticket) == search.mask(1)
    for wrong, message in ((functional(keras), r"into=.* no model of this search"), (3, "into=3")):
        with pytest.raises(ValueError, match=message):
            search.restore(1, into=wrong)


@TF_KERAS_FAST
def test_a_search_with_a_loop_of_its_own_gives_models_that_are_not_compiled(keras: ModuleType):
    model = functional(keras)
    plain = prunable(tf_lottery.strip(model))
    search = IterativeMagnitudePruning(plain, 1, 0.4, optimizer=keras.optimizers.SGD(0.1))
    search.run(lambda steps: [None for _ in steps] and None, iterations=2, verbose=False)
    copy = search.restore(1, "rewind")
    assert getattr(copy, "optimizer", None) is None
    assert get_mask(copy) == search.mask(1)


@KERAS_3_FAST
def test_restoring_draws_no_random_numbers(keras: ModuleType):
    search = IterativeMagnitudePruning(functional(keras), 1, 0.4)
    search.fit(BATCHES, verbose=0)
    drawn = []
    for restores in (0, 2):
        keras.utils.set_random_seed(3)
        for _ in range(restores):
            search.restore(1)
        layers = [keras.Input((6,)), keras.layers.Dense(9), keras.layers.Dropout(0.5)]
        model = keras.Sequential(layers)
        drawn.append([*model.get_weights(), np.asarray(model(X, training=True))])
    for one, two in zip(*drawn, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.slow
def test_copies_are_on_all_devices_of_the_searched_model(mirrored):
    with mirrored.scope():
        model = functional(tf_keras)
    search = IterativeMagnitudePruning(model, 1, 0.4)
    search.fit(BATCHES, verbose=0)
    expected = weights_of(model)
    copy = search.restore(1)
    assert copy.distribute_strategy is mirrored
    for name, value in weights_of(copy).items():
        np.testing.assert_array_equal(value, expected[name])
    copy.fit(BATCHES, verbose=0)
    for name, array in search.mask(1).items():
        for component in mirrored.experimental_local_results(model_variables(copy)[name]):
            assert not component.numpy()[~array].any()
            assert component.numpy()[array].all()


@BOTH
def test_normalization_of_the_model_that_takes_a_ticket_is_the_tickets(keras: ModuleType):
    """Its constants, too, which Keras makes of its weights when they are adapted."""

    def build(examples: np.ndarray) -> Any:
        keras.utils.set_random_seed(0)
        norm = keras.layers.Normalization(name="norm")
        norm.adapt(examples)
        layers = [keras.Input((6,)), norm, keras.layers.Dense(3, name="output")]
        return compiled(prunable(keras.Sequential(layers)), keras)

    search = IterativeMagnitudePruning(build(3 * X + 1), levels=1)
    search.fit(BATCHES, epochs=1, verbose=0)
    other = build(X)
    # Compiled with its own.
    at_once = tf.data.Dataset.from_tensor_slices((X, Y)).batch(16)
    other.fit(at_once, verbose=0)
    other.predict(X, verbose=0)
    search.restore(1, into=other)
    expected = search.restore(1).predict(X, verbose=0)
    assert np.array_equal(other.predict(X, verbose=0), expected)
    assert np.array_equal(np.asarray(other(X)), np.asarray(search.restore(1)(X)))
    # The loss of the only step, before its update.
    losses = [each.fit(at_once, verbose=0).history["loss"] for each in (other, search.restore(1))]
    np.testing.assert_allclose(*losses, rtol=1e-6)


@TF_KERAS_FAST
@pytest.mark.parametrize(
    ("units", "activation", "message"),
    [
        (4, "relu", "output/kernel has shape"),
        (3, "tanh", r"layer 2 of the model \(Dense\) has other settings; give one that the same"),
    ],
)
def test_a_model_that_does_not_fit_stays_as_it_is(keras: ModuleType, units, activation, message):
    search = IterativeMagnitudePruning(functional(keras), levels=0)
    search.fit(BATCHES, epochs=1, verbose=0)
    inputs = keras.Input((6,), name="x")
    hidden = keras.layers.Dense(10, activation, name="hidden")(inputs)
    hidden = keras.layers.BatchNormalization(name="norm")(hidden)
    other = prunable(keras.Model(inputs, keras.layers.Dense(units, name="output")(hidden)))
    before = {name: value.copy() for name, value in weights_of(other).items()}
    with pytest.raises(ValueError, match=rf"is no model of this search: {message}"):
        search.restore(0, into=other)
    after = weights_of(other)
    assert all(np.array_equal(value, after[name]) for name, value in before.items())
