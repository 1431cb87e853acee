"""Layers that compute in bfloat16 keep float32 weights and masks, and exact zeros."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_lottery.masking.layers import model_variables
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import get_mask, masked_variables, prunable, set_mask, strip
from tf_lottery.pruning.model_plan import pruning_plan
from tf_lottery.pruning.scores.magnitudes import magnitude

X = np.random.default_rng(0).normal(size=(16, 6, 6, 2)).astype(np.float32)
Y = np.arange(16) % 3


@pytest.fixture(autouse=True)
def mixed_precision() -> Iterator[None]:
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    yield
    keras.mixed_precision.set_global_policy("float32")


def network() -> keras.Model:
    """With a constraint of its own, which sees the masked weights."""
    return keras.Sequential(
        [
            keras.layers.SeparableConv2D(4, 3, input_shape=(6, 6, 2), name="separable"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.Flatten(),
            keras.layers.Dense(5, kernel_constraint=keras.constraints.MaxNorm(0.5), name="hidden"),
            keras.layers.Dense(3, dtype="float32", name="output"),
        ]
    )


def half_mask(model: keras.Model) -> Mask:
    rng = np.random.default_rng(2)
    return Mask({name: rng.random(a.shape) < 0.5 for name, a in get_mask(model).items()})


def train(model: keras.Model, **execution) -> None:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss, **execution)
    model.fit(tf.data.Dataset.from_tensor_slices((X, Y)).batch(4), epochs=2, verbose=0)


def test_variables_are_float32_and_layers_compute_in_bfloat16():
    model = prunable(network())
    assert model.get_layer("separable")(X).dtype == tf.bfloat16
    assert {v.numpy().dtype for v in model_variables(model).values()} == {np.dtype(np.float32)}
    for weight, mask in masked_variables(model).values():
        assert weight.dtype == mask.dtype == tf.float32
    np.testing.assert_array_equal(model(X), strip(model)(X))


@pytest.mark.slow
@pytest.mark.parametrize(
    "execution",
    [
        pytest.param({"run_eagerly": True}, marks=pytest.mark.slow),
        {"steps_per_execution": 2},
        pytest.param({"jit_compile": True}, marks=pytest.mark.slow),
    ],
    ids=lambda execution: next(iter(execution)),
)
def test_masks_hold_in_training(execution: dict):
    model = prunable(network())
    before = {name: variable.numpy() for name, variable in model_variables(model).items()}
    mask = half_mask(model)
    set_mask(model, mask)
    assert get_mask(model) == mask
    for name, variable in model_variables(model).items():
        np.testing.assert_array_equal(variable, mask.apply(before)[name])
    train(model, **execution)
    assert get_mask(model) == mask
    for name, array in mask.items():
        trained = model_variables(model)[name].numpy()
        assert not trained[~array].view(np.uint32).any(), name
        assert (trained[array] != before[name][array]).any()
        # bfloat16 would leave the lower 16 bits empty.
        assert (trained.view(np.uint32) & 0xFFFF).any()
    hidden = model_variables(model)["hidden/kernel"].numpy()
    assert np.linalg.norm(hidden, axis=0).max() <= 0.5 * (1 + 1e-6)


@pytest.mark.slow
def test_two_replicas(mirrored: tf.distribute.Strategy):
    with mirrored.scope():
        model = prunable(network())
        mask = half_mask(model)
        set_mask(model, mask)
        train(model)
    assert get_mask(model) == mask
    for name, (weight, _) in masked_variables(model).items():
        values = [replica.numpy() for replica in mirrored.experimental_local_results(weight)]
        np.testing.assert_array_equal(*values)
        assert values[0].dtype == np.float32
        assert not values[0][~mask[name]].view(np.uint32).any()
    norm = strip(model).get_layer("norm")
    assert norm.moving_mean.numpy().dtype == np.float32


def test_scores_tell_apart_what_bfloat16_cannot():
    model = prunable(keras.Sequential([keras.layers.Dense(4, input_shape=(2,), name="dense")]))
    kernel = 1 + np.arange(8, dtype=np.float32).reshape(2, 4) * np.float32(2**-20)
    model_variables(model)["dense/kernel"].assign(kernel)
    weights = {name: variable.numpy() for name, variable in model_variables(model).items()}
    plan = pruning_plan(model, 0.5, "global")
    mask = plan.prune(magnitude(weights, get_mask(model)), get_mask(model), 1)
    assert mask["dense/kernel"].tolist() == [[False] * 4, [True] * 4]


@pytest.mark.parametrize(
    "suffix",
    [".h5", ".keras", pytest.param("", marks=pytest.mark.slow)],
    ids=["h5", "keras", "SavedModel"],
)
def test_saved_models_keep_policy_and_masks(tmp_path: Path, suffix: str):
    model = prunable(network())
    mask = half_mask(model)
    set_mask(model, mask)
    path = tmp_path / f"model{suffix}"
    model.save(path)
    keras.mixed_precision.set_global_policy("float32")
    loaded = keras.models.load_model(path)
    assert get_mask(loaded) == mask
    for kept, layer in zip(model.layers, loaded.layers, strict=True):
        assert layer.compute_dtype == kept.compute_dtype, layer.name
    np.testing.assert_array_equal(loaded(X), model(X))
