"""Masks that constraints hold are saved with graphs and weights, or their loss is said."""

import copy
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras as keras_3
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import tf_lottery
from tests.either_keras import KERAS_3_FAST, TF_KERAS_FAST
from tf_lottery.masking.prunable import masked_variables, own_pruning_rates
from tf_lottery.masking.users_objects import users_objects_known

X = np.random.default_rng(0).normal(size=(16, 5, 4)).astype(np.float32)
Y = np.random.default_rng(1).normal(size=(16, 2)).astype(np.float32)
ALL_FORMATS = pytest.mark.parametrize(
    ("keras", "suffix"),
    [
        pytest.param(tf_keras, ".keras", id="keras", marks=pytest.mark.slow),
        pytest.param(tf_keras, ".h5", id="h5", marks=pytest.mark.slow),
        pytest.param(tf_keras, "", id="SavedModel", marks=pytest.mark.slow),
        pytest.param(keras_3, ".keras", id="keras_3"),
    ],
)


def small(keras: Any) -> Any:
    layers = [keras.layers.SimpleRNN(3, name="rnn"), keras.layers.Dense(2, name="output")]
    return keras.Sequential([keras.layers.Input((5, 4)), *layers])


def recurrent(keras: Any) -> Any:
    inputs = keras.layers.Input((5, 4))
    x = keras.layers.Bidirectional(keras.layers.GRU(3, return_sequences=True))(inputs)
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.SimpleRNN(3)(x)))


def attention(keras: Any) -> Any:
    inputs = keras.layers.Input((5, 4))
    x = keras.layers.MultiHeadAttention(2, 3)(inputs, inputs)
    inner = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2)])
    return keras.Model(inputs, inner(keras.layers.GlobalAveragePooling1D()(x)))


def sequential(keras: Any) -> Any:
    return keras.Sequential(
        [
            keras.layers.Input((5, 4)),
            keras.layers.LSTM(3, name="lstm"),
            keras.layers.Dense(2, name="output"),
        ]
    )


def sparse(model: Any, **options: Any) -> Any:
    model = tf_lottery.prunable(model, **options)
    rng = np.random.default_rng(2)
    masks = {name: rng.random(a.shape) < 0.5 for name, a in tf_lottery.get_mask(model).items()}
    tf_lottery.set_mask(model, tf_lottery.Mask(masks))
    return model


def assert_stays_sparse(model: Any, keras: Any, mask: tf_lottery.Mask) -> None:
    assert tf_lottery.get_mask(model) == mask
    model.compile(keras.optimizers.Adam(0.01), "mse")
    model.fit(tf.data.Dataset.from_tensor_slices((X, Y)).batch(32), epochs=2, verbose=0)
    for name, (weight, _) in masked_variables(model).items():
        values = np.asarray(weight)
        assert not values[~mask[name]].view(np.uint32).any() and values[mask[name]].all(), name


@ALL_FORMATS
@pytest.mark.parametrize(
    "build",
    [
        small,
        *(
            pytest.param(each, marks=pytest.mark.slow)
            for each in (sequential, recurrent, attention)
        ),
    ],
)
def test_loaded_models_keep_their_masks_and_train_on(
    build: Callable[[Any], Any], keras: Any, suffix: str, tmp_path: Path
):
    model = sparse(build(keras))
    mask = tf_lottery.get_mask(model)
    model.save(tmp_path / f"model{suffix}")
    loaded = keras.models.load_model(tmp_path / f"model{suffix}")
    np.testing.assert_array_equal(np.asarray(loaded(X)), np.asarray(model(X)), strict=True)
    assert_stays_sparse(loaded, keras, mask)
    stripped = tf_lottery.strip(loaded)
    assert type(stripped) is type(build(keras))
    stripped.save(tmp_path / "plain.keras")
    assert type(keras.models.load_model(tmp_path / "plain.keras")) is type(stripped)


