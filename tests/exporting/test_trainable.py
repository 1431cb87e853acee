"""Networks without the units that a mask has pruned compute and train as the whole ones do."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

import tf_lottery
from tf_lottery.exporting.compaction.trainable import (
    NotCompactedError,
    SmallModel,
    compact_for_training,
)
from tf_lottery.masking.layers import model_variables
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.units import output_kernels, unit_axes
from tf_lottery.training.network import set_weights

layers = keras.layers


def dense() -> keras.Model:
    inputs = keras.Input((6,))
    features = layers.Dense(8, "tanh", name="one")(inputs)
    features = layers.Dense(7, "relu", name="two")(features)
    return keras.Model(inputs, layers.Dense(3, name="output")(features))


def normalized(activation: str = "relu") -> keras.Model:
    inputs = keras.Input((8, 8, 2))
    features = layers.Conv2D(6, 3, padding="same", name="one")(inputs)
    features = layers.BatchNormalization(name="one_norm")(features)
    features = layers.Activation(activation, name="activation")(features)
    features = layers.MaxPooling2D(name="pool")(features)
    features = layers.Conv2D(5, 3, activation="relu", name="two")(features)
    features = layers.Flatten(name="flatten")(features)
    return keras.Model(inputs, layers.Dense(3, name="output")(features))


def residual() -> keras.Model:
    def norm(features, name):
        return layers.BatchNormalization(name=name, gamma_initializer="zeros")(features)

    inputs = keras.Input((8, 8, 2))
    stem = layers.Conv2D(6, 3, padding="same", use_bias=False, name="stem")(inputs)
    features = layers.ReLU(name="stem_relu")(layers.BatchNormalization(name="stem_norm")(stem))
    inner = layers.Conv2D(4, 3, padding="same", use_bias=False, name="one")(features)
    inner = layers.ReLU(name="one_relu")(layers.BatchNormalization(name="one_norm")(inner))
    inner = layers.Conv2D(6, 3, padding="same", use_bias=False, name="two")(inner)
    features = layers.Add(name="sum")([features, norm(inner, "two_norm")])
    features = layers.GlobalAveragePooling2D(name="mean")(layers.ReLU(name="relu")(features))
    return keras.Model(inputs, layers.Dense(3, name="output")(features))


def separable() -> keras.Model:
    inputs = keras.Input((8, 8, 2))
    features = layers.SeparableConv2D(6, 3, padding="same", activation="relu", name="one")(inputs)
    features = layers.DepthwiseConv2D(3, padding="same", activation="relu", name="two")(features)
    features = layers.Conv2DTranspose(5, 2, strides=2, activation="relu", name="three")(features)
    features = layers.GlobalMaxPooling2D(name="largest")(features)
    return keras.Model(inputs, layers.Dense(3, name="output")(features))


def nested() -> keras.Model:
    block = keras.Sequential(
        [layers.Dense(7, "relu", input_shape=(6,), name="one"), layers.Dropout(0.0, name="drop")],
        name="block",
    )
    inputs = keras.Input((6,))
    features = layers.Dense(9, "gelu", name="two")(block(inputs))
    return keras.Model(inputs, layers.Dense(3, name="output")(features))


def whole(build: Callable[[], keras.Model]) -> keras.Model:
    """A prunable model, no weight of which is where it begins."""
    model, random = tf_lottery.prunable(build()), np.random.default_rng(0)
    for name, variable in model_variables(model).items():
        values = random.normal(0.3, 0.5, variable.shape)
        variable.assign(np.abs(values) + 0.5 if name.endswith("variance") else values)
    return model


def mask_without(model: keras.Model, units: dict[str, list[int]]) -> Mask:
    """The mask of a network without units, by the names of weights."""
    arrays = {name: array.copy() for name, array in tf_lottery.get_mask(model).items()}
    axes = unit_axes(model)
    assert not output_kernels(model) & set(units)
    for name, gone in units.items():
        last = np.moveaxis(arrays[name], axes[name], range(-len(axes[name]), 0))
        kept = np.ones(last.shape[-len(axes[name]) :], bool)
        kept.ravel()[gone] = False
        last &= kept
    return Mask(arrays)


NETWORKS = {
    "dense": (dense, {"one/kernel": [0, 3, 4], "two/kernel": [6]}),
    "normalized": (normalized, {"one/kernel": [1, 5], "two/kernel": [0, 2]}),
    # The third channel of the stem and of the block end in one sum.
    "residual": (residual, {"stem/kernel": [2, 4], "one/kernel": [0], "two/kernel": [2, 3]}),
    "separable": (
        separable,
        {"one/pointwise_kernel": [0, 3], "two/depthwise_kernel": [1], "three/kernel": [2]},
    ),
    "nested": (nested, {"block/one/kernel": [1, 2], "two/kernel": [8]}),
}
SIZES = {
    "dense": {"one/bias": 5, "two/bias": 6, "output/kernel": 6 * 3},
    "normalized": {"one_norm/beta": 4, "two/kernel": 3 * 3 * 4 * 3, "output/kernel": 2 * 2 * 3 * 3},
    "residual": {"stem/kernel": 3 * 3 * 2 * 5, "one_norm/gamma": 3, "two/kernel": 3 * 3 * 3 * 5},
    "separable": {"one/bias": 3, "two/bias": 3, "three/kernel": 2 * 2 * 4 * 3},
    "nested": {"block/one/bias": 5, "two/bias": 8},
}


def both(name: str) -> tuple[keras.Model, keras.Model, SmallModel]:
    """The whole network, masked and without the offsets of what is gone, and the small one."""
    build, units = NETWORKS[name]
    model = whole(build)
    parts = compact_for_training(model, mask_without(model, units))
    weights = {
        each: parts.selections[each].without(variable.numpy())
        if each in parts.zeroed
        else variable.numpy()
        for each, variable in model_variables(model).items()
    }
    set_weights(model, weights, parts.mask)
    small = parts.prunable(model)
    gathered = {each: parts.selections[each].gather(array) for each, array in weights.items()}
    set_weights(small, gathered, parts.small_mask)
    return model, small, parts


@pytest.mark.parametrize(
    "name",
    [
        *("normalized", "residual", "nested"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("dense", "separable")),
    ],
)
def test_small_network_computes_and_learns_the_same(name):
    model, small, parts = both(name)
    sizes = {each: int(np.prod(v.shape)) for each, v in model_variables(small).items()}
    assert {each: sizes[each] for each in SIZES[name]} == SIZES[name]
    inputs = np.random.default_rng(1).normal(size=(20, *model.input_shape[1:]))
    for training in (False, True):
        gradients = []
        for one in (model, small):
            with tf.GradientTape() as tape:
                outputs = one(tf.constant(inputs, tf.float32), training=training)
                loss = tf.reduce_sum(outputs * tf.constant([[1.0, -2.0, 0.5]]) + outputs**2)
            names = {id(v): each for each, v in model_variables(one).items()}
            found = tape.gradient(loss, one.trainable_variables)
            variables = one.trainable_variables
            own = {names[id(v)]: g.numpy() for v, g in zip(variables, found, strict=True)}
            gradients.append((outputs.numpy(), own))
        (expected, whole_gradients), (outputs, small_gradients) = gradients
        np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-4)
        scale = max(np.abs(gradient).max() for gradient in whole_gradients.values())
        for each, gradient in small_gradients.items():
            wanted = parts.selections[each].gather(whole_gradients[each])
            np.testing.assert_allclose(gradient, wanted, rtol=1e-3, atol=1e-4 * scale, err_msg=each)
    # The statistics that training has moved.
    for each, variable in model_variables(small).items():
        wanted = parts.selections[each].gather(model_variables(model)[each].numpy())
        np.testing.assert_allclose(variable.numpy(), wanted, rtol=1e-4, atol=1e-5, err_msg=each)


@pytest.mark.parametrize("name", NETWORKS)
def test_gathering_and_scattering_are_inverse(name):
    build, units = NETWORKS[name]
    model = whole(build)
    parts = compact_for_training(model, mask_without(model, units))
    for each, variable in model_variables(model).items():
        selection, values = parts.selections[each], variable.numpy()
        part = selection.gather(values)
        np.testing.assert_array_equal(selection.scatter(part, values), values)
        other = selection.scatter(part, np.full_like(values, 9))
        np.testing.assert_array_equal(selection.gather(other), part)
        assert np.count_nonzero(other == 9) == values.size - part.size
        assert np.count_nonzero(selection.without(values)) == np.count_nonzero(part)


def test_units_that_sums_tie_to_others_stay_masked():
    _, small, parts = both("residual")
    mask = parts.small_mask["two/kernel"]
    assert mask.shape == (3, 3, 3, 5)
    # Of the third channel both ends are gone; the fourth still has its shortcut.
    np.testing.assert_array_equal(mask.any(axis=(0, 1, 2)), [True, True, False, True, True])
    assert tf_lottery.get_mask(small)["two/kernel"].sum() == mask.sum()


def test_values_do_not_decide():
    model = whole(residual)
    variables = model_variables(model)
    for name in ("two_norm/gamma", "one/kernel", "output/kernel"):
        variables[name].assign(np.zeros(variables[name].shape))
    parts = compact_for_training(model, mask_without(model, {"stem/kernel": [], "one/kernel": [0]}))
    sizes = {each: int(np.prod(v.shape)) for each, v in model_variables(parts.model).items()}
    assert (sizes["one_norm/gamma"], sizes["two_norm/gamma"]) == (3, 6)
    assert sizes["output/kernel"] == 6 * 3


@pytest.mark.parametrize(
    ("build", "units", "reason"),
    [
        (lambda: normalized("sigmoid"), {"one/kernel": [1]}, "activation does not make 0 of 0"),
        (lambda: normalized("softmax"), {"one/kernel": [1]}, "activation is left as it is"),
        (residual, {"two/kernel": [1]}, "of two: tied to channels that output needs"),
        (dense, {}, "no unit is pruned as a whole"),
    ],
)
def test_what_cannot_be_compacted_is_told(build, units, reason):
    model = whole(build)
    with pytest.raises(NotCompactedError, match=reason):
        compact_for_training(model, mask_without(model, units))


def test_noise_is_no_zero():
    inputs = keras.Input((6,))
    features = layers.GaussianNoise(0.1, name="noise")(layers.Dense(5, name="one")(inputs))
    model = whole(lambda: keras.Model(inputs, layers.Dense(3, name="output")(features)))
    with pytest.raises(NotCompactedError, match="noise does not make 0 of 0"):
        compact_for_training(model, mask_without(model, {"one/kernel": [0]}))


def test_frozen_layers_stay_frozen():
    def build() -> keras.Model:
        model = normalized()
        model.get_layer("one_norm").trainable = False
        model.get_layer("two").trainable = False
        return model

    with pytest.warns(UserWarning, match="frozen"):
        model = whole(build)
    parts = compact_for_training(model, mask_without(model, {"one/kernel": [1]}))
    small = parts.prunable(model)
    assert [v.name for v in small.trainable_variables] == [
        v.name for v in model.trainable_variables
    ]
    assert set(tf_lottery.get_mask(small)) == {"one/kernel", "output/kernel"}
