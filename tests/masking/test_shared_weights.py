"""Weights that several layers share stay one weight; what a model has besides its graph stays."""

import math
from pathlib import Path
from typing import Any

import keras as keras_3
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import tf_lottery
from tests.either_keras import KERAS_3_FAST, TF_KERAS_FAST
from tf_lottery.masking.copies import plain_copy
from tf_lottery.masking.keras_versions import names_of_keras
from tf_lottery.masking.layers import model_variables, shared_parts
from tf_lottery.masking.prunable import masked_variables

TABLE_SHARED = {"table": ["the graph", "head"]}
DENSE_SHARED = {"dense": ["the graph", "each"]}
IDS = np.random.default_rng(0).integers(0, 30, (32, 7))
LABELS = np.random.default_rng(1).integers(0, 3, 32)
DATA = tf.data.Dataset.from_tensor_slices((IDS, LABELS)).batch(32)


def tied_head(keras: Any) -> Any:
    """A model whose last layer multiplies with the table of its embedding."""

    class Head(keras.layers.Layer):
        def __init__(self, table: Any, **arguments):
            super().__init__(**arguments)
            self.table = table

        def call(self, x):
            weights = tf.convert_to_tensor(self.table.embeddings)
            return tf.matmul(x, weights, transpose_b=True)

        def compute_output_shape(self, shape):
            return (*shape[:-1], 30)

        def get_config(self):
            table = keras.saving.serialize_keras_object(self.table)
            return {**super().get_config(), "table": table}

        @classmethod
        def from_config(cls, config):
            table = keras.saving.deserialize_keras_object(config.pop("table"))
            return cls(table, **config)

    inputs = keras.layers.Input((7,), dtype="int32")
    table = keras.layers.Embedding(30, 8, name="table")
    hidden = keras.layers.Dense(8, name="hidden")(
        keras.layers.GlobalAveragePooling1D()(table(inputs))
    )
    return keras.Model(inputs, Head(table, name="head")(hidden))


def in_wrapper_and_graph(keras: Any) -> Any:
    inputs = keras.layers.Input((7,), dtype="int32")
    dense = keras.layers.Dense(8, name="dense")
    x = keras.layers.Embedding(30, 8, name="table")(inputs)
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.TimeDistributed(dense, name="each")(x))
    return keras.Model(inputs, keras.layers.Dense(3, name="output")(dense(x)))


def called_twice(keras: Any) -> Any:
    inputs = keras.layers.Input((7,), dtype="int32")
    dense = keras.layers.Dense(8, name="dense")
    x = keras.layers.Embedding(30, 8, name="table")(inputs)
    x = keras.layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="output")(dense(dense(x))))


def compiled(model: Any, keras: Any) -> Any:
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def distinct(model: Any) -> int:
    return len({id(weight) for weight in model.trainable_weights})


@pytest.mark.parametrize(
    ("build", "shared", "keras"),
    [
        pytest.param(tied_head, TABLE_SHARED, tf_keras, id="tied_head-tf_keras"),
        pytest.param(
            tied_head, TABLE_SHARED, keras_3, id="tied_head-keras_3", marks=pytest.mark.slow
        ),
        pytest.param(
            *(in_wrapper_and_graph, DENSE_SHARED, tf_keras),
            id="in_wrapper_and_graph-tf_keras",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            in_wrapper_and_graph, DENSE_SHARED, keras_3, id="in_wrapper_and_graph-keras_3"
        ),
    ],
)
def test_shared_layers_are_held_in_place_and_stay_one(build, shared, keras):
    model = build(keras)
    assert shared_parts(model) == shared
    weights, outputs = distinct(model), np.asarray(model(IDS))
    pruned = compiled(tf_lottery.prunable(model), keras)
    assert pruned is model and distinct(pruned) == weights
    np.testing.assert_array_equal(np.asarray(pruned(IDS)), outputs)

    search = tf_lottery.IterativeMagnitudePruning(pruned, levels=1, pruning_rate=0.5)
    search.fit(DATA, epochs=1, verbose=0)
    mask = tf_lottery.get_mask(pruned)
    assert mask.density == pytest.approx(0.5, abs=0.01)
    for name, (weight, _) in masked_variables(pruned).items():
        assert not np.asarray(weight)[~mask[name]].any(), name
    outputs = np.asarray(pruned(IDS))
    stripped = tf_lottery.strip(pruned)
    assert distinct(stripped) == weights
    np.testing.assert_array_equal(np.asarray(stripped(IDS)), outputs)
    with pytest.raises(ValueError, match="has no masks"):
        tf_lottery.get_mask(stripped)


