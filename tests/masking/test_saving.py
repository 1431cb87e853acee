"""Masks survive Keras's file formats, and tfmot's tools work on our models."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras

from tf_lottery.masking.layers import model_variables
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import get_mask, prunable, set_mask

X = np.random.default_rng(0).normal(size=(12, 8, 8, 2)).astype(np.float32)
Y = np.arange(12) % 3


def small_network() -> keras.Model:
    """Separable, because its layer holds two masks, and a nested model."""
    block = keras.Sequential(
        [keras.layers.SeparableConv2D(4, 3, input_shape=(8, 8, 2), name="separable")], name="block"
    )
    return keras.Sequential(
        [
            block,
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.Flatten(),
            keras.layers.Dense(3, kernel_constraint="max_norm", name="output"),
        ]
    )


def train(model: keras.Model) -> None:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss)
    model.fit(tf.data.Dataset.from_tensor_slices((X, Y)).batch(4), epochs=2, verbose=0)


def sparse_model(trained: bool = True) -> tuple[keras.Model, Mask]:
    """A model that was pruned, and trained."""
    model = prunable(small_network(), pruning_rates={"output": 0.1})
    rng = np.random.default_rng(2)
    mask = Mask({name: rng.random(a.shape) < 0.5 for name, a in get_mask(model).items()})
    set_mask(model, mask)
    if trained:
        train(model)
    return model, mask


def assert_pruned(model: keras.Model, mask: Mask) -> None:
    assert get_mask(model) == mask
    variables = model_variables(model)
    for name, array in mask.items():
        assert not variables[name].numpy()[~array].view(np.uint32).any()
        assert variables[name].numpy()[array].all()


@pytest.mark.parametrize(
    "suffix",
    [
        pytest.param(".h5", marks=pytest.mark.slow),
        ".keras",
        pytest.param("", marks=pytest.mark.slow),
    ],
    ids=["h5", "keras", "SavedModel"],
)
def test_saved_models_keep_masks_and_train_on(tmp_path: Path, suffix: str):
    model, mask = sparse_model()
    path = tmp_path / f"model{suffix}"
    model.save(path)
    loaded = keras.models.load_model(path)
    assert_pruned(loaded, mask)
    np.testing.assert_array_equal(model(X), loaded(X))
    before = model_variables(loaded)["output/kernel"].numpy()
    train(loaded)
    assert_pruned(loaded, mask)
    assert not np.array_equal(before, model_variables(loaded)["output/kernel"])


@pytest.mark.parametrize(
    "name",
    [
        "weights.weights.h5",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("checkpoint", "weights.h5")),
    ],
)
def test_weight_files_keep_masks(tmp_path: Path, name: str):
    model, mask = sparse_model()
    model.save_weights(tmp_path / name)
    other = prunable(small_network())
    other.load_weights(tmp_path / name)
    assert_pruned(other, mask)
    for key, variable in model_variables(model).items():
        np.testing.assert_array_equal(variable, model_variables(other)[key])


def test_rates_survive(tmp_path: Path):
    model, _ = sparse_model(trained=False)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.layers[-1].pruning_rate == 0.1
    assert loaded.layers[0].layers[0].pruning_rate is None


def test_prune_scope_loads_our_models(tmp_path: Path):
    model, mask = sparse_model(trained=False)
    model.save(tmp_path / "model.h5")
    with tfmot.sparsity.keras.prune_scope():
        assert_pruned(keras.models.load_model(tmp_path / "model.h5"), mask)


def test_strip_pruning_of_tfmot(tmp_path: Path):
    model, mask = sparse_model(trained=False)
    plain = tfmot.sparsity.keras.strip_pruning(model)
    np.testing.assert_array_equal(model(X), plain(X))
    kernel = plain.get_layer("output").kernel.numpy()
    assert not kernel[~mask["output/kernel"]].any()
    plain.save(tmp_path / "plain.h5")
    assert b"tf_lottery" not in (tmp_path / "plain.h5").read_bytes()


def test_tfmot_pruning_callback_leaves_our_masks_alone():
    """Their UpdatePruningStep asks wrappers to prune; ours prune between levels only."""
    model, mask = sparse_model(trained=False)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    model.fit(X, Y, verbose=0, callbacks=[tfmot.sparsity.keras.UpdatePruningStep()])
    assert_pruned(model, mask)


@pytest.mark.slow
def test_clones_under_a_strategy(mirrored: tf.distribute.Strategy):
    with mirrored.scope():
        model = prunable(small_network())
        rng = np.random.default_rng(2)
        mask = Mask({name: rng.random(a.shape) < 0.5 for name, a in get_mask(model).items()})
        set_mask(model, mask)
    train(model)
    assert_pruned(model, mask)
