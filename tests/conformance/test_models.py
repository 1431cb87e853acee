"""Every model through wrap, train, prune, rewind, save, load and export, and through XLA."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

import tf_lottery
from tests.conformance import lifecycle
from tf_lottery.models.registry import example_models

# The deepest networks take minutes on a busy machine.
pytestmark = pytest.mark.timeout(1500)


def only_fast(name: str) -> list:
    """All models, of which the others are slow."""
    return [
        other if other == name else pytest.param(other, marks=pytest.mark.slow)
        for other in lifecycle.SHAPES
    ]


def test_no_model_is_left_out():
    assert set(example_models()) - {"wideresnet_10_1"} <= set(lifecycle.SHAPES)


@pytest.mark.parametrize("name", only_fast("conv2"))
def test_one_device(name: str, tmp_path):
    lifecycle.check_files(name, *lifecycle.check_training(name), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", only_fast("lenet_300_100"))
def test_two_mirrored_devices(name: str, mirrored: tf.distribute.Strategy, tmp_path):
    with mirrored.scope():
        trained = lifecycle.check_training(name)
    lifecycle.check_files(name, *trained, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", only_fast("conv2"))
def test_xla(name: str):
    lifecycle.check_compilation(name)


@pytest.mark.parametrize("name", ["lenet_300_100", pytest.param("conv2", marks=pytest.mark.slow)])
def test_model_fit(name: str):
    model = tf_lottery.prunable(lifecycle.build(name))
    data = lifecycle.random_data(name)
    ones = tf_lottery.get_mask(model)
    two_thirds = {
        weight: np.arange(array.size).reshape(array.shape) % 3 > 0 for weight, array in ones.items()
    }
    mask = tf_lottery.Mask(two_thirds)
    tf_lottery.set_mask(model, mask)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3, jit_compile=False), loss, jit_compile=False)
    model.fit(data.images, data.labels, batch_size=lifecycle.BATCH, verbose=0)
    for layer in model.layers:
        for kernel, kept in ((k, m) for k, m, _ in getattr(layer, "pruning_vars", ())):
            assert not kernel.numpy()[kept.numpy() == 0].any()
            assert kernel.numpy()[kept.numpy() == 1].any()