def test_an_export_leaves_the_masks_of_a_model_in_place(tmp_path):
    model = tf_lottery.prunable(tied_head(tf_keras))
    tf_lottery.export_saved_model(model, tmp_path / "exported")
    assert list(tf_lottery.get_mask(model)) == ["table/embeddings", "hidden/kernel"]
    served = tf.saved_model.load(tmp_path / "exported").signatures["serving_default"]
    (outputs,) = served(tf.constant(IDS, tf.int32)).values()
    np.testing.assert_allclose(outputs, model(IDS), atol=1e-6)


def test_gradient_scores_say_that_they_need_a_copy():
    model = compiled(tf_lottery.prunable(tied_head(tf_keras)), tf_keras)
    search = tf_lottery.IterativeMagnitudePruning(model, levels=1, score="snip")
    with pytest.raises(ValueError, match=r"cannot copy .*table is part of several of its layers"):
        search.fit(DATA, verbose=0)


def test_a_variable_of_two_layers_is_held_in_place():
    inputs = tf_keras.layers.Input((4,))
    one, two = (tf_keras.layers.Dense(4, name=name) for name in ("one", "two"))
    two(one(inputs))
    two.kernel = one.kernel
    model = tf_keras.Model(inputs, two(one(inputs)))
    assert tf_lottery.prunable(model) is model
    assert list(tf_lottery.get_mask(model)) == ["one/kernel"]


@KERAS_3_FAST
def test_a_layer_that_is_called_twice_is_copied(keras):
    model = called_twice(keras)
    assert not shared_parts(model)
    pruned = tf_lottery.prunable(model)
    assert pruned is not model and distinct(pruned) == distinct(model)
    np.testing.assert_array_equal(np.asarray(pruned(IDS)), np.asarray(model(IDS)))


@TF_KERAS_FAST
def test_attributes_stay(keras):
    class Tempered(keras.Model):
        def train_step(self, *arguments):
            assert self.temperature == 2.0
            return super().train_step(*arguments)

    graph = called_twice(keras)
    model = Tempered(graph.inputs, graph.outputs)
    model.temperature, model.words = 2.0, model.get_layer("table")
    pruned = compiled(tf_lottery.prunable(model), keras)
    assert type(pruned) is Tempered and pruned is not model
    pruned.fit(DATA, verbose=0)
    assert pruned.words is pruned.get_layer("table") is not model.words
    stripped = tf_lottery.strip(pruned)
    assert stripped.temperature == 2.0 and stripped.words is stripped.get_layer("table")


# Names that occur in the code of one Keras or the other too.
OWN = ("data", "values", "steps", "index", "result", "keys", "config", "history")


@pytest.mark.parametrize("keras", [tf_keras, keras_3], ids=["tf_keras", "keras_3"])
def test_attributes_stay_whatever_their_names_are(keras):
    model = called_twice(keras)
    for name in OWN:
        setattr(model, name, f"my {name}")
    pruned = tf_lottery.prunable(model)
    assert pruned is not model
    for copy in (pruned, tf_lottery.strip(pruned)):
        assert [getattr(copy, name) for name in OWN] == [f"my {name}" for name in OWN]


@TF_KERAS_FAST
def test_what_training_gives_a_model_is_not_the_users(keras):
    model = compiled(called_twice(keras), keras)
    model.fit(IDS, LABELS, validation_data=(IDS, LABELS), verbose=0)
    model.evaluate(IDS, LABELS, verbose=0)
    model.predict(IDS, verbose=0)
    public = {name for name in vars(model) if not name.startswith("_")}
    assert public <= names_of_keras(model)
    pruned = tf_lottery.prunable(model)
    assert getattr(pruned, "history", None) is None
    assert getattr(pruned, "optimizer", None) is not model.optimizer


