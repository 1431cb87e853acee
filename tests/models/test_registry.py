"""Models by name: what every registered architecture owes the experiments."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_lottery.models import build_model, example_models, model_names

STANDARD = ((0.0,), (1.0,))


def weights_digest(model):
    digest = hashlib.sha256()
    for weights in model.get_weights():
        digest.update(weights.tobytes())
    return digest.hexdigest()


def kernels(model):
    return [layer.kernel.numpy() for layer in model.layers if hasattr(layer, "kernel")]


@pytest.mark.parametrize("name", example_models())
def test_raw_pixels_become_logits(name):
    model = build_model(name, (8, 12, 3), 7, init_seed=0, normalization=STANDARD)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8, 12, 3)).astype(np.uint8)
    logits = model.predict(pixels, verbose=0)
    assert (logits.shape, logits.dtype) == ((5, 7), np.float32)
    assert logits.min() < 0  # Neither probabilities nor rectified.
    np.testing.assert_allclose(logits, model.predict(pixels.astype(np.float32), verbose=0))
    assert model.name == name
    assert model.layers[1].name == "normalization"


@pytest.mark.parametrize("name", example_models())
def test_kernels_are_glorot_normal_and_biases_zero(name):
    model = build_model(name, (8, 8, 3), 10, init_seed=3, normalization=STANDARD)
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            receptive_field = np.prod(layer.kernel.shape[:-2])
            fans = receptive_field * sum(layer.kernel.shape[-2:])
            kernel = layer.kernel.numpy()
            tolerance = 4 / np.sqrt(kernel.size)
            assert kernel.std() == pytest.approx(np.sqrt(2 / fans), rel=tolerance)
            assert abs(kernel.mean()) < kernel.std() * tolerance
            assert not layer.bias.numpy().any()


@pytest.mark.parametrize("name", example_models())
def test_the_weights_depend_on_the_seed_alone(name):
    def digest(init_seed):
        return weights_digest(build_model(name, (8, 8, 1), 10, init_seed, STANDARD))

    first = digest(1)
    tf.random.set_seed(99)
    keras.layers.Dense(3).build((None, 4))
    assert digest(1) == first
    assert digest(2) != first


def test_layers_of_equal_shape_start_differently():
    first, second, third = kernels(build_model("lenet_20_20", (20,), 20, 0, STANDARD))
    assert not np.array_equal(first, second)
    assert not np.array_equal(second, third)


ON_TWO_REPLICAS = """
import hashlib
import tensorflow as tf
from tf_lottery.models import build_model
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    model = build_model("conv2", (8, 8, 1), 10, 5, ((0.0,), (1.0,)))
for replica in range(2):
    digest = hashlib.sha256()
    for variable in model.variables:
        digest.update(variable.values[replica].numpy().tobytes())
    print(digest.hexdigest())
"""


def test_another_process_draws_the_same_bits_on_both_replicas(pytestconfig):
    other = subprocess.run(
        [sys.executable, "-c", ON_TWO_REPLICAS],
        cwd=pytestconfig.rootpath,
        capture_output=True,
        text=True,
        check=True,
    )
    here = weights_digest(build_model("conv2", (8, 8, 1), 10, 5, STANDARD))
    assert other.stdout.split()[-2:] == [here, here]


def test_normalization_standardises_each_channel_of_raw_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (200, 6, 6, 3)).astype(np.uint8)
    pixels = pixels // np.array([1, 2, 5], np.uint8)
    statistics = (pixels.mean((0, 1, 2)), pixels.var((0, 1, 2)))
    model = build_model("lenet_5", (6, 6, 3), 2, 0, statistics)
    standardised = model.get_layer("normalization")(pixels).numpy()
    np.testing.assert_allclose(standardised.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(standardised.std((0, 1, 2)), 1, atol=1e-5)


def test_one_mean_and_variance_standardise_flat_data():
    model = build_model("lenet_5", (4,), 2, 0, ((10.0,), (4.0,)))
    standardised = model.get_layer("normalization")(np.array([[10, 12, 8, 14]], np.uint8))
    np.testing.assert_allclose(standardised.numpy(), [[0, 1, -1, 2]])


def test_a_model_is_rebuilt_from_its_configuration():
    model = build_model("conv2", (8, 8, 3), 10, 0, ((1.0, 2.0, 3.0), (4.0, 5.0, 6.0)))
    copy = keras.models.model_from_json(model.to_json())
    copy.set_weights(model.get_weights())
    pixels = np.random.default_rng(0).uniform(0, 255, (3, 8, 8, 3)).astype(np.float32)
    np.testing.assert_array_equal(copy.predict(pixels, verbose=0), model.predict(pixels, verbose=0))


def test_names_for_people_show_the_families():
    assert set(example_models()) <= set(model_names())
    assert "lenet_N_M_…" in model_names()
    assert "lenet_N_M_…" not in example_models()


@pytest.mark.parametrize("name", ["lenet300_100", "lenet_300_0", "lenet_", "conv3", "Conv2", ""])
def test_an_unknown_model_is_answered_with_the_known_ones(name):
    with pytest.raises(ValueError, match=f"--model={name} .*conv2, .*lenet_N_M_…"):
        build_model(name, (8, 8, 1), 10, 0, STANDARD)


def test_a_close_name_is_suggested():
    with pytest.raises(ValueError, match=r"Did you mean lenet_300_100\?"):
        build_model("lenet300100", (8, 8, 1), 10, 0, STANDARD)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((8, 8), 10, 0, STANDARD), r"input_shape=\(8, 8\)"),
        (((8, 0, 1), 10, 0, STANDARD), "input_shape"),
        (((8, 8, 1), 1, 0, STANDARD), "classes=1"),
        (((8, 8, 1), 10, -1, STANDARD), "--init_seed=-1"),
        (((8, 8, 3), 10, 0, ((0, 0), (1, 1))), "2 means and 2 variances.*1 or 3"),
        (((8, 8, 1), 10, 0, ((np.nan,), (1,))), "finite"),
        (((8, 8, 1), 10, 0, ((0,), (-1,))), "variances"),
    ],
)
def test_arguments_that_do_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        build_model("lenet_300_100", *arguments)
