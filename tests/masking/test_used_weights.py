"""Functions and operations of a graph that use a weight without calling its layer."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import keras as keras_3
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import tf_lottery
from tests.either_keras import TF_KERAS_FAST
from tf_lottery.masking.copies import why_not_copied
from tf_lottery.masking.used_weights import weights_used_directly

X = np.random.default_rng(0).normal(size=(64, 12)).astype("float32")
BATCHES = tf.data.Dataset.from_tensor_slices((X, X)).batch(32)
SCALE = tf_keras.layers.Dense(3, name="of_another_model")


def decoded(hidden: Any, kernel: Any) -> Any:
    return tf.matmul(hidden, tf.convert_to_tensor(kernel), transpose_b=True)


def by_layer(keras: Any, encoder: Any, hidden: Any) -> Any:
    return keras.layers.Lambda(lambda h: decoded(h, encoder.kernel), name="decoder")(hidden)


def by_variable(keras: Any, encoder: Any, hidden: Any) -> Any:
    kernel = encoder.kernel
    return keras.layers.Lambda(lambda h: decoded(h, kernel), name="decoder")(hidden)


def by_default(keras: Any, encoder: Any, hidden: Any) -> Any:
    def decode(h: Any, layer: Any = encoder) -> Any:
        return decoded(h, layer.kernel)

    return keras.layers.Lambda(decode, name="decoder")(hidden)


def by_partial(keras: Any, encoder: Any, hidden: Any) -> Any:
    activation = partial(decoded, kernel=encoder.kernel)
    return keras.layers.Lambda(lambda h: activation(h), name="decoder")(hidden)


def by_compiled_function(keras: Any, encoder: Any, hidden: Any) -> Any:
    @tf.function
    def decode(h: Any) -> Any:
        return decoded(h, encoder.kernel)

    return keras.layers.Lambda(lambda h: decode(h), name="decoder")(hidden)


def by_method(keras: Any, encoder: Any, hidden: Any) -> Any:
    class Parts:
        def __init__(self):
            self.held = SimpleNamespace(encoder=encoder)

        def decode(self, h: Any) -> Any:
            return decoded(h, self.held.encoder.kernel)

    return keras.layers.Lambda(Parts().decode, name="decoder")(hidden)


def by_object(keras: Any, encoder: Any, hidden: Any) -> Any:
    class Decode:
        def __init__(self):
            self.encoder = encoder

        def __call__(self, h: Any) -> Any:
            return decoded(h, self.encoder.kernel)

    decode = Decode()
    return keras.layers.Lambda(lambda h: decode(h), name="decoder")(hidden)


def by_class(keras: Any, encoder: Any, hidden: Any) -> Any:
    class Decoder(keras.layers.Layer):
        def call(self, h: Any) -> Any:
            return decoded(h, encoder.kernel)

        def compute_output_shape(self, shape: Any) -> Any:
            return (*shape[:-1], 12)

    return Decoder(name="decoder")(hidden)


def by_operation(keras: Any, encoder: Any, hidden: Any) -> Any:
    if keras is keras_3:
        return keras_3.ops.tensordot(hidden, encoder.kernel, axes=[[1], [1]])
    return tf.matmul(hidden, encoder.kernel, transpose_b=True)


WAYS = [
    *(by_layer, by_class, by_method, by_object, by_operation),
    *(
        pytest.param(way, marks=pytest.mark.slow)
        for way in (by_variable, by_default, by_partial, by_compiled_function)
    ),
]
BOTH = pytest.mark.parametrize("keras", [tf_keras, keras_3], ids=["tf_keras", "keras_3"])


def autoencoder(keras: Any, way: Any) -> Any:
    keras.utils.set_random_seed(0)
    encoder = keras.layers.Dense(4, name="encoder")
    inputs = keras.Input((12,))
    return keras.Model(inputs, way(keras, encoder, encoder(inputs)))


def trained(keras: Any, model: Any) -> Any:
    model.compile(keras.optimizers.Adam(0.05), "mse", run_eagerly=True)
    model.fit(BATCHES, epochs=2, verbose=0)
    return model


@BOTH
@pytest.mark.parametrize("way", WAYS)
def test_such_a_model_is_pruned_in_place_and_trains_as_it_is(keras, way):
    model = autoencoder(keras, way)
    assert list(weights_used_directly(model).values()) == ["encoder/kernel"]
    held = tf_lottery.prunable(model)
    assert held is model
    plain = trained(keras, autoencoder(keras, way))
    np.testing.assert_array_equal(
        np.asarray(plain.get_layer("encoder").kernel),
        np.asarray(trained(keras, held).get_layer("encoder").kernel),
    )


@BOTH
def test_what_the_function_uses_is_pruned(keras):
    model = tf_lottery.prunable(autoencoder(keras, by_layer))
    model.compile(keras.optimizers.Adam(0.05), "mse")
    search = tf_lottery.IterativeMagnitudePruning(model, levels=1, pruning_rate=0.75)
    search.fit(BATCHES, epochs=2, verbose=0)
    kernel = np.asarray(model.get_layer("encoder").kernel)
    assert np.count_nonzero(kernel) == 12
    bias = np.asarray(model.get_layer("encoder").bias)
    np.testing.assert_allclose(model(X).numpy(), (X @ kernel + bias) @ kernel.T, atol=1e-5)


@TF_KERAS_FAST
@pytest.mark.parametrize("way", [by_operation, pytest.param(by_layer, marks=pytest.mark.slow)])
@pytest.mark.slow
def test_it_is_exported_but_no_archive_and_not_compacted(keras, way, tmp_path):
    model = tf_lottery.prunable(autoencoder(keras, way))
    mask = tf_lottery.get_mask(model)
    mask = tf_lottery.Mask({name: array & (np.arange(4) > 0) for name, array in mask.items()})
    tf_lottery.set_mask(model, mask)
    with pytest.raises(ValueError, match=r"uses the weight encoder/kernel of another layer"):
        tf_lottery.compact(model)
    formats = ["saved_model", "tflite"]
    report = tf_lottery.export(model, tmp_path / "a", formats, test_data=(X, None), measure=False)
    written = [result.format for result in report.formats if result.verification]
    assert written == formats
    with pytest.raises(ValueError, match=r"formats: keras cannot .* uses the weight encoder/kern"):
        tf_lottery.export(model, tmp_path / "c", ["keras"], test_data=(X, None), measure=False)
    tf_lottery.export_saved_model(model, tmp_path / "b")
    serve = tf.saved_model.load(str(tmp_path / "b")).signatures["serving_default"]
    (found,) = serve(tf.constant(X)).values()
    np.testing.assert_allclose(found, model(X), atol=1e-6)


@BOTH
def test_functions_that_use_no_weight_of_the_graph_leave_it_to_be_copied(keras):
    inputs = keras.Input((12,))
    scale, names = tf.Variable(2.0, trainable=False), {"model": None}
    parts = SimpleNamespace(factor=2.0)

    def scaled(h: Any) -> Any:
        scaled = h * tf.convert_to_tensor(scale) if SCALE.name not in names else tf.nn.relu(h)
        return parts.factor * scaled

    dense = keras.layers.Dense(3, activation=lambda h: h)
    # The function does not look at it.
    parts.dense = dense
    hidden = keras.layers.Lambda(scaled)(dense(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2)(hidden))
    assert weights_used_directly(model) == {}
    assert why_not_copied(model) is None
    assert tf_lottery.prunable(model) is not model


@BOTH
def test_what_keras_and_a_layer_do_with_its_own_weights_is_no_such_use(keras):
    class Scaled(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.scale = self.add_weight(name="scale", shape=(shape[-1],), initializer="ones")
            self.inner = keras.layers.Dense(3)
            self.inner.build(shape)
            super().build(shape)

        def call(self, h: Any) -> Any:
            return self.inner(h * self.scale)

        def compute_output_shape(self, shape: Any) -> Any:
            return (*shape[:-1], 3)

    inputs = keras.Input((12,))
    hidden = keras.layers.Dense(4, kernel_regularizer="l2", activation=lambda h: h)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2, kernel_regularizer="l1")(Scaled()(hidden)))
    assert weights_used_directly(model) == {}


def test_no_code_is_read_of_layers_that_hold_masks(monkeypatch):
    """Of tf_lottery and tfmot, which every copy of a model would take longer for."""
    layers = [tf_keras.Input((12,)), tf_keras.layers.Dense(3, "relu")]
    model = tf_lottery.prunable(tf_keras.Sequential(layers))

    def read(code: Any) -> Any:
        raise AssertionError(code)

    monkeypatch.setattr("tf_lottery.masking.used_weights.dis.get_instructions", read)
    assert weights_used_directly(model) == {}


@BOTH
def test_in_a_nested_graph_too(keras):
    inner = autoencoder(keras, by_operation)
    inputs = keras.Input((12,))
    outer = keras.Model(inputs, keras.layers.Dense(2)(inner(inputs)))
    (weight,) = weights_used_directly(outer).values()
    assert weight.endswith("encoder/kernel")
    assert tf_lottery.prunable(outer) is outer