@KERAS_3_FAST
def test_a_model_with_weights_in_attributes_is_held_in_place(keras):
    model = called_twice(keras)
    model.projector = keras.layers.Dense(5)
    model.projector.build((None, 8))
    weights = distinct(model)
    assert tf_lottery.prunable(model) is model and distinct(model) == weights


def of_two_outputs(keras: Any) -> Any:
    inputs = keras.layers.Input((4,), name="features")
    hidden = keras.layers.Dense(6, activation="relu", name="hidden")(inputs)
    inner = keras.Model(hidden, keras.layers.Dense(6, name="inner_dense")(hidden), name="inner")
    outputs = [
        keras.layers.Dense(3, name="kind")(inner(hidden)),
        keras.layers.Dense(1, name="size")(hidden),
    ]
    return keras.Model(inputs, outputs)


def check_names(model: Any, keras: Any, original: Any) -> None:
    """All names are there, losses and metrics go by them, and callbacks find those of an output."""
    assert list(model.output_names) == list(original.output_names)
    assert [layer.name for layer in model.layers] == [layer.name for layer in original.layers]
    assert model.get_layer("hidden").kernel.shape == (4, 6)
    assert model.get_layer("inner").get_layer("inner_dense").units == 6
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", {"kind": loss, "size": "mse"}, metrics={"kind": "accuracy"})
    x, labels = np.ones((8, 4), np.float32), {"kind": np.zeros(8), "size": np.zeros((8, 1))}
    # Nothing is so much better: it stops after the second epoch, if it finds the name.
    stop = keras.callbacks.EarlyStopping("val_kind_loss", min_delta=1e6, mode="min")
    data = tf.data.Dataset.from_tensor_slices((x, labels)).batch(8)
    history = model.fit(data, validation_data=data, epochs=3, callbacks=[stop], verbose=0).history
    assert {"kind_loss", "size_loss", "kind_accuracy", "val_kind_loss"} <= set(history)
    assert len(history["loss"]) == 2


@TF_KERAS_FAST
@pytest.mark.parametrize(
    "file", ["names.keras", *(pytest.param(f, marks=pytest.mark.slow) for f in (None, "names.h5"))]
)
@pytest.mark.parametrize(
    "stripped", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["masked", "stripped"]
)
def test_names_stay(stripped: bool, file: str | None, keras: Any, tmp_path: Path):
    original = of_two_outputs(keras)
    model = tf_lottery.prunable(original)
    if stripped:
        model = tf_lottery.strip(model)
    if file is not None:
        model.save(tmp_path / file)
        model = keras.models.load_model(tmp_path / file)
    check_names(model, keras, original)
    if not stripped:
        assert sorted(tf_lottery.get_mask(model)) == [
            "hidden/kernel",
            "inner/inner_dense/kernel",
            "kind/kernel",
            "size/kernel",
        ]


@KERAS_3_FAST
def test_copies_with_other_weights_are_refused(keras: Any, monkeypatch: pytest.MonkeyPatch):
    model = compiled(tf_lottery.prunable(called_twice(keras)), keras)
    search = tf_lottery.IterativeMagnitudePruning(model, levels=0)
    search.fit(DATA, verbose=0)

    def with_weights_twice(model: Any) -> Any:
        inputs = keras.layers.Input((7,), dtype="int32")
        copies = [keras.Sequential([plain_copy(model)], name=name) for name in ("one", "other")]
        return keras.Model(inputs, [copy(inputs) for copy in copies])

    monkeypatch.setattr("tf_lottery.masking.prunable.plain_copy", with_weights_twice)
    count = sum(math.prod(weight.shape) for weight in model_variables(model).values())
    words = rf"has {count} weights, but its copy {2 * count}: .*share weights"
    with pytest.raises(ValueError, match=words):
        tf_lottery.strip(model)
    with pytest.raises(ValueError, match=rf"level=0 cannot be given .*{words}.*into="):
        search.restore(0)
