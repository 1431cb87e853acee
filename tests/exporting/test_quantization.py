"""Quantization-aware training of a ticket with tfmot, as docs/export.md describes it."""

import numpy as np
import pytest
import sklearn.datasets
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras
from ai_edge_litert.interpreter import Interpreter
from tensorflow_model_optimization.python.core.quantization.keras.collab_opts.prune_preserve import (  # noqa: E501
    default_8bit_prune_preserve_quantize_scheme as prune_preserve,
)

import tf_lottery

SCHEME = prune_preserve.Default8BitPrunePreserveQuantizeScheme()
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
IMAGES, LABELS = sklearn.datasets.load_digits(return_X_y=True)
IMAGES = (IMAGES.reshape(-1, 8, 8, 1) / 16).astype(np.float32)
TRAINING, TEST = slice(1300), slice(1300, None)


def ticket_of_digits(*, depthwise: bool = False) -> keras.Model:
    """A network pruned to a tenth and trained, without masks."""
    keras.utils.set_random_seed(1)
    layers = [
        keras.layers.Conv2D(16, 3, use_bias=False, name="conv"),
        keras.layers.BatchNormalization(),
        keras.layers.ReLU(),
        *([keras.layers.DepthwiseConv2D(3, name="depthwise")] if depthwise else []),
        keras.layers.Flatten(),
        keras.layers.Dense(64, "relu", name="hidden"),
        keras.layers.Dense(10, name="sums"),
    ]
    model = tf_lottery.prunable(keras.Sequential([keras.Input((8, 8, 1)), *layers]))
    model.compile("adam", LOSS, metrics=["accuracy"])
    imp = tf_lottery.IterativeMagnitudePruning(model, levels=3, pruning_rate=0.54)
    imp.fit(IMAGES[TRAINING], LABELS[TRAINING], epochs=5, verbose=0)
    return tf_lottery.strip(imp.restore(level=3))


def quantized(ticket: keras.Model, *scheme) -> keras.Model:
    annotated = tfmot.quantization.keras.quantize_annotate_model(ticket)
    return tfmot.quantization.keras.quantize_apply(annotated, *scheme)


def trained(model: keras.Model) -> keras.Model:
    model.compile(keras.optimizers.Adam(1e-3), LOSS, metrics=["accuracy"])
    model.fit(IMAGES[TRAINING], LABELS[TRAINING], epochs=5, verbose=0)
    return model


def kernels_of(model: keras.Model) -> dict[str, np.ndarray]:
    """Kernels by the names that the layers have without their wrappers."""
    weights = {weight.name.removesuffix(":0"): weight.numpy() for weight in model.weights}
    return {name: array for name, array in weights.items() if name.endswith("kernel")}


def converted(model: keras.Model) -> Interpreter:
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    interpreter = Interpreter(model_content=converter.convert())
    interpreter.allocate_tensors()
    return interpreter


def kernels_of_file(interpreter: Interpreter) -> list[np.ndarray]:
    """8-bit kernels, in the order and shape of a Keras model's."""
    details = [d for d in interpreter.get_tensor_details() if "LastValueQuant" in d["name"]]
    assert len(details) == 3
    found = {}
    for tensor in details:
        assert tensor["dtype"] == np.int8
        assert not tensor["quantization_parameters"]["zero_points"].any()
        layer = tensor["name"].partition("quant_")[2].partition("/")[0]
        found[layer] = np.moveaxis(interpreter.get_tensor(tensor["index"]), 0, -1)
    return [found[layer] for layer in ("conv", "hidden", "sums")]


def accuracy_of_file(interpreter: Interpreter) -> float:
    run = interpreter.get_signature_runner("serving_default")
    (given,), (output,) = run.get_input_details(), run.get_output_details()
    outputs = run(**{given: IMAGES[TEST]})[output]
    return np.mean(outputs.argmax(axis=1) == LABELS[TEST])


@pytest.mark.slow
def test_zeros_stay_through_quantization_aware_training_and_conversion():
    ticket = ticket_of_digits()
    model = trained(quantized(ticket, SCHEME))
    interpreter = converted(model)
    before, after, in_file = kernels_of(ticket), kernels_of(model), kernels_of_file(interpreter)
    assert list(before) == list(after) == ["conv/kernel", "hidden/kernel", "sums/kernel"]
    for (name, kernel), stored in zip(before.items(), in_file, strict=True):
        assert np.array_equal(kernel == 0, after[name] == 0)
        assert not np.array_equal(kernel, after[name])
        assert not stored[kernel == 0].any()
        # Of the weights that are left, those near 0 are rounded to it.
        assert np.sum(stored == 0) <= np.sum(kernel == 0) + 0.01 * kernel.size
    assert sum(np.sum(kernel == 0) for kernel in before.values()) == 33983
    accuracy = np.mean(ticket.predict(IMAGES[TEST], verbose=0).argmax(axis=1) == LABELS[TEST])
    assert accuracy > 0.92
    assert accuracy_of_file(interpreter) > accuracy - 0.01


@pytest.mark.slow
def test_tfmots_own_scheme_loses_zeros():
    ticket = ticket_of_digits()
    after = kernels_of(trained(quantized(ticket)))
    for name, kernel in kernels_of(ticket).items():
        assert np.mean(after[name][kernel == 0] == 0) < 0.5


@pytest.mark.slow
def test_depthwise_kernels_lose_zeros_and_others_keep_them():
    ticket = ticket_of_digits(depthwise=True)
    after = kernels_of(trained(quantized(ticket, SCHEME)))
    for name, kernel in kernels_of(ticket).items():
        kept = np.mean(after[name][kernel == 0] == 0)
        assert (kept < 0.5) if "depthwise" in name else (kept == 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layers", "problem"),
    [
        ([keras.layers.Rescaling(2.0)], "unsupported layer .*Rescaling"),
        ([keras.layers.Normalization()], "unsupported layer .*Normalization"),
        ([keras.layers.LayerNormalization()], "LayerNormalization'> is not supported"),
        ([keras.layers.BatchNormalization()], "BatchNormalization'> is not supported"),
        (
            [keras.layers.Conv2D(2, 3, activation="relu"), keras.layers.BatchNormalization()],
            "Batch",
        ),
        ([keras.layers.Conv2DTranspose(2, 3)], "Conv2DTranspose'> is not supported"),
        ([keras.layers.Reshape((8, 8)), keras.layers.Conv1D(2, 3)], "Conv1D'> is not supported"),
        ([keras.layers.Reshape((8, 8)), keras.layers.LSTM(2)], "LSTM'> is not supported"),
        ([keras.Sequential([keras.layers.Dense(2)])], "Model inside another keras Model"),
    ],
)
def test_what_tfmot_does_not_quantize(layers, problem):
    with pytest.raises((ValueError, RuntimeError), match=problem):
        quantized(keras.Sequential([keras.Input((8, 8, 1)), *layers]), SCHEME)


@pytest.mark.slow
def test_models_for_quantization_aware_training_are_left_to_the_converter(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="sums")], name="own")
    with pytest.raises(
        ValueError, match=r"source=own .* layer quantize_layer\w* .*TFLiteConverter"
    ):
        tf_lottery.export(quantized(model, SCHEME), tmp_path / "out")
    assert not list(tmp_path.iterdir())
