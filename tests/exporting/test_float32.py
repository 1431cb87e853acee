"""Models that compute in 16-bit floats, and their copies and files that compute in float32."""

import csv

import keras as keras_3
import numpy as np
import pytest
import tensorflow as tf

import tf_lottery
from tf_lottery.exporting.export import export
from tf_lottery.exporting.float32 import short_policies
from tf_lottery.exporting.formats import default_formats
from tf_lottery.exporting.network_of import float32_network, network_of

FORMATS = {kind.name: kind for kind in default_formats()}

POLICIES = ("mixed_bfloat16", "mixed_float16", "bfloat16", "float16")
IMAGES = np.random.default_rng(5).standard_normal((24, 6, 6, 1)).astype(np.float32)
LABELS = np.arange(24) % 4


def policy_of(keras, name):
    return name if keras is keras_3 else keras.mixed_precision.Policy(name)


def network(keras, policy, recurrent=False):
    """A model of which all layers have a policy, and if it is strict the inputs too."""
    keras.utils.set_random_seed(1)
    policy = policy_of(keras, policy)
    strict = {"dtype": policy.name if keras is not keras_3 else policy}
    inputs = {} if "mixed" in strict["dtype"] else strict
    given = keras.Input((6, 6, 1), name="image", **inputs)
    layers = [
        keras.layers.Conv2D(3, 3, name="conv", dtype=policy),
        keras.layers.BatchNormalization(dtype=policy),
    ]
    block = keras.Sequential([keras.Input((6, 6, 1), **inputs), *layers], name="block")
    hidden = keras.layers.Reshape((48,), dtype=policy)(block(given))
    if recurrent:
        rows = keras.layers.Reshape((4, 12), dtype=policy)(hidden)
        cell = keras.layers.SimpleRNN(3, recurrent_initializer="zeros", dtype=policy)
        hidden = keras.layers.Bidirectional(cell, dtype=policy)(rows)
    return keras.Model(given, keras.layers.Dense(4, name="sums", dtype=policy)(hidden), name="net")


@pytest.mark.parametrize(
    ("policy", "recurrent"),
    [
        ("mixed_bfloat16", False),
        pytest.param("float16", False, marks=pytest.mark.slow),
        *(pytest.param(policy, True, marks=pytest.mark.slow) for policy in POLICIES),
    ],
)
def test_a_copy_computes_in_float32_with_the_same_weights(keras, policy, recurrent):
    model = tf_lottery.prunable(network(keras, policy, recurrent))
    as_trained = network_of(model)
    copy = float32_network(as_trained)
    assert set(short_policies(as_trained.model).values()) == {policy}
    assert short_policies(copy.model) == {}
    assert copy.name == "net"
    assert [(t.name, t.dtype.name) for t in (*copy.inputs, *copy.outputs)] == [
        ("image", "float32"),
        ("sums", "float32"),
    ]
    for own, copied in zip(as_trained.model.get_weights(), copy.model.get_weights(), strict=True):
        assert copied.dtype == np.float32
        assert np.array_equal(own.astype(np.float32), copied)
    outputs = [of.compute({"image": IMAGES})["sums"] for of in (as_trained, copy)]
    assert outputs[0].dtype == np.float32
    difference = np.abs(outputs[0] - outputs[1]).max() / np.abs(outputs[1]).max()
    assert 0 < difference < (0.05 if "bfloat16" in policy else 0.01)


def test_a_network_of_float32_is_no_copy(ticket):
    as_trained = network_of(ticket)
    assert float32_network(as_trained) is as_trained


