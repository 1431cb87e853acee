"""Compaction of networks with branches, shared layers and models in them."""

import keras as keras_3
import numpy as np
import pytest

import tf_lottery
from tests.either_keras import keras_3_is_slow  # noqa: F401
from tests.exporting.compact_checks import check_compaction, kill_units, left, randomize, units


@pytest.fixture
def pixels(keras):
    return keras.Input((4,), name="pixels")


@pytest.fixture
def dense(keras):
    """Makes rectified layers."""
    return lambda units, name: keras.layers.Dense(units, "relu", name=name)


@pytest.fixture
def connected(keras, pixels):
    """Makes networks with an output layer, random weights, and dead units in some layers."""

    def connect(features, **dead: list[int]):
        model = keras.Model(pixels, keras.layers.Dense(2, name="output")(features))
        randomize(model)
        kill_units(model, **dead)
        return model

    return connect


def test_sums_lose_what_is_dead_in_all_summands(keras, pixels, dense, connected):
    total = keras.layers.Add()([dense(6, "a")(pixels), dense(6, "b")(pixels)])
    result = check_compaction(connected(total, a=[0, 1, 2], b=[1, 2, 3]))
    assert units(result) == {"a": 4, "b": 4, "output": 2}
    reason = "1 constant, but tied to channels that output needs"
    assert left(result) == {"a": reason, "b": reason}


def test_what_a_residual_branch_needs_of_its_own_outputs_stays(keras, pixels, dense, connected):
    a = dense(6, "a")(pixels)
    model = connected(keras.layers.Add()([a, dense(6, "b")(a)]))
    # The output uses unit 0, b makes that of unit 1 and unit 1 of unit 2.
    reading = np.zeros((6, 6))
    reading[1, 0] = reading[2, 1] = 1
    model.get_layer("b").kernel.assign(reading)
    model.get_layer("output").kernel.assign(np.eye(6, 2) * [1, 0])
    assert units(check_compaction(model)) == {"a": 3, "b": 3, "output": 2}


@pytest.mark.parametrize("kind", ["Average", "Maximum", "Minimum", "Multiply", "Subtract"])
def test_other_joins_of_two(kind, keras, pixels, dense, connected):
    joined = getattr(keras.layers, kind)()([dense(6, "a")(pixels), dense(6, "b")(pixels)])
    model = connected(joined, a=[0, 1, 2], b=[1, 2, 3])
    for name in "ab":
        model.get_layer(name).bias.assign(np.arange(1.0, 7))
    assert units(check_compaction(model)) == {"a": 4, "b": 4, "output": 2}


def test_a_factor_of_0_makes_a_product_dead(keras, pixels, dense, connected):
    product = keras.layers.Multiply()([dense(6, "a")(pixels), dense(6, "b")(pixels)])
    model = connected(product, a=[0, 1, 2])
    model.get_layer("a").bias.assign([-1, 0, 1, 0, 0, 0])
    assert units(check_compaction(model)) == {"a": 4, "b": 4, "output": 2}


def test_joined_channels_keep_their_places(keras, pixels, dense, connected):
    a = dense(6, "a")(pixels)
    joined = keras.layers.Concatenate()([a, dense(3, "b")(pixels), dense(4, "c")(a)])
    result = check_compaction(connected(joined, a=[0, 5], c=[1]))
    assert units(result) == {"a": 4, "b": 3, "c": 3, "output": 2}
    assert result.model.get_layer("output").kernel.shape == (10, 2)


def test_what_one_of_two_layers_uses_stays(keras, pixels, dense, connected):
    a = dense(6, "a")(pixels)
    model = connected(
        keras.layers.Concatenate()([dense(2, "b")(a), dense(3, "c")(keras.layers.ReLU()(a))]),
    )
    for name, rows in (("b", [0, 1, 2, 3]), ("c", [2, 3, 4])):
        kernel = model.get_layer(name).kernel
        kernel.assign(np.where(np.isin(np.arange(6), rows)[:, np.newaxis], 0, kernel))
    assert units(check_compaction(model)) == {"a": 4, "b": 2, "c": 3, "output": 2}


def test_channels_between_other_axes_stay(keras, pixels, dense, connected):
    parts = [keras.layers.Reshape((1, 6))(dense(6, name)(pixels)) for name in "ab"]
    joined = keras.layers.Concatenate(axis=1, name="join")(parts)
    model = connected(keras.layers.Flatten()(joined), a=[0, 1], b=[0, 1])
    result = check_compaction(model)
    assert units(result)["a"] == units(result)["b"] == 6
    assert left(result)["join"] == "left as it is: it does not join the last axis"


def test_shared_layers_stay_but_functions_may_be_shared(keras, pixels, dense, connected):
    shared, relu = dense(4, "shared"), keras.layers.ReLU()
    features = relu(dense(5, "b")(shared(shared(relu(dense(4, "a")(pixels))))))
    result = check_compaction(connected(features, a=[0], b=[1, 2], shared=[3]))
    assert units(result) == {"a": 4, "shared": 4, "b": 3, "output": 2}
    assert left(result)["shared"] == "left as it is: it is called several times"


def test_a_shared_reshaping_keeps_its_size(keras, pixels, dense, connected):
    reshape = keras.layers.Reshape((1, 6), name="reshape")
    parts = [reshape(dense(6, name)(pixels)) for name in "ab"]
    features = keras.layers.Flatten()(keras.layers.Concatenate()(parts))
    result = check_compaction(connected(features, a=[0], b=[1, 2]))
    assert units(result) == {"a": 6, "b": 6, "reshape": 6, "output": 2}


