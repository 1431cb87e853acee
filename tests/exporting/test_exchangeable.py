"""Units that can change places: which they are, and that moved ones change no output."""

from typing import Any

import keras as keras_3
import numpy as np
import pytest
import tf_keras

import tf_lottery
from tests.permuted import program_network, solution_of, with_units_permuted
from tf_lottery.exporting.compaction.exchangeable import exchangeable_units
from tf_lottery.masking.permutations import permuted
from tf_lottery.training.network import set_weights


def many_kinds(keras: Any) -> Any:
    """Two inputs to a join of channels, depthwise ones with two of each, and rows of a Flatten."""
    layers = keras.layers
    inputs = keras.Input((6, 5, 2))
    one = layers.Conv2D(4, 3, activation="relu", padding="same", name="one")(inputs)
    one = layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", name="depthwise")(one)
    two = layers.SeparableConv2D(3, 3, padding="same", name="two")(inputs)
    two = layers.PReLU(name="slopes")(two)
    joined = layers.Concatenate(name="joined")([one, two])
    joined = layers.BatchNormalization(name="norm")(joined)
    scales = layers.GlobalAveragePooling2D(keepdims=True, name="mean")(joined)
    scales = layers.Dense(5, "relu", name="squeezed")(scales)
    scales = layers.Dense(11, "sigmoid", name="scales")(scales)
    joined = layers.Multiply(name="scaled")([joined, scales])
    wide = layers.Conv2DTranspose(6, 2, strides=2, name="wide")(joined)
    wide = layers.MaxPooling2D(name="pool")(wide)
    flat = layers.Dropout(0.5, name="dropout")(layers.Flatten(name="flatten")(wide))
    hidden = layers.Dense(7, "tanh", name="hidden")(flat)
    # Shortcuts around layers whose inputs and outputs are the same units.
    hidden = layers.Add(name="sum")([hidden, layers.Dense(7, name="again")(hidden)])
    outputs = layers.Softmax(name="softmax")(layers.Dense(3, name="output")(hidden))
    return keras.Model(inputs, outputs)


def places(model: Any) -> list[tuple[int, list[tuple[str, int, int]]]]:
    """Of each group its size, and the axes with their indices to a unit, of kernels and slopes."""
    return [
        (
            group.count,
            [
                (place.weight, place.axis, place.indices.shape[1])
                for place in group.places
                if place.weight.endswith(("kernel", "alpha"))
            ],
        )
        for group in exchangeable_units(model)
    ]


def check_same_outputs(model: Any, solution: Any) -> None:
    moved, groups, orders = with_units_permuted(model, solution)
    shape = model.inputs[0].shape[1:]
    inputs = np.random.default_rng(2).normal(size=(4, *shape)).astype(np.float32)
    set_weights(model, solution.weights, solution.mask)
    expected = np.asarray(model(inputs))
    set_weights(model, moved.weights, moved.mask)
    np.testing.assert_allclose(np.asarray(model(inputs)), expected, rtol=1e-5, atol=1e-5)
    # Each group alone is moved too, and moving it back gives the same bits.
    for group, order in zip(groups, orders, strict=True):
        own = {place.weight: solution.weights[place.weight] for place in group.places}
        alone = permuted(own, [group], [order])
        for place in group.places:
            assert not place.learned or not np.array_equal(alone[place.weight], own[place.weight])
        back = permuted(alone, [group], [np.argsort(order)])
        assert all(np.array_equal(back[name], own[name]) for name in own)


@pytest.mark.parametrize("keras", [tf_keras, keras_3], ids=["tf_keras", "keras_3"])
def test_units_of_many_kinds_of_layers_move_with_all_that_is_theirs(keras):
    model = tf_lottery.prunable(many_kinds(keras))
    kernel = "kernel" if keras is keras_3 else "depthwise_kernel"
    joined = [("squeezed/kernel", 0), ("scales/kernel", 1), ("wide/kernel", 3)]
    shortcut = [("again/kernel", 1, 1), ("again/kernel", 0, 1)]
    of_one = [("one/kernel", 3, 1), (f"depthwise/{kernel}", 2, 1)]
    of_two = [("two/pointwise_kernel", 3, 1), ("slopes/alpha", 2, 1)]
    assert sorted(places(model)) == [
        (3, [*of_two, *((*axis, 1) for axis in joined)]),
        (4, [*of_one, *((*axis, 2) for axis in joined)]),
        (5, [("squeezed/kernel", 1, 1), ("scales/kernel", 0, 1)]),
        (6, [("wide/kernel", 2, 1), ("hidden/kernel", 0, 30)]),
        (7, [("hidden/kernel", 1, 1), *shortcut, ("output/kernel", 0, 1)]),
    ]
    check_same_outputs(model, solution_of(model))


def test_rows_of_a_flattened_filter_are_in_the_order_of_height_and_width():
    layers = [
        tf_keras.layers.Conv2D(3, 1, input_shape=(2, 2, 1), name="filters"),
        tf_keras.layers.Flatten(name="flatten"),
        tf_keras.layers.Dense(2, name="output"),
    ]
    (group,) = exchangeable_units(tf_lottery.prunable(tf_keras.Sequential(layers)))
    rows = next(place for place in group.places if place.weight == "output/kernel")
    np.testing.assert_array_equal(rows.indices, [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8, 11]])


@pytest.mark.slow
@pytest.mark.parametrize(("name", "side"), [("wideresnet_10_1", 8), ("squeezenet", 32)])
def test_networks_of_the_program_compute_the_same_with_units_moved(name, side):
    model = program_network(name, side)
    check_same_outputs(model, solution_of(model, density=0.6))


def around(layer: Any, before: bool = True, after: bool = True) -> Any:
    layers, inputs = tf_keras.layers, tf_keras.Input((4, 4, 2))
    features = layers.Conv2D(4, 3, padding="same", name="one")(inputs) if before else inputs
    features = layer(features)
    features = layers.Conv2D(4, 1, name="two")(features) if after else features
    return tf_lottery.prunable(tf_keras.Model(inputs, features, name="network"))


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (tf_keras.layers.LayerNormalization(name="odd"), "LayerNormalization is not known to keep"),
        (tf_keras.layers.Conv2D(4, 1, groups=2, name="odd"), "its channels are in groups"),
        (tf_keras.layers.Permute((3, 1, 2), name="odd"), "Permute is not known to keep"),
        (tf_keras.layers.Conv2D(4, 1, activation="softmax", name="odd"), "its activation may mix"),
    ],
)
def test_layers_that_may_hold_units_where_they_are_are_named(layer, reason):
    with pytest.raises(ValueError, match=f"units of network can .* not known for odd: {reason}"):
        exchangeable_units(around(layer))


def test_layers_in_front_of_all_units_and_behind_them_hold_none():
    flip = tf_keras.layers.Permute((2, 1, 3), name="flip")
    model = around(flip, before=False)
    assert exchangeable_units(model) == []
    assert exchangeable_units(around(flip, after=False)) == []
