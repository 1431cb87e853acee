"""Compaction of networks with branches, shared layers and models in them."""

import numpy as np
import pytest
import tf_keras as keras

import tf_lottery
from tests.exporting.compact_checks import check_compaction, kill_units, left, randomize, units


@pytest.fixture
def pixels():
    return keras.Input((4,), name="pixels")


def dense(units: int, name: str) -> keras.layers.Dense:
    return keras.layers.Dense(units, "relu", name=name)


def connected(pixels, features, **dead: list[int]) -> keras.Model:
    """A network with an output layer, random weights, and dead units in some layers."""
    model = keras.Model(pixels, keras.layers.Dense(2, name="output")(features))
    randomize(model)
    kill_units(model, **dead)
    return model


def test_sums_lose_what_is_dead_in_all_summands(pixels):
    total = keras.layers.Add()([dense(6, "a")(pixels), dense(6, "b")(pixels)])
    result = check_compaction(connected(pixels, total, a=[0, 1, 2], b=[1, 2, 3]))
    assert units(result) == {"a": 4, "b": 4, "output": 2}
    reason = "1 constant, but tied to channels that output needs"
    assert left(result) == {"a": reason, "b": reason}


def test_what_a_residual_branch_needs_of_its_own_outputs_stays(pixels):
    a = dense(6, "a")(pixels)
    model = connected(pixels, keras.layers.Add()([a, dense(6, "b")(a)]))
    # The output uses unit 0, b makes that of unit 1 and unit 1 of unit 2.
    reading = np.zeros((6, 6))
    reading[1, 0] = reading[2, 1] = 1
    model.get_layer("b").kernel.assign(reading)
    model.get_layer("output").kernel.assign(np.eye(6, 2) * [1, 0])
    assert units(check_compaction(model)) == {"a": 3, "b": 3, "output": 2}


@pytest.mark.parametrize("kind", ["Average", "Maximum", "Minimum", "Multiply", "Subtract"])
def test_other_joins_of_two(kind, pixels):
    joined = getattr(keras.layers, kind)()([dense(6, "a")(pixels), dense(6, "b")(pixels)])
    model = connected(pixels, joined, a=[0, 1, 2], b=[1, 2, 3])
    for name in "ab":
        model.get_layer(name).bias.assign(np.arange(1.0, 7))
    assert units(check_compaction(model)) == {"a": 4, "b": 4, "output": 2}


def test_a_factor_of_0_makes_a_product_dead(pixels):
    product = keras.layers.Multiply()([dense(6, "a")(pixels), dense(6, "b")(pixels)])
    model = connected(pixels, product, a=[0, 1, 2])
    model.get_layer("a").bias.assign([-1, 0, 1, 0, 0, 0])
    assert units(check_compaction(model)) == {"a": 4, "b": 4, "output": 2}


def test_joined_channels_keep_their_places(pixels):
    a = dense(6, "a")(pixels)
    joined = keras.layers.Concatenate()([a, dense(3, "b")(pixels), dense(4, "c")(a)])
    result = check_compaction(connected(pixels, joined, a=[0, 5], c=[1]))
    assert units(result) == {"a": 4, "b": 3, "c": 3, "output": 2}
    assert result.model.get_layer("output").kernel.shape == (10, 2)


def test_what_one_of_two_layers_uses_stays(pixels):
    a = dense(6, "a")(pixels)
    model = connected(
        pixels,
        keras.layers.Concatenate()([dense(2, "b")(a), dense(3, "c")(keras.layers.ReLU()(a))]),
    )
    for name, rows in (("b", [0, 1, 2, 3]), ("c", [2, 3, 4])):
        kernel = model.get_layer(name).kernel
        kernel.assign(np.where(np.isin(np.arange(6), rows)[:, np.newaxis], 0, kernel))
    assert units(check_compaction(model)) == {"a": 4, "b": 2, "c": 3, "output": 2}


def test_channels_between_other_axes_stay(pixels):
    parts = [keras.layers.Reshape((1, 6))(dense(6, name)(pixels)) for name in "ab"]
    joined = keras.layers.Concatenate(axis=1, name="join")(parts)
    model = connected(pixels, keras.layers.Flatten()(joined), a=[0, 1], b=[0, 1])
    result = check_compaction(model)
    assert units(result)["a"] == units(result)["b"] == 6
    assert left(result)["join"] == "left as it is: it does not join the last axis"