def test_layers_made_in_a_users_layer_take_float32(keras):
    class Twice(keras.layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.dense = keras.layers.Dense(3)

        def build(self, shape):
            self.dense.build(shape)

        def call(self, inputs):
            return 2 * self.dense(inputs)

    set_policy = (
        keras.config.set_dtype_policy
        if keras is keras_3
        else keras.mixed_precision.set_global_policy
    )
    set_policy("mixed_bfloat16")
    try:
        model = keras.Sequential([keras.Input((6,)), Twice(name="twice")], name="user")
        copy = float32_network(network_of(model))
        assert short_policies(copy.model) == {}
        kept = keras.layers.Dense(1).dtype_policy.name
    finally:
        set_policy("float32")
    assert kept == "mixed_bfloat16"
    outputs = copy.compute({copy.inputs[0].name: IMAGES[:, 0, :, 0]})[copy.outputs[0].name]
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(
        outputs, 2 * (IMAGES[:, 0, :, 0] @ kernel + bias), rtol=1e-5, atol=1e-6
    )


def test_layers_that_keep_their_policy_are_refused_by_its_name(keras):
    class Stubborn(keras.layers.Layer):
        def __init__(self, **options):
            super().__init__(**options | {"dtype": policy_of(keras, "mixed_float16")})

        def call(self, inputs):
            return inputs

    model = keras.Sequential([keras.Input((6,)), Stubborn(name="own")], name="user")
    with pytest.raises(ValueError, match=r"source=user .* mixed_float16, .* no copy: layer own is"):
        export(model, "nowhere", test_data=(IMAGES[:, 0, :, 0], None))


def subclassed(keras, policy):
    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__(name="own", dtype=policy_of(keras, policy))
            self.dense = keras.layers.Dense(4, dtype=policy_of(keras, policy))

        def call(self, inputs):
            return self.dense(inputs)

    keras.utils.set_random_seed(1)
    model = Subclassed()
    model(IMAGES[:, 0, :, 0])
    return model


def test_a_subclassed_model_computes_in_float32_while_it_is_exported(keras, tmp_path):
    model, rows = subclassed(keras, "mixed_bfloat16"), IMAGES[:, 0, :, 0]
    as_trained = network_of(model, (rows, None))
    copy = float32_network(as_trained)
    kernel, bias = model.get_weights()
    exact = rows @ kernel + bias
    (outputs,) = copy.compute({"inputs": rows}).values()
    np.testing.assert_allclose(outputs, exact, rtol=1e-5, atol=1e-6)
    copy.save_saved_model(tmp_path / "saved")
    serve = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"]
    (outputs,) = serve(inputs=tf.constant(rows)).values()
    np.testing.assert_allclose(outputs, exact, rtol=1e-5, atol=1e-6)
    assert set(short_policies(model).values()) == {"mixed_bfloat16"}
    assert tf.as_dtype(model(rows).dtype) == tf.bfloat16


def test_a_subclassed_model_with_16_bit_weights_is_refused_by_its_policy(keras):
    network = network_of(subclassed(keras, "bfloat16"), (IMAGES[:, 0, :, 0], None))
    with pytest.raises(ValueError, match=r"policy bfloat16, .* weights of bfloat16; use mixed_bf"):
        float32_network(network)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float16"])
def test_files_of_all_formats_compute_in_float32(keras, policy, tmp_path):
    model = tf_lottery.prunable(network(keras, policy))
    report = export(
        model,
        tmp_path / "out",
        test_data=(IMAGES, LABELS),
        representative=IMAGES,
        measure=False,
    )
    copy = float32_network(network_of(model))
    outputs = [of.compute({"image": IMAGES})["sums"] for of in (network_of(model), copy)]
    right = [np.mean(array.argmax(axis=1) == LABELS) for array in outputs]
    assert (report.accuracy, report.precision.accuracies["sums"]) == tuple(right)
    assert report.precision.policies == (policy,)
    assert report.precision.largest_difference == np.abs(outputs[0] - outputs[1]).max()
    written = {result.format: result for result in report.formats if not result.skipped}
    assert set(written) == set(FORMATS)
    for name, result in written.items():
        assert FORMATS[name].quantized or result.verification.accuracy == right[1]
        assert FORMATS[name].quantized or result.verification.largest_difference < 1e-5
    with (tmp_path / "out" / "export.csv").open(newline="") as file:
        row = next(csv.DictReader(file))
    assert row["trained_policy"] == policy
    assert float(row["network_accuracy"]) == right[0]
    assert float(row["float32_accuracy"]) == right[1]
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"was trained with the dtype policy {policy}; the files compute in float32" in card
    assert f"| this network, as trained | {100 * right[0]:.4g}% |" in card
    assert f"| this network, in float32 | {100 * right[1]:.4g}% |" in card
