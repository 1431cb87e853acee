"""ONNX files, as ONNX Runtime reads them."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tests.exporting.test_export import run_snippets
from tf_lottery.exporting.export import export
from tf_lottery.exporting.formats import known_formats
from tf_lottery.exporting.plain_network import ExportedNetwork, PlainNetwork

ONNX = known_formats()["onnx"]
if ONNX.packages_missing():
    pytest.skip(ONNX.packages_missing(), allow_module_level=True)


def test_inputs_and_outputs_keep_their_names_for_any_number_of_examples(tmp_path, monkeypatch):
    keras.utils.set_random_seed(1)
    left, right = (keras.Input((3,), name=name) for name in ("b-side", "a-side"))
    # A layer that holds constants, which are no inputs.
    centred = keras.layers.Normalization(mean=0.5, variance=2.0)(left)
    hidden = keras.layers.Subtract()([keras.layers.Dense(3)(centred), right])
    # In another order than that in which TensorFlow flattens dictionaries.
    outputs = {name: keras.layers.Dense(2, name=name)(hidden) for name in ("second", "first")}
    model = keras.Model([left, right], outputs, name="sides")
    generator = np.random.default_rng(0)
    network = ExportedNetwork(PlainNetwork(model), tmp_path)
    ONNX.write(network, tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    for examples in (1, 7):
        sides = {name: generator.random((examples, 3), np.float32) for name in ("a_side", "b_side")}
        names = {"inputs": sides}
        exec(ONNX.loading_code(network.plain), names)
        expected = model([sides["b_side"], sides["a_side"]])
        assert set(names["outputs"]) == {"first", "second"}
        for name, array in names["outputs"].items():
            np.testing.assert_allclose(array, expected[name], rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_recurrent_networks_of_texts_of_any_length(tmp_path):
    words = keras.Input((None,), dtype="int32", name="words")
    embedded = keras.layers.Embedding(10, 4, mask_zero=True)(words)
    model = keras.Model(words, keras.layers.Dense(2)(keras.layers.LSTM(4)(embedded)))
    texts = np.random.default_rng(0).integers(0, 10, (40, 7)).astype(np.int32)
    folder = tmp_path / "out"
    report = export(model, folder, ["onnx"], test_data=(texts, None), measure=False)
    (result,) = report.formats
    assert result.verification.largest_difference < 1e-5
    (found,) = run_snippets(folder, texts[:3, :5])
    np.testing.assert_allclose(found, model(texts[:3, :5]), rtol=1e-4, atol=1e-5)


def test_operation_that_is_not_known_is_named(tmp_path, caplog):
    image = keras.Input((3,))
    betainc = keras.layers.Lambda(lambda x: tf.raw_ops.Betainc(a=x, b=x, x=x))(image)
    network = ExportedNetwork(PlainNetwork(keras.Model(image, betainc, name="beta")), tmp_path)
    with pytest.raises(ValueError, match=r"^onnx: tf2onnx cannot convert beta: .*'Betainc': 1"):
        ONNX.write(network, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()
    assert "Betainc" not in caplog.text


@pytest.mark.slow
def test_networks_of_keras_3(tmp_path):
    keras_3 = pytest.importorskip("keras", minversion="3")
    image = keras_3.Input((8, 8, 3), name="pixels")
    hidden = keras_3.layers.Conv2D(6, 3, padding="same", use_bias=False)(image)
    hidden = keras_3.layers.ReLU()(keras_3.layers.BatchNormalization()(hidden))
    pooled = keras_3.layers.GlobalAveragePooling2D()(hidden)
    model = keras_3.Model(image, keras_3.layers.Dense(3)(pooled))
    pixels = np.random.default_rng(0).normal(size=(40, 8, 8, 3)).astype(np.float32)
    report = export(model, tmp_path / "out", ["onnx"], test_data=(pixels, None), measure=False)
    (result,) = report.formats
    assert result.verification.largest_difference < 1e-5
    (found,) = run_snippets(tmp_path / "out", pixels[:3])
    np.testing.assert_allclose(found, model(pixels[:3]), rtol=1e-4, atol=1e-5)