@TF_KERAS_FAST
@pytest.mark.slow
def test_rates_of_layers_and_zeros_from_the_start_are_saved_too(keras: Any, tmp_path: Path):
    model = small(keras)
    kernel, bias = model.get_layer("output").get_weights()
    kernel[0] = 0
    model.get_layer("output").set_weights([kernel, bias])
    model = tf_lottery.prunable(model, pruning_rates={"output": 0.1}, keep_zeros=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert own_pruning_rates(loaded) == own_pruning_rates(model)
    assert own_pruning_rates(loaded)["output/kernel"] == 0.1
    loaded.compile("sgd", "mse")
    history = tf_lottery.IterativeMagnitudePruning(loaded, levels=1).fit(X, Y, verbose=0)
    assert history.levels[0].weights_remaining == tf_lottery.get_mask(model).remaining


@KERAS_3_FAST
def test_masks_that_do_not_fit_are_refused(keras: Any):
    model = sparse(sequential(keras))
    config = model.get_config()
    masks = config["tf_lottery_masks"]
    other = {**config, "tf_lottery_masks": {**masks, "output/bias": masks["output/kernel"]}}
    with pytest.raises(ValueError, match="mask of output/bias in the file does not fit"):
        type(model).from_config(other)
    other = {**config, "tf_lottery_masks": {"gone/kernel": masks["output/kernel"]}}
    with pytest.raises(ValueError, match="masks of gone/kernel, but the model has no such"):
        type(model).from_config(other)


@pytest.mark.slow
@pytest.mark.parametrize("first", ["tf_lottery", "{keras}"])
@ALL_FORMATS
def test_another_process_loads_them(keras: Any, suffix: str, first: str, tmp_path: Path):
    """Also where Keras is imported after tf_lottery, and for masks that tfmot's wrapper holds."""
    sparse(sequential(keras)).save(tmp_path / f"held{suffix}")
    dense = [keras.layers.Input((5, 4)), keras.layers.Flatten(), keras.layers.Dense(2)]
    sparse(keras.Sequential(dense)).save(tmp_path / f"wrapped{suffix}")
    name = keras.__name__
    code = f"""
import {first.format(keras=name)}
import tf_lottery
from {name}.models import load_model
for file in ("held", "wrapped"):
    assert tf_lottery.get_mask(load_model(rf"{tmp_path}/{{file}}{suffix}")).density < 1
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def own_class(keras: Any) -> type:
    class Own(keras.Model):
        def __init__(self, **arguments):
            super().__init__(**arguments)
            self.lstm, self.output_layer = keras.layers.LSTM(3), keras.layers.Dense(2)

        def call(self, x):
            return self.output_layer(self.lstm(x))

    return Own


def of_own_class(keras: Any) -> Any:
    model = own_class(keras)()
    model(X)
    return model


@KERAS_3_FAST
def test_models_of_the_users_class_say_that_their_masks_are_not_saved(keras: Any, tmp_path: Path):
    Own = own_class(keras)
    model = Own()
    model(X)
    model = sparse(model)
    with pytest.warns(UserWarning, match=r"own\w* is saved without its masks.*get_mask\(model\)"):
        model.save(tmp_path / "own.keras")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        tf_lottery.strip(model).save(tmp_path / "own.keras")
    with users_objects_known(model):
        loaded = keras.models.load_model(tmp_path / "own.keras", {"Own": Own})
    with pytest.raises(ValueError, match="has no masks"):
        tf_lottery.get_mask(loaded)


@pytest.mark.parametrize(
    ("keras", "name"),
    [
        pytest.param(tf_keras, "ticket.weights.h5", id="tf_keras", marks=pytest.mark.slow),
        pytest.param(tf_keras, "ticket.h5", id="h5", marks=pytest.mark.slow),
        pytest.param(keras_3, "ticket.weights.h5", id="keras_3"),
    ],
)
@pytest.mark.parametrize("build", [small, pytest.param(of_own_class, marks=pytest.mark.slow)])
def test_files_of_weights_keep_masks(
    build: Callable[[Any], Any], keras: Any, name: str, tmp_path: Path
):
    model = sparse(build(keras))
    mask = tf_lottery.get_mask(model)
    model.save_weights(tmp_path / name)
    model.save_weights(tmp_path / name)  # The masks of before are replaced.
    loaded = tf_lottery.prunable(build(keras))
    loaded.load_weights(tmp_path / name)
    np.testing.assert_array_equal(loaded(X), model(X))
    plain = build(keras)
    plain.load_weights(tmp_path / name)
    np.testing.assert_array_equal(plain(X), model(X))
    assert tf_lottery.get_mask(loaded) == mask
    tf_lottery.strip(loaded).save_weights(tmp_path / "plain.weights.h5")
    assert b"tf_lottery" not in (tmp_path / "plain.weights.h5").read_bytes()


@TF_KERAS_FAST
def test_loaded_weights_are_masked(keras: Any, tmp_path: Path):
    """Those that an optimizer with use_ema assigns when training ends are not."""
    model = sparse(small(keras))
    mask = tf_lottery.get_mask(model)
    model.set_weights([np.ones_like(weight) for weight in model.get_weights()])
    model.save_weights(tmp_path / "ticket.weights.h5")
    loaded = tf_lottery.prunable(small(keras))
    loaded.load_weights(tmp_path / "ticket.weights.h5")
    for name, (weight, _) in masked_variables(loaded).items():
        np.testing.assert_array_equal(weight, mask[name].astype(np.float32))


@KERAS_3_FAST
def test_weights_that_are_loaded_from_whole_models_have_their_masks(keras: Any, tmp_path: Path):
    model = sparse(small(keras))
    model.save(tmp_path / "model.keras")
    loaded = tf_lottery.prunable(small(keras))
    loaded.load_weights(tmp_path / "model.keras")
    assert tf_lottery.get_mask(loaded) == tf_lottery.get_mask(model)


@pytest.mark.slow
@TF_KERAS_FAST
def test_checkpoints_of_weights_alone_keep_masks(keras: Any, tmp_path: Path):
    model = sparse(small(keras))
    model.compile(keras.optimizers.Adam(0.01), "mse")
    path = str(tmp_path / "best.weights.h5")
    model.fit(X, Y, callbacks=[keras.callbacks.ModelCheckpoint(path, save_weights_only=True)])
    loaded = tf_lottery.prunable(small(keras))
    loaded.load_weights(path)
    assert_stays_sparse(loaded, keras, tf_lottery.get_mask(model))


@pytest.mark.parametrize("build", [small, of_own_class])
def test_files_that_are_not_hdf5_say_that_masks_are_not_in_them(build: Any, tmp_path: Path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model = tf_lottery.prunable(build(tf_keras))
        model.save_weights(tmp_path / "dense")
        model.load_weights(tmp_path / "dense")
    model = sparse(build(tf_keras))
    mask = tf_lottery.get_mask(model)
    match = r'without its masks, .*"ticket.weights.h5".*get_mask\(model\)\.save.*set_mask\('
    with pytest.warns(UserWarning, match=match):
        model.save_weights(tmp_path / "ticket")
    mask.save(tmp_path / "ticket.npz")
    loaded = tf_lottery.prunable(build(tf_keras))
    pruned = mask.total - mask.remaining
    with pytest.warns(UserWarning, match=rf"ticket holds no masks: {pruned} weights .*set_mask\("):
        loaded.load_weights(tmp_path / "ticket")
    tf_lottery.set_mask(loaded, tf_lottery.Mask.load(tmp_path / "ticket.npz"))
    assert tf_lottery.get_mask(loaded) == mask


@TF_KERAS_FAST
def test_weights_of_stripped_and_of_other_models_say_that_masks_are_missing(
    keras: Any, tmp_path: Path
):
    model = sparse(small(keras))
    mask = tf_lottery.get_mask(model)
    tf_lottery.strip(model).save_weights(tmp_path / "plain.weights.h5")
    loaded = tf_lottery.prunable(small(keras))
    with pytest.warns(UserWarning, match=r"plain.weights.h5 holds no masks: .*keep_zeros=True"):
        loaded.load_weights(tmp_path / "plain.weights.h5")
    # What the warning says to do.
    again = tf_lottery.prunable(tf_lottery.strip(loaded), keep_zeros=True)
    assert tf_lottery.get_mask(again) == mask
    model.save_weights(tmp_path / "ticket.weights.h5")
    renamed = keras.Sequential(
        [keras.layers.Input((5, 4)), keras.layers.SimpleRNN(3, name="other"), keras.layers.Dense(2)]
    )
    renamed = tf_lottery.prunable(renamed)
    with pytest.warns(UserWarning, match=r"holds no masks of other/.*: \d+ weights of"):
        renamed.load_weights(tmp_path / "ticket.weights.h5")
    assert tf_lottery.get_mask(renamed).density == 1.0


@pytest.mark.parametrize("keras", [pytest.param(tf_keras, marks=pytest.mark.slow), keras_3])
def test_a_pickled_model_has_its_masks(keras):
    model = tf_lottery.prunable(small(keras))
    mask = {
        n: np.arange(a.size).reshape(a.shape) % 2 > 0 for n, a in tf_lottery.get_mask(model).items()
    }
    tf_lottery.set_mask(model, tf_lottery.Mask(mask))
    for loaded in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert tf_lottery.get_mask(loaded) == tf_lottery.get_mask(model)
        assert loaded(X).numpy().tobytes() == model(X).numpy().tobytes()
