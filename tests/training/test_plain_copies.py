"""Scores of whole networks: normalized, distributed, nested, and left as they were."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import get_mask, prunable, set_mask
from tf_lottery.pruning.score import find_method
from tf_lottery.training.network import Network, weights_of
from tf_lottery.training.plain_copies import copy_for_gradients
from tf_lottery.training.saliency import NetworkEvidence, Saliency

Arrays = dict[str, np.ndarray]

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 5)), RNG.integers(0, 3, 12)
IMAGES = RNG.normal(size=(12, 6, 6, 2)).astype(np.float32)
BATCHES = [(IMAGES[:8], Y[:8]), (IMAGES[8:], Y[8:])]


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def evidence_of(model: keras.Model, batches=BATCHES) -> NetworkEvidence:
    saliency = Saliency(model, cross_entropy, lambda: batches)
    return NetworkEvidence(saliency, lambda: weights_of(model), np.random.SeedSequence(4))


def half_mask(model: keras.Model) -> Mask:
    rng = np.random.default_rng(2)
    return Mask({name: rng.random(a.shape) < 0.6 for name, a in get_mask(model).items()})


def convolutional(dtype: str = "float32") -> keras.Model:
    model = keras.Sequential(
        [
            keras.layers.Conv2D(4, 3, input_shape=(6, 6, 2), dtype=dtype, name="conv"),
            keras.layers.BatchNormalization(dtype=dtype, name="norm"),
            keras.layers.ReLU(dtype=dtype),
            keras.layers.MaxPooling2D(dtype=dtype),
            keras.layers.Flatten(dtype=dtype),
            keras.layers.Dropout(0.5, dtype=dtype),
            keras.layers.Dense(3, dtype="float32" if "mixed" in dtype else dtype, name="output"),
        ]
    )
    rng = np.random.default_rng(1)
    model.set_weights([rng.uniform(-0.5, 0.9, w.shape) for w in model.get_weights()])
    variance = model.get_layer("norm").moving_variance
    variance.assign(np.abs(variance))
    return prunable(model)


def all_scores(evidence: NetworkEvidence, weights: Arrays, mask: Mask) -> Arrays:
    return {
        f"{method}/{name}": array
        for method in ("snip", "taylor", "grasp", "synflow", "random")
        for name, array in find_method(method).score(weights, mask, evidence).items()
    }


def test_batches_are_normalized_by_their_own_statistics_and_nothing_is_dropped():
    model = convolutional("float64")
    weights, mask = weights_of(model), get_mask(model)
    gradients = list(evidence_of(model).loss_gradients(weights, mask))
    with tf.GradientTape() as tape:
        features = tf.nn.conv2d(BATCHES[0][0].astype(float), weights["conv/kernel"], 1,
                                "VALID")  # fmt: skip
        kernel = tf.constant(weights["output/kernel"])
        tape.watch(kernel)
        mean, variance = tf.nn.moments(features, [0, 1, 2])
        features = weights["norm/gamma"] * (features - mean) / tf.sqrt(variance + 1e-3)
        features = tf.nn.relu(features + weights["norm/beta"])
        features = tf.nn.max_pool2d(features, 2, 2, "VALID")
        logits = tf.reshape(features, [8, -1]) @ kernel + weights["output/bias"]
        loss = tf.reduce_mean(cross_entropy(Y[:8], logits))
    expected = tape.gradient(loss, kernel)
    np.testing.assert_allclose(gradients[0]["output/kernel"], expected, atol=1e-12)


def test_a_frozen_normalization_keeps_its_statistics():
    norm = keras.layers.BatchNormalization(epsilon=0, dtype="float64", name="norm", trainable=False)
    layers = [keras.Input((5,)), norm, keras.layers.Dense(3, dtype="float64", name="output")]
    model = prunable(keras.Sequential(layers))
    weights = weights_of(model) | {"norm/moving_variance": np.full(5, 4.0)}
    (gradients,) = evidence_of(model, [(X, Y)]).loss_gradients(weights, get_mask(model))
    logits = X / 2 @ weights["output/kernel"]
    errors = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True) - np.eye(3)[Y]
    np.testing.assert_allclose(gradients["output/kernel"], (X / 2).T @ errors / 12, atol=1e-7)


@pytest.mark.slow
def test_the_network_stays_as_it_is():
    model = convolutional()
    network = Network(model, keras.optimizers.Adam())
    network.set_weights(network.weights(), half_mask(model))
    before, mask = network.state().tensors(), network.mask
    other = {name: 2 * array for name, array in network.weights().items()}
    tf.random.set_seed(5)
    all_scores(evidence_of(model), other, get_mask(convolutional()))
    drawn = tf.random.uniform([4])
    assert network.mask == mask
    for name, value in network.state().tensors().items():
        assert value.tobytes() == before[name].tobytes(), name
    tf.random.set_seed(5)
    np.testing.assert_array_equal(drawn, tf.random.uniform([4]))


def test_scores_are_those_of_the_weights_and_mask_given_each_time():
    model = convolutional()
    evidence = evidence_of(model)
    dense, weights, mask = get_mask(model), weights_of(model), half_mask(model)
    first = all_scores(evidence, weights, mask)
    all_scores(evidence, {name: array + 0.1 for name, array in weights.items()}, dense)
    again = all_scores(evidence, weights, mask)
    zeroed = all_scores(evidence, mask.apply(weights), mask)
    for name, array in first.items():
        np.testing.assert_array_equal(array, again[name], err_msg=name)
        alive = mask[name.partition("/")[2]]
        np.testing.assert_array_equal(array[alive], zeroed[name][alive], err_msg=name)


@pytest.mark.slow
def test_equal_on_two_replicas(mirrored: tf.distribute.Strategy):
    model = convolutional()
    weights, mask = weights_of(model), half_mask(model)
    single = all_scores(evidence_of(model), weights, mask)
    with mirrored.scope():
        replicated = convolutional()
        set_mask(replicated, mask)
        scores = all_scores(evidence_of(replicated), weights, mask)
    for name, array in single.items():
        np.testing.assert_array_equal(array, scores[name], err_msg=name)


@pytest.mark.slow
def test_mixed_precision_is_scored_in_float32():
    mixed, plain = convolutional("mixed_bfloat16"), convolutional()
    weights, mask = weights_of(plain), half_mask(plain)
    expected = all_scores(evidence_of(plain), weights, mask)
    for name, array in all_scores(evidence_of(mixed), weights, mask).items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


def test_models_in_models_and_several_inputs():
    inputs = [keras.Input((4,), name="one"), keras.Input((4,), name="two")]
    shared = keras.Sequential([keras.layers.Dense(3, input_shape=(4,), name="inner")], name="block")
    outputs = keras.layers.Dense(2, name="output")(
        keras.layers.Add()([shared(tensor) for tensor in inputs]) * 2.0
    )
    model = prunable(keras.Model(inputs, outputs))
    x = [RNG.normal(size=(6, 4)).astype(np.float32) for _ in range(2)]
    evidence = evidence_of(model, [(x, Y[:6] % 2)])
    scores = all_scores(evidence, weights_of(model), get_mask(model))
    assert scores["snip/block/inner/kernel"].shape == (4, 3)
    flow = evidence.synaptic_flow(weights_of(model), get_mask(model))
    expected = 2 * 2 * np.abs(weights_of(model)["output/kernel"].astype(float)).sum(axis=1)
    np.testing.assert_allclose(flow["block/inner/kernel"], [expected] * 4, rtol=1e-12)


def test_adapted_normalization_is_copied_with_its_statistics():
    inputs = RNG.normal(5, 3, size=(50, 4)).astype(np.float32)
    adapted = keras.layers.Normalization()
    adapted.adapt(inputs)
    layers = [keras.Input((4,)), adapted, keras.layers.Dense(3)]
    model = prunable(keras.Sequential(layers))
    copy = copy_for_gradients(model)
    copy.set_weights(weights_of(model))
    np.testing.assert_allclose(copy.model(inputs), model(inputs), rtol=1e-5, atol=1e-6)
