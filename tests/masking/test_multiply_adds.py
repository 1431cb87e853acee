"""Multiply-adds, against numbers that are known and those that are written down."""

import keras as keras_3
import numpy as np
import pytest
import tf_keras

import tf_lottery
from tf_lottery.masking.multiply_adds import weight_uses, weights_of_kernels
from tf_lottery.models.build import build_model

BOTH = pytest.mark.parametrize("keras", [tf_keras, keras_3], ids=["tf_keras", "keras"])


@pytest.mark.parametrize(
    ("name", "size", "classes", "billions"),
    [
        # He et al. (1512.03385), with the stride in the 3x3 convolution.
        pytest.param("resnet50", 224, 1000, 4.089, marks=pytest.mark.slow),
        pytest.param("vgg16", 32, 10, 0.3132, marks=pytest.mark.slow),
        ("resnet20", 32, 10, 0.0408),
    ],
)
def test_networks_whose_counts_are_known(name, size, classes, billions):
    pixels = ([0.0] * 3, [1.0] * 3)
    operations = weight_uses(build_model(name, (size, size, 3), classes, 1, pixels)).by({})
    assert operations.total == pytest.approx(billions * 1e9, rel=2e-3)
    assert operations.not_counted == ()


def every_kind(keras):
    layers, inputs = keras.layers, keras.Input((8, 6, 4))
    x = layers.Conv2D(6, 3, strides=2, padding="same", name="plain")(inputs)  # 4x3
    x = layers.Conv2D(8, 3, padding="same", groups=2, name="grouped")(x)
    x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="depthwise")(x)
    x = layers.SeparableConv2D(5, 3, strides=(2, 3), padding="same", name="separable")(x)  # 2x1
    x = layers.Conv2DTranspose(7, 3, strides=2, padding="same", name="transposed")(x)  # 4x2
    x = layers.Dense(9, name="pointwise")(x)
    shared = layers.Dense(9, name="shared")
    x = layers.Flatten()(shared(shared(x)))
    x = layers.Dense(4, name="output")(x)
    return keras.Model(inputs, x)


# Weights times positions.
OF_KINDS = {
    "plain/kernel": 3 * 3 * 4 * 6 * 12,
    "grouped/kernel": 3 * 3 * 3 * 8 * 12,
    "depthwise/depthwise_kernel": 3 * 3 * 8 * 2 * 12,
    "separable/depthwise_kernel": 3 * 3 * 16 * 2,
    "separable/pointwise_kernel": 16 * 5 * 2,
    "transposed/kernel": 3 * 3 * 7 * 5 * 2,
    "pointwise/kernel": 7 * 9 * 8,
    "shared/kernel": 9 * 9 * 8 * 2,
    "output/kernel": 72 * 4,
}


@BOTH
def test_every_kind_of_layer(keras):
    model = every_kind(keras)
    found = weight_uses(model).by({})
    # Keras 3 calls the kernel of a depthwise convolution "kernel".
    assert list(found.multiply_adds.values()) == list(OF_KINDS.values())
    assert found.total == sum(OF_KINDS.values())
    half = weights_of_kernels(model)
    half["output/kernel"][::2] = 0
    assert found.total - weight_uses(model).by(half).total == 36 * 4


def test_masks_count_and_layers_that_are_not_pruned_count_whole():
    model = tf_lottery.prunable(every_kind(tf_keras), exclude=["plain"])
    mask = {name: np.zeros(array.shape, bool) for name, array in tf_lottery.get_mask(model).items()}
    operations = weight_uses(model).by(mask)
    assert operations.multiply_adds == {
        **dict.fromkeys(OF_KINDS, 0),
        "plain/kernel": 3 * 3 * 24 * 12,
    }


@BOTH
def test_other_layers_are_said_not_to_be_counted(keras):
    layers, inputs = keras.layers, keras.Input((None, 4))
    x = layers.Conv1D(3, 3, name="of_any_length")(inputs)
    x = layers.Dense(2, name="each")(x)
    x = layers.LSTM(3, name="memory")(x)
    operations = weight_uses(keras.Model(inputs, layers.Dense(2, name="output")(x))).by({})
    assert operations.multiply_adds == {"output/kernel": 6}
    assert set(operations.not_counted) == {"of_any_length", "each", "memory/cell"}
    assert operations.record() == {
        "multiply_adds": {"output/kernel": 6},
        "not_counted": list(operations.not_counted),
    }


def test_a_nested_network_counts_for_each_of_its_calls():
    inner = tf_keras.Sequential([tf_keras.Input((5,)), tf_keras.layers.Dense(5, name="d")])
    inputs = tf_keras.Input((5,))
    uses = weight_uses(tf_keras.Model(inputs, inner(inner(inputs))))
    assert uses.by({}).total == 2 * 25


def test_of_a_subclassed_model_nothing_is_known():
    class Own(tf_keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = tf_keras.layers.Dense(3)

        def call(self, inputs):
            return self.dense(inputs)

    model = Own()
    model.build((None, 2))
    operations = weight_uses(model).by({})
    assert operations.total is None and operations.not_counted == ("dense",)


@pytest.mark.parametrize("unknown_first", [True, False])
def test_a_layer_that_is_also_called_on_inputs_of_any_size_is_not_counted(unknown_first):
    shared = tf_keras.layers.Dense(2, name="shared")
    inputs = [tf_keras.Input((None, 3)), tf_keras.Input((4, 3))]
    if not unknown_first:
        inputs.reverse()
    operations = weight_uses(tf_keras.Model(inputs, [shared(each) for each in inputs])).by({})
    assert operations.total is None and operations.not_counted == ("shared",)
