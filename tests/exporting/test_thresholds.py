"""Accuracies of outputs of one unit."""

import csv
import functools

import numpy as np
import pytest
import tensorflow as tf

import tf_lottery
from tf_lottery.exporting.export import export
from tf_lottery.exporting.network_of import network_of
from tf_lottery.exporting.thresholds import binary_thresholds
from tf_lottery.exporting.verify import accuracies_of

ROWS = np.random.default_rng(5).standard_normal((40, 3)).astype(np.float32)
# Between the thresholds of probabilities and of logits.
OUTPUTS = {"out": np.array([[0.2], [0.7], [-0.3], [0.4]], np.float32)}


def model_of(keras, *last):
    return keras.Sequential([keras.Input((3,)), *last])


def threshold_of(model, outputs=OUTPUTS, data=None) -> float:
    (threshold,) = binary_thresholds(network_of(model, data), outputs).values()
    return threshold


@pytest.mark.parametrize(
    ("loss", "threshold"),
    [
        (lambda losses: losses.BinaryCrossentropy(from_logits=True), 0),
        (lambda losses: losses.BinaryCrossentropy(), 0.5),
        (lambda losses: losses.BinaryFocalCrossentropy(from_logits=True), 0),
        (lambda losses: functools.partial(losses.binary_crossentropy, from_logits=True), 0),
        (lambda losses: losses.binary_crossentropy, 0.5),
        (lambda losses: "binary_crossentropy", 0.5),
        (lambda losses: "mse", 0.5),
        (lambda losses: losses.MeanSquaredError(), 0.5),
        (lambda losses: [losses.BinaryCrossentropy()], 0.5),
        (lambda losses: {"out": losses.BinaryCrossentropy()}, 0.5),
        (lambda losses: lambda labels, outputs: outputs, 0),
        (lambda losses: "hinge", 0),
        (lambda losses: None, 0),
    ],
)
def test_the_compiled_loss_tells_what_an_output_is(keras, loss, threshold):
    model = tf_lottery.prunable(model_of(keras, keras.layers.Dense(1, name="out")))
    model.compile("sgd", loss(keras.losses))
    assert threshold_of(model) == threshold


def sigmoids(keras):
    activation = keras.layers.Activation
    block = [keras.Input((3,)), keras.layers.Dense(1, "sigmoid")]
    given = keras.Input((3,))
    return {
        "of a layer": model_of(keras, keras.layers.Dense(1, "sigmoid")),
        "layer": model_of(keras, keras.layers.Dense(1), activation("sigmoid")),
        "float32": model_of(
            keras, keras.layers.Dense(1, "sigmoid"), activation("linear", dtype="float32")
        ),
        "reshaped": model_of(keras, keras.layers.Dense(1, "hard_sigmoid"), keras.layers.Flatten()),
        "nested": model_of(keras, keras.Sequential(block)),
        "function": keras.Model(given, keras.activations.sigmoid(keras.layers.Dense(1)(given))),
    }


def test_a_sigmoid_gives_probabilities_whatever_the_loss_was_told(keras):
    for name, model in sigmoids(keras).items():
        assert threshold_of(model) == 0.5, name
    model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
    assert threshold_of(model) == 0.5
    assert threshold_of(model_of(keras, keras.layers.Dense(1, "relu", name="out"))) == 0


def test_outputs_of_a_subclassed_model_tell_if_the_loss_does_not(keras):
    class Subclassed(keras.Model):
        def call(self, inputs):
            return tf.reduce_sum(inputs, axis=1)

    model = Subclassed()
    model(ROWS)
    data = (ROWS, None)
    assert threshold_of(model, {"outputs": np.array([0.1, 0.9])}, data) == 0.5
    assert threshold_of(model, {"outputs": np.array([0.1, 1.1])}, data) == 0
    model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
    assert threshold_of(model, {"outputs": np.array([0.1, 0.9])}, data) == 0


def test_only_outputs_of_one_unit_have_thresholds(keras):
    given = keras.Input((3,))
    outputs = [keras.layers.Dense(units, name=name)(given) for units, name in ((3, "a"), (1, "b"))]
    network = network_of(keras.Model(given, outputs))
    assert binary_thresholds(network, network.compute({network.inputs[0].name: ROWS})) == {"b": 0}


def test_accuracy_counts_outputs_above_the_threshold():
    labels = {"out": np.array([0, 1, 0, 1])}
    assert accuracies_of(OUTPUTS, labels, {"out": 0.5}) == {"out": 0.75}
    assert accuracies_of(OUTPUTS, labels, {"out": 0.0}) == {"out": 0.75}
    assert accuracies_of({"out": OUTPUTS["out"][:, 0]}, labels, {"out": 0.3}) == {"out": 1.0}


@pytest.mark.slow
@pytest.mark.parametrize("columns", [False, True])
def test_files_of_one_unit_have_an_accuracy(keras, columns, tmp_path):
    keras.utils.set_random_seed(1)
    model = tf_lottery.prunable(model_of(keras, keras.layers.Dense(1, name="out")))
    model.compile("sgd", keras.losses.BinaryCrossentropy(from_logits=True))
    outputs = np.asarray(model(ROWS))[:, 0]
    labels = (outputs > 0).astype(int)
    labels[:10] = 1 - labels[:10]
    assert np.any((outputs > 0) & (outputs < 0.5))
    given = np.eye(2)[labels] if columns else labels[:, None]
    report = export(model, tmp_path / "out", ["tflite"], test_data=(ROWS, given), measure=False)
    (result,) = report.formats
    assert report.accuracy == result.verification.accuracy == 0.75
    assert report.thresholds == {"out": 0.0}
    with (tmp_path / "out" / "export.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["accuracy"], row["threshold"]) == ("0.75", "0.0")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "`out` tells class 1 where it is above 0, else class 0." in card
