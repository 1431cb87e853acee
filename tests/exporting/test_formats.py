"""Files of every format, as TensorFlow reads them."""

import tarfile

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from ai_edge_litert.interpreter import Interpreter

from tf_lottery.exporting.formats import formats_named, known_formats
from tf_lottery.exporting.plain_network import ExportedNetwork, PlainNetwork
from tf_lottery.exporting.serving_script import load

FORMATS = known_formats()

IMAGES = np.random.default_rng(5).uniform(0, 16, (20, 8, 8, 1)).astype(np.float32)


@keras.utils.register_keras_serializable(package="tests")
class Doubled(keras.layers.Layer):
    """A layer that only this file knows."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return 2 * inputs


def exported(folder, *layers) -> ExportedNetwork:
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers])
    plain = PlainNetwork(model)
    return ExportedNetwork(plain, folder, {plain.inputs[0].name: IMAGES})


def outputs_of(network: ExportedNetwork, images: np.ndarray) -> np.ndarray:
    (outputs,) = network.plain.compute({network.plain.inputs[0].name: images}).values()
    return outputs


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> ExportedNetwork:
    """A dense, a convolution and a half empty kernel, by density 0.9, 0.1 and 0.1."""
    keras.utils.set_random_seed(1)
    network = exported(
        tmp_path_factory.mktemp("network"),
        keras.layers.Conv2D(16, 3, activation="relu", name="first"),
        keras.layers.Conv2D(16, 3, activation="relu", name="sparse_convolution"),
        keras.layers.Flatten(),
        keras.layers.Dense(20, name="sparse_dense"),
    )
    generator = np.random.default_rng(0)
    for layer, density in zip(network.plain.model.layers, (0.9, 0.1, None, 0.1), strict=True):
        if density:
            kernel = layer.kernel.numpy()
            layer.kernel.assign(kernel * (generator.random(kernel.shape) < density))
    return network


@pytest.fixture(scope="module")
def write(network, tmp_path_factory):
    """Returns a function that writes the network in a format, and gives the path."""
    folder = tmp_path_factory.mktemp("files")

    def write_once(name):
        kind = FORMATS[name]
        path = folder / kind.file_name
        if not path.exists():
            assert kind.reason_unavailable(network) is None
            kind.write(network, path)
        return path

    return write_once


def interpreter_of(path) -> Interpreter:
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    return interpreter


def sparse_shapes(path) -> list[tuple[int, ...]]:
    tensors = interpreter_of(path).get_tensor_details()
    return sorted(tuple(tensor["shape"]) for tensor in tensors if tensor["sparsity_parameters"])


@pytest.mark.slow
def test_kernels_of_few_weights_are_stored_sparse(write):
    assert sparse_shapes(write("tflite")) == []
    shapes = sparse_shapes(write("tflite_sparse"))
    assert shapes == [(16, 3, 3, 16), (20, 4 * 4 * 16)]
    weights = 16 * 3 * 3 * 16 + 20 * 4 * 4 * 16
    saved = write("tflite").stat().st_size - write("tflite_sparse").stat().st_size
    assert saved > 0.8 * 4 * weights


@pytest.mark.slow
def test_weights_take_a_byte_each_with_8_bits(write):
    full = write("tflite").stat().st_size
    for name in ("tflite_int8_dynamic", "tflite_int8"):
        assert write(name).stat().st_size < 0.5 * full


def test_integer_network_takes_and_gives_floats(write):
    interpreter = interpreter_of(write("tflite_int8"))
    (given,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert given["dtype"] == result["dtype"] == np.float32
    kinds = {
        tensor["dtype"] for tensor in interpreter.get_tensor_details() if len(tensor["shape"]) == 4
    }
    assert kinds == {np.float32, np.int8}


@pytest.mark.slow
def test_calibration_sees_the_whole_representative(network, tmp_path):
    # Sorted by size: the first examples alone would cut off the activations of the last.
    scales = np.linspace(0.01, 1, 400, dtype=np.float32)[:, None, None, None]
    images = np.repeat(IMAGES[:1], 400, axis=0) * scales
    given = {network.plain.inputs[0].name: images}
    sorted_network = ExportedNetwork(network.plain, network.folder, given)
    FORMATS["tflite_int8"].write(sorted_network, tmp_path / "model.tflite")
    interpreter = interpreter_of(tmp_path / "model.tflite")
    (given,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(given["index"], images[-1:])
    interpreter.invoke()
    expected = outputs_of(network, images[-1:])
    error = np.abs(interpreter.get_tensor(result["index"]) - expected).max()
    assert error < 0.1 * np.abs(expected).max()


def test_keras_archive_can_be_trained_further(network, write):
    model = keras.models.load_model(write("keras"))
    np.testing.assert_allclose(model(IMAGES), outputs_of(network, IMAGES), rtol=1e-5, atol=1e-5)
    model.compile("sgd", "mse")
    model.fit(IMAGES, np.zeros((20, 20)), verbose=0)
    assert not np.allclose(model(IMAGES), outputs_of(network, IMAGES), rtol=1e-3)


def test_archive_does_not_depend_on_when_it_is_written(network, tmp_path):
    paths = [tmp_path / "now.tar.gz", tmp_path / "later.tar.gz"]
    FORMATS["saved_model_compressed"].write(network, paths[0])
    for path in network.saved_model.rglob("*"):
        path.touch()
    (network.saved_model / "saved_model.pb").chmod(0o600)
    FORMATS["saved_model_compressed"].write(network, paths[1])
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with tarfile.open(paths[0]) as archive:
        names = archive.getnames()
    assert names == sorted(names)
    assert {"saved_model/saved_model.pb", "saved_model/variables"} <= set(names)


def test_keras_archive_refuses_layers_that_others_cannot_load(tmp_path):
    reason = FORMATS["keras"].reason_unavailable
    custom = exported(tmp_path, keras.Sequential([Doubled(name="twice")], name="block"))
    assert "layer block/twice is a Doubled" in reason(custom)
    code = exported(tmp_path, keras.layers.Lambda(lambda inputs: 2 * inputs, name="twice"))
    assert "layer twice is a Lambda" in reason(code)

    def steep(inputs):
        return 2 * inputs

    function = exported(tmp_path, keras.layers.Dense(3, activation=steep, name="steep_layer"))
    assert reason(function) == "layer steep_layer has steep, which tf_keras alone cannot load"
    known = exported(tmp_path, keras.layers.Dense(3, activation=tf.nn.relu))
    assert reason(known) is None


def test_operation_that_keras_cannot_save_is_a_reason_without_a_file(tmp_path):
    image = keras.Input((4, 4))
    network = ExportedNetwork(PlainNetwork(keras.Model(image, image[..., ::-1])), tmp_path)
    path = tmp_path / "model.keras"
    with pytest.raises(ValueError, match=r"keras: Keras cannot save model.*: .*Ellipsis"):
        FORMATS["keras"].write(network, path)
    assert not path.exists()


def test_integers_need_a_representative(network):
    without = ExportedNetwork(network.plain, network.folder)
    for name, kind in FORMATS.items():
        assert kind.by_default == (name != "onnx")
        reason = kind.reason_unavailable(without)
        assert (reason is not None) == (name == "tflite_int8")
    assert "representative=" in FORMATS["tflite_int8"].reason_unavailable(without)


@pytest.mark.slow
def test_recurrent_layers_begin_each_call_without_states(tmp_path, monkeypatch):
    keras.utils.set_random_seed(0)
    layers = keras.layers.Reshape((8, 8)), keras.layers.LSTM(4), keras.layers.Dense(3)
    network = exported(tmp_path, *layers)
    file = tmp_path / FORMATS["tflite"].file_name
    FORMATS["tflite"].write(network, file)
    inputs = {network.plain.inputs[0].name: IMAGES[:2]}
    ((name, expected),) = network.plain.compute(inputs).items()
    found = load("tflite", str(file), 1)(inputs)
    np.testing.assert_allclose(found[name], expected, atol=1e-5)
    monkeypatch.chdir(tmp_path)
    code = FORMATS["tflite"].loading_code(network.plain)
    names = {"inputs": IMAGES[:1]}
    exec(code, names)
    # What is for each call.
    names["inputs"] = IMAGES[1:2]
    exec("\n".join(code.splitlines()[-2:]), names)
    np.testing.assert_allclose(names["outputs"][0], expected[1], atol=1e-5)


@pytest.mark.slow
def test_network_that_the_converter_does_not_know(tmp_path):
    network = exported(tmp_path, keras.layers.Lambda(lambda x: tf.raw_ops.Betainc(a=x, b=x, x=x)))
    with pytest.raises(ValueError, match=r"tflite: TensorFlow .* cannot convert sequential"):
        FORMATS["tflite"].write(network, tmp_path / "model.tflite")
    assert not (tmp_path / "model.tflite").exists()


def test_formats_are_named_in_their_own_order():
    kinds = formats_named(["tflite", "saved_model", "tflite"])
    assert [kind.name for kind in kinds] == ["saved_model", "tflite"]
    assert [kind.name for kind in formats_named("tflite")] == ["tflite"]
    for names in (["caffe", "tflite"], []):
        with pytest.raises(ValueError, match=r"(caffe is no|at least one) format; choose from sav"):
            formats_named(names)


def test_packages_that_are_missing_are_told_with_what_installs_them(monkeypatch):
    monkeypatch.setattr(FORMATS["onnx"], "packages", ("numpy", "tf2onnx_of_nobody"))
    with pytest.raises(ValueError) as refused:
        formats_named(["tflite", "onnx"])
    assert str(refused.value) == (
        "formats=['tflite', 'onnx']: onnx needs tf2onnx_of_nobody, which is not installed: pip "
        'install "tf_lottery[onnx]".'
    )