def test_batch_statistics_in_inference_are_no_constants(keras, pixels, dense, connected):
    norm = keras.layers.BatchNormalization(name="norm")
    features = norm(dense(4, "a")(pixels), training=True)
    result = tf_lottery.compact(connected(features, a=[0]))
    assert units(result)["a"] == 4
    assert left(result)["norm"] == "left as it is: it is called with more than tensors"


@pytest.mark.parametrize("sequential", [True, False])
def test_models_in_a_model_are_looked_into(sequential, keras, pixels, dense, connected):
    inputs = keras.Input((6,), name="features")
    if sequential:
        block = keras.Sequential([inputs, dense(5, "c"), dense(4, "d")], name="block")
    else:
        block = keras.Model(inputs, dense(4, "d")(dense(5, "c")(inputs)), name="block")
    model = connected(block(dense(6, "a")(pixels)), a=[0, 1])
    kill_units(block, c=[0], d=[2])
    result = check_compaction(model)
    assert units(result) == {"a": 4, "block/c": 4, "block/d": 3, "output": 2}
    nested = result.model.get_layer("block")
    assert type(nested) is type(block)
    assert (nested.input_shape, nested.output_shape) == ((None, 4), (None, 3))
    assert [tensor.name for tensor in nested.inputs] == ["features"]


def test_a_model_that_is_called_twice_stays(keras, pixels, dense, connected):
    block = keras.Sequential([keras.Input((6,)), dense(6, "c")], name="block")
    model = connected(block(block(dense(6, "a")(pixels))), a=[0, 1])
    kill_units(block, c=[0])
    result = check_compaction(model)
    assert units(result) == {"a": 6, "block": 6, "output": 2}
    assert left(result)["block"].startswith("left as it is: ")


def test_several_inputs_and_outputs_stay(keras, pixels, dense):
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


@pytest.mark.parametrize("keras", [keras_3], indirect=True)
def test_operations_of_keras_3_follow_the_rules_of_layers(keras, pixels, dense, connected):
    a, b, c = (dense(6, name)(pixels) for name in "abc")
    ops = keras.ops
    features = ops.concatenate([ops.sigmoid(a + b), ops.tanh(a * b - a), ops.relu(c)], axis=-1)
    model = connected(features, a=[0, 1, 2], b=[1, 2, 3], c=[4])
    for name in "ab":
        model.get_layer(name).bias.assign(np.arange(1.0, 7))
    result = check_compaction(model)
    assert units(result) == {"a": 4, "b": 4, "c": 5, "output": 2}
    assert result.model.get_layer("output").kernel.shape == (4 + 4 + 5, 2)


@pytest.mark.parametrize("keras", [keras_3], indirect=True)
def test_other_operations_of_keras_3_are_left_as_they_are(keras, pixels, dense, connected):
    a, b, c = (dense(6, name)(pixels) for name in "abc")
    doubled, flipped = 2 * a, keras.ops.flip(b, axis=-1)
    model = connected(keras.ops.concatenate([doubled, flipped, c], axis=-1), a=[0], b=[1], c=[2])
    result = check_compaction(model)
    assert [units(result)[name] for name in "abc"] == [6, 6, 5]
    double, flip = (tensor._keras_history.operation.name for tensor in (doubled, flipped))
    assert left(result)[double] == "left as it is: it is called with more than tensors"
    assert left(result)[flip] == "left as it is: Flip is not known to keep channels apart"


@pytest.mark.parametrize("keras", [keras_3], indirect=True)
@pytest.mark.parametrize("kind", ["Maximum", "Minimum", "Multiply"])
def test_joins_of_keras_3_that_look_at_masks_keep_constants_where_there_may_be_masks(kind, keras):
    rows = keras.Input((5, 3))
    masked, plain = keras.layers.Masking()(rows), rows
    a = keras.layers.Dense(6, name="a")(masked)
    b = keras.layers.Dense(6, name="b")(plain)
    join = getattr(keras.layers, kind)(name="join")
    model = keras.Model(rows, keras.layers.Dense(2, name="output")(join([a, b])))
    randomize(model)
    kill_units(model, a=[0, 1], b=[0, 1])
    inputs = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    inputs[:, :2] = 0
    result = tf_lottery.compact(model)
    np.testing.assert_allclose(result.model(inputs), model(inputs), rtol=1e-5, atol=1e-5)
    assert left(result)["join"] == "left as it is: positions of its inputs may be masked"


def test_models_that_cannot_be_compacted(keras, pixels):
    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(ValueError, match="model: 3 is not a tf_keras model, nor one of Keras 3"):
        tf_lottery.compact(3)
    for model in (Own(), keras.Model(pixels, Own()(pixels))):
        with pytest.raises(ValueError, match=r"model: own\w* \(Own\) is a subclassed model"):
            tf_lottery.compact(model)
    with pytest.raises(ValueError, match="model: new is not built"):
        tf_lottery.compact(keras.Sequential([keras.layers.Dense(2)], name="new"))


def test_a_graph_that_its_model_calls_in_a_way_of_its_own_is_not_compacted(keras, pixels):
    class Own(keras.Model):
        def call(self, inputs):
            return 2 * super().call(inputs)

    model = Own(pixels, keras.layers.Dense(2)(pixels), name="twice")
    with pytest.raises(ValueError, match=r"model: twice \(Own\) is a subclassed model"):
        tf_lottery.compact(model)
