"""Random numbers of layers are those of the seed and the step, whatever runs it."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_lottery.data.order import Epoch
from tf_lottery.masking.prunable import prunable
from tf_lottery.training.network import Network
from tf_lottery.training.random_numbers import StepwiseNumbers

LAYERS = {
    "dropout": lambda: keras.layers.Dropout(0.5),
    "shifted": lambda: keras.layers.RandomTranslation(0.3, 0.3, fill_mode="constant"),
    "alpha": lambda: keras.layers.AlphaDropout(0.5),
    "gaussian_dropout": lambda: keras.layers.GaussianDropout(0.5),
    "noise": lambda: keras.layers.GaussianNoise(1.0),
    "spatial": lambda: keras.layers.SpatialDropout2D(0.5),
    "flip": lambda: keras.layers.RandomFlip(),
    "contrast": lambda: keras.layers.RandomContrast(0.9),
}
EPOCH = Epoch(data_seed=1, level=0, number=0)


def drawing(layer):
    """A function of (epoch, step) to what a network with the layer makes of images in training.

    Made in the scope of a strategy, it gives an array per replica.
    """
    dense = keras.layers.Dense(40, kernel_initializer=keras.initializers.GlorotNormal(seed=1))
    stack = [keras.Input((8, 8, 2)), layer, keras.layers.Flatten(), dense]
    network = Network(prunable(keras.Sequential(stack)), keras.optimizers.SGD())
    numbers, images = StepwiseNumbers(network), tf.random.stateless_uniform([3, 8, 8, 2], [1, 2])
    strategy = tf.distribute.get_strategy()

    @tf.function
    def step():
        return strategy.run(lambda: network.model(images, training=True))

    def draw(epoch, at):
        numbers.begin(epoch)
        network.optimizer.iterations.assign(at)
        return [value.numpy() for value in strategy.experimental_local_results(step())]

    return draw


@pytest.mark.parametrize(
    "name",
    [
        name if name in ("dropout", "shifted") else pytest.param(name, marks=pytest.mark.slow)
        for name in LAYERS
    ],
)
def test_a_step_draws_the_same_again(name):
    draw, again = drawing(LAYERS[name]()), drawing(LAYERS[name]())
    [first] = draw(EPOCH, 0)
    others = (EPOCH, 1), (Epoch(2, 0, 0), 0), (Epoch(1, 1, 0), 0), (Epoch(1, 0, 1), 0)
    for epoch, step in others:
        assert not np.array_equal(first, draw(epoch, step)[0]), (epoch, step)
    # As in a process that goes on: another network, other steps before.
    again(Epoch(3, 0, 0), 7)
    np.testing.assert_array_equal(first, again(EPOCH, 0)[0])


def test_replicas_draw_their_own(mirrored):
    [of_one] = drawing(LAYERS["dropout"]())(EPOCH, 3)
    with mirrored.scope():
        first, second = drawing(LAYERS["dropout"]())(EPOCH, 3)
    np.testing.assert_array_equal(first, of_one)
    assert not np.array_equal(first, second)


def test_draws_within_a_step_and_a_layer_differ():
    draw = drawing(keras.layers.Lambda(lambda images: images))
    assert np.array_equal(draw(EPOCH, 0), draw(EPOCH, 1)), "it draws nothing"
    moved = keras.Sequential([LAYERS["shifted"]()])
    network = Network(
        prunable(keras.Sequential([keras.Input((8, 8, 2)), moved, keras.layers.Conv2D(1, 1)])),
        keras.optimizers.SGD(),
    )
    StepwiseNumbers(network)
    generator = network.model.layers[0].layers[0]._random_generator
    step = tf.function(lambda: [generator.random_uniform([4], maxval=1.0) for _ in range(2)])
    first, second = step()
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, step()[0])


def test_layers_that_have_drawn_in_several_functions_have_their_weights():
    crop = keras.layers.RandomCrop(6, 6)
    model = prunable(
        keras.Sequential([keras.Input((8, 8, 2)), crop, keras.layers.Conv2D(1, 1, name="conv")])
    )
    names = [weight.name for weight in model.weights]
    StepwiseNumbers(Network(model, keras.optimizers.SGD()))
    images = tf.random.stateless_uniform([3, 8, 8, 2], [1, 2])
    first, second = (tf.function(lambda: model(images, training=True)) for _ in range(2))
    np.testing.assert_array_equal(first(), second())
    assert [weight.name for weight in model.weights] == names


def test_what_is_saved_of_the_layers_is_as_before(tmp_path):
    model = prunable(
        keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dense(2)])
    )
    before = model.get_config()
    StepwiseNumbers(Network(model, keras.optimizers.SGD()))
    assert model.get_config() == before