def test_shared_layers_stay_but_functions_may_be_shared(pixels):
    shared, relu = dense(4, "shared"), keras.layers.ReLU()
    features = relu(dense(5, "b")(shared(shared(relu(dense(4, "a")(pixels))))))
    result = check_compaction(connected(pixels, features, a=[0], b=[1, 2], shared=[3]))
    assert units(result) == {"a": 4, "shared": 4, "b": 3, "output": 2}
    assert left(result)["shared"] == "left as it is: it is called several times"


def test_a_shared_reshaping_keeps_its_size(pixels):
    reshape = keras.layers.Reshape((1, 6), name="reshape")
    parts = [reshape(dense(6, name)(pixels)) for name in "ab"]
    features = keras.layers.Flatten()(keras.layers.Concatenate()(parts))
    result = check_compaction(connected(pixels, features, a=[0], b=[1, 2]))
    assert units(result) == {"a": 6, "b": 6, "reshape": 6, "output": 2}


def test_batch_statistics_in_inference_are_no_constants(pixels):
    norm = keras.layers.BatchNormalization(name="norm")
    features = norm(dense(4, "a")(pixels), training=True)
    result = tf_lottery.compact(connected(pixels, features, a=[0]))
    assert units(result)["a"] == 4
    assert left(result)["norm"] == "left as it is: it is called with more than tensors"


@pytest.mark.parametrize("sequential", [True, False])
def test_models_in_a_model_are_looked_into(sequential, pixels):
    if sequential:
        block = keras.Sequential([keras.layers.Input((6,)), dense(5, "c"), dense(4, "d")], "block")
    else:
        inputs = keras.Input((6,), name="features")
        block = keras.Model(inputs, dense(4, "d")(dense(5, "c")(inputs)), name="block")
    model = connected(pixels, block(dense(6, "a")(pixels)), a=[0, 1])
    kill_units(block, c=[0], d=[2])
    result = check_compaction(model)
    assert units(result) == {"a": 4, "block/c": 4, "block/d": 3, "output": 2}
    nested = result.model.get_layer("block")
    assert type(nested) is type(block)
    assert (nested.input_shape, nested.output_shape) == ((None, 4), (None, 3))
    assert nested.input_names == block.input_names


def test_a_model_that_is_called_twice_stays(pixels):
    block = keras.Sequential([keras.layers.Input((6,)), dense(6, "c")], "block")
    model = connected(pixels, block(block(dense(6, "a")(pixels))), a=[0, 1])
    kill_units(block, c=[0])
    result = check_compaction(model)
    assert units(result) == {"a": 6, "block": 6, "output": 2}
    assert left(result)["block"].startswith("left as it is: ")


def test_several_inputs_and_outputs_stay(pixels):
    others = keras.Input((3, 3, 2), name="others")
    a, b = dense(5, "a")(pixels), dense(6, "b")(keras.layers.Flatten()(others))
    joined = keras.layers.Concatenate()([a, b])
    model = keras.Model([pixels, others], {"first": dense(3, "c")(joined), "second": a})
    randomize(model)
    kill_units(model, a=[0], b=[1, 2], c=[0, 1])
    result = tf_lottery.compact(model)
    assert units(result) == {"a": 5, "b": 4, "c": 3}
    generator = np.random.default_rng(0)
    inputs = [generator.normal(size=(2, *shape)) for shape in ((4,), (3, 3, 2))]
    expected, outputs = model(inputs), result.model(inputs)
    assert set(outputs) == {"first", "second"}
    for name, array in expected.items():
        np.testing.assert_allclose(outputs[name], array, rtol=1e-5, atol=1e-5)


def test_models_that_cannot_be_compacted():
    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(ValueError, match="model: 3 is not a tf_keras model"):
        tf_lottery.compact(3)
    with pytest.raises(ValueError, match=r"model: own \(Own\) is a subclassed model"):
        tf_lottery.compact(Own())
    with pytest.raises(ValueError, match="model: new is not built"):
        tf_lottery.compact(keras.Sequential([keras.layers.Dense(2)], "new"))
