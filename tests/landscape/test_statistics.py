"""Statistics of batch normalization, estimated anew."""

import numpy as np
import pytest
import tf_keras as keras

import tf_lottery
from tf_lottery.landscape.statistics import StatisticsEstimator


@pytest.fixture
def model() -> keras.Model:
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((5,)),
        keras.layers.Dense(6),
        keras.layers.BatchNormalization(momentum=0.9),
        keras.layers.Dense(2),
    ]
    return tf_lottery.prunable(keras.Sequential(layers))


@pytest.mark.parametrize("batches", [1, 3, 200])
def test_statistics_are_means_over_batches_whatever_they_were_before(model, batches):
    images = np.random.default_rng(0).normal(size=(batches * 20 + 7, 5)).astype(np.float32)
    layer = model.layers[1]
    layer.moving_mean.assign([100.0] * 6)
    layer.moving_variance.assign([1e6] * 6)
    weights = [variable.numpy() for variable in model.trainable_variables]
    StatisticsEstimator(model, images, batch_size=20)()
    activations = model.layers[0](images[: batches * 20]).numpy().reshape(batches, 20, 6)
    for estimate, of_batches in (
        (layer.moving_mean, activations.mean(axis=1)),
        (layer.moving_variance, activations.var(axis=1)),
    ):
        np.testing.assert_allclose(estimate.numpy(), of_batches.mean(axis=0), rtol=1e-4, atol=1e-5)
    assert layer.momentum == 0.9
    for variable, before in zip(model.trainable_variables, weights, strict=True):
        assert variable.numpy().tobytes() == before.tobytes()


def test_a_momentum_changes_nothing_and_neither_does_what_was_compiled_before():
    """Convolutions are normalized by an operation of their own."""
    images = np.random.default_rng(0).normal(size=(60, 4, 4, 3)).astype(np.float32)
    images *= np.linspace(1, 3, 60)[:, None, None, None]
    for momentum in (0.0, 0.99, 1.0):
        keras.utils.set_random_seed(0)
        layers = [
            keras.Input((4, 4, 3)),
            keras.layers.Conv2D(5, 3),
            keras.layers.BatchNormalization(momentum=momentum),
        ]
        model = tf_lottery.prunable(keras.Sequential(layers))
        convolution, layer = model.layers
        estimate = StatisticsEstimator(model, images, batch_size=20)
        estimate()
        # Again, for other weights.
        convolution.set_weights([2 * array for array in convolution.get_weights()])
        estimate()
        activations = convolution(images).numpy().reshape(3, 20 * 4, 5)
        # As in training, the variance is that of a sample.
        for found, of_batches in (
            (layer.moving_mean, activations.mean(axis=1)),
            (layer.moving_variance, activations.var(axis=1, ddof=1)),
        ):
            np.testing.assert_allclose(found, of_batches.mean(axis=0), rtol=1e-4, atol=1e-5)
        assert layer.momentum == momentum


def test_a_network_without_normalization_is_left_alone():
    model = tf_lottery.prunable(keras.Sequential([keras.layers.Dense(2, input_shape=(5,))]))
    before = [variable.numpy().tobytes() for variable in model.weights]
    StatisticsEstimator(model, np.zeros((4, 5), np.float32), batch_size=2)()
    assert [variable.numpy().tobytes() for variable in model.weights] == before


def test_too_few_examples_are_refused(model):
    with pytest.raises(ValueError, match=r"3 examples are too few .* a batch has 4"):
        StatisticsEstimator(model, np.zeros((3, 5), np.float32), batch_size=4)


def test_dropout_draws_the_same_numbers_for_each_batch_whatever_was_drawn_before():
    images = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    layers = [
        keras.Input((5,)),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(6),
        keras.layers.BatchNormalization(),
    ]
    model = tf_lottery.prunable(keras.Sequential(layers))
    dropout, _, layer = model.layers
    own = dropout._random_generator
    found = []
    for _ in range(2):
        estimate = StatisticsEstimator(model, images, batch_size=20)
        for _ in range(2):
            model(images, training=True)
            estimate()
            found.append((layer.moving_mean.numpy(), layer.moving_variance.numpy()))
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])
    assert dropout._random_generator is own
    model.layers[1].set_weights([2 * array for array in model.layers[1].get_weights()])
    estimate()
    np.testing.assert_allclose(layer.moving_mean, 2 * found[0][0], rtol=1e-5)
    # Noise there is: without it the variances are smaller.
    dropout.rate = 0.0
    StatisticsEstimator(model, images, batch_size=20)()
    assert (layer.moving_variance.numpy() < 4 * found[0][1]).all()
