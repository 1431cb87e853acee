"""What the export knows of a model: names, shapes and types of inputs and outputs."""

import keras as keras_3
import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

import tf_lottery
from tf_lottery.exporting.network_of import network_of
from tf_lottery.exporting.plain_network import (
    NamedTensor,
    PlainNetwork,
    identifier,
    plain_network,
    weight_counts,
)

GENERATOR = np.random.default_rng(3)
LEFT = GENERATOR.standard_normal((130, 3)).astype(np.float32)
RIGHT = GENERATOR.integers(0, 7, (130, 2)).astype(np.int32)


def tensors(left_name="left-image", right_name="class"):
    """Inputs, and two outputs that differ in both: sums of one input, and of one input and both."""
    left = keras.Input((3,), name=left_name)
    right = keras.Input((2,), name=right_name, dtype="int32")
    embedded = keras.layers.Flatten()(keras.layers.Embedding(7, 2)(right))
    joined = keras.layers.Concatenate()([left, embedded])
    one, both = keras.layers.Dense(2, name="one")(left), keras.layers.Dense(4, name="both")(joined)
    return left, right, one, both


def test_nothing_is_said_of_retracing_where_several_networks_are_computed(caplog):
    for _ in range(6):
        left, _, one, _ = tensors()
        network = plain_network(keras.Model(left, one))
        network.compute({"left_image": LEFT})
    assert caplog.messages == []


def test_tensors_go_by_the_names_of_layers_in_the_order_of_the_model():
    left, right, one, both = tensors()
    network = plain_network(tf_lottery.prunable(keras.Model([left, right], [both, one])))
    assert network.inputs == (
        NamedTensor("left_image", (3,), np.dtype(np.float32)),
        NamedTensor("class_", (2,), np.dtype(np.int32)),
    )
    assert [(output.name, output.shape) for output in network.outputs] == [
        ("both", (4,)),
        ("one", (2,)),
    ]
    assert not network.is_simple


def test_tensors_of_a_dictionary_go_by_its_keys():
    left, right, one, both = tensors()
    # TensorFlow sorts dictionaries: the right input comes first.
    model = keras.Model({"z": left, "a": right}, {"x": one, "b": both})
    network = plain_network(model)
    assert [(given.name, given.dtype.name) for given in network.inputs] == [
        ("a", "int32"),
        ("z", "float32"),
    ]
    computed = network.compute({"z": LEFT, "a": RIGHT})
    expected = model({"z": LEFT, "a": RIGHT})
    for name in ("x", "b"):
        np.testing.assert_allclose(computed[name], expected[name], rtol=1e-5, atol=1e-6)


def test_names_are_different_identifiers():
    names = [identifier(name) for name in ("a b", "class", "1st", "_x", "größe", "")]
    assert names == ["a_b", "class_", "tensor_1st", "tensor__x", "gr__e", "tensor_"]
    left, right, one, _ = tensors("x.y", "x-y")
    network = PlainNetwork(keras.Model([left, right], one))
    assert [given.name for given in network.inputs] == ["x_y", "x_y_"]


def test_signature_of_the_saved_model_has_the_names(tmp_path):
    left, right, one, both = tensors()
    model = keras.Model([left, right], [one, both])
    tf_lottery.export_saved_model(tf_lottery.prunable(model), tmp_path / "two")
    serve = tf.saved_model.load(str(tmp_path / "two")).signatures["serving_default"]
    served = serve(class_=tf.constant(RIGHT), left_image=tf.constant(LEFT))
    expected = dict(zip(("one", "both"), model([LEFT, RIGHT]), strict=True))
    assert set(served) == set(expected)
    for name, outputs in expected.items():
        np.testing.assert_allclose(served[name], outputs, rtol=1e-5, atol=1e-6)


def test_saved_models_keep_a_fixed_batch_and_unnamed_inputs(tmp_path):
    fixed = keras.Sequential([keras.Input((3,), 5), keras.layers.Dense(2, name="sums")])
    tf_lottery.export_saved_model(fixed, tmp_path / "fixed")
    serve = tf.saved_model.load(str(tmp_path / "fixed")).signatures["serving_default"]
    assert serve.structured_outputs["sums"].shape == (5, 2)

    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(2)

        def call(self, inputs):
            return self.dense(inputs)

    model = Subclassed()
    model(LEFT)
    tf_lottery.export_saved_model(model, tmp_path / "subclassed")
    loaded = tf.saved_model.load(str(tmp_path / "subclassed"))
    (outputs,) = loaded.signatures["serving_default"](tf.constant(LEFT)).values()
    np.testing.assert_allclose(outputs, model(LEFT), rtol=1e-5, atol=1e-6)


def test_a_network_with_another_model_keeps_its_names():
    left, right, one, both = tensors()
    network = plain_network(keras.Model([left, right], [one, both]))
    others = tensors("a", "b")
    other = network.with_model(keras.Model(list(others[:2]), list(others[2:])))
    computed = other.compute({"left_image": LEFT, "class_": RIGHT})
    np.testing.assert_allclose(computed["one"], other.model([LEFT, RIGHT])[0], rtol=1e-5, atol=1e-6)


def test_weights_are_counted_by_the_mask_or_by_what_is_not_zero(ticket):
    mask = tf_lottery.get_mask(ticket)
    expected = {name: (int(array.sum()), array.size) for name, array in mask.items()}
    assert weight_counts(ticket) == expected
    assert weight_counts(tf_lottery.strip(ticket)) == expected


@pytest.mark.parametrize(
    ("problem", "build"),
    [
        (
            r"source=open .* not a built Sequential",
            lambda: keras.Sequential([keras.layers.Dense(3)], name="open"),
        ),
        (r"source=3 is neither the path of a run folder nor", lambda: 3),
        (
            r"source=eight takes 8 examples at a time \(input rows\); build it without",
            lambda: keras.Sequential([keras.Input((3,), 8, name="rows")], name="eight"),
        ),
        (
            r"source=words takes TensorSpec\(.*string.*\); models that take numbers",
            lambda: keras.Sequential([keras.Input((), dtype="string")], name="words"),
        ),
        (
            r"source=ragged takes RaggedTensorSpec\(.*; models that take numbers",
            lambda: keras.Sequential([keras.Input((None,), ragged=True)], name="ragged"),
        ),
    ],
)
def test_models_that_cannot_be_exported(problem, build):
    with pytest.raises(ValueError, match=problem):
        plain_network(build())


def test_a_model_of_keras_3_that_takes_several_examples_at_a_time_is_refused_in_its_own_words():
    series = keras_3.Input(batch_shape=(8, 3, 4))
    model = keras_3.Model(series, keras_3.layers.LSTM(2, stateful=True)(series), name="eight")
    with pytest.raises(ValueError, match="eight cannot be called with one example: If an RNN is"):
        network_of(model)
