"""Derivatives of the loss against finite differences, in float64."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_lottery.masking.layers import model_variables
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import get_mask, prunable
from tf_lottery.pruning.score import find_method
from tf_lottery.training.network import weights_of
from tf_lottery.training.saliency import GRASP_TEMPERATURE, NetworkEvidence, Saliency

Arrays = dict[str, np.ndarray]

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 5)), RNG.integers(0, 3, 12)
BATCHES = [(X[:8], Y[:8]), (X[8:], Y[8:])]


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def evidence_of(model: keras.Model, batches=BATCHES) -> NetworkEvidence:
    saliency = Saliency(model, cross_entropy, lambda: batches)
    return NetworkEvidence(saliency, lambda: weights_of(model), np.random.SeedSequence(4))


def three_layers() -> keras.Model:
    layers = [
        keras.layers.Dense(7, "tanh", input_shape=(5,), dtype="float64", name="first"),
        keras.layers.Dense(6, "tanh", dtype="float64", name="second"),
        keras.layers.Dense(3, dtype="float64", name="output"),
    ]
    model = prunable(keras.Sequential(layers))
    for variable in model_variables(model).values():
        variable.assign(np.random.default_rng(variable.shape.num_elements()).normal(
            size=variable.shape))  # fmt: skip
    return model


def half_mask(model: keras.Model) -> Mask:
    rng = np.random.default_rng(2)
    return Mask({name: rng.random(a.shape) < 0.6 for name, a in get_mask(model).items()})


def loss_of_three_layers(weights: Arrays, x: np.ndarray, y: np.ndarray, temperature=1.0) -> float:
    for name in ("first", "second"):
        x = np.tanh(x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"])
    logits = (x @ weights["output/kernel"] + weights["output/bias"]) / temperature
    logarithms = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return -logarithms[np.arange(len(y)), y].mean()


def differences(function: Callable[[Arrays], float], weights: Arrays, mask: Mask) -> Arrays:
    """Gradient of a function of weights by those that remain; 0 for the others."""
    gradient, step = {}, 1e-5
    for name, array in mask.items():
        gradient[name] = np.zeros(array.shape)
        for index in zip(*np.nonzero(array), strict=True):
            value = []
            for sign in (1, -1):
                moved = {n: w.copy() for n, w in weights.items()}
                moved[name][index] += sign * step
                value.append(function(moved))
            gradient[name][index] = (value[0] - value[1]) / (2 * step)
    return gradient


def test_gradients_of_each_batch():
    model = three_layers()
    mask = half_mask(model)
    masked = mask.apply(weights_of(model))
    gradients = list(evidence_of(model).loss_gradients(weights_of(model), mask))
    assert len(gradients) == 2
    for found, batch in zip(gradients, BATCHES, strict=True):
        expected = differences(lambda w, b=batch: loss_of_three_layers(w, *b), masked, mask)
        assert list(found) == list(mask)
        for name, array in mask.items():
            np.testing.assert_allclose(found[name][array], expected[name][array], atol=1e-8)


@pytest.mark.parametrize("method", ["snip", "taylor"])
def test_scores_of_gradients_estimate_what_the_loss_changes(method: str):
    """SNIP: by the factor of a weight; Taylor: by a batch; both from the loss alone."""
    model = three_layers()
    weights, mask = weights_of(model), get_mask(model)

    def by_factors(x: np.ndarray, y: np.ndarray) -> Arrays:
        ones = {name: np.ones(array.shape) for name, array in mask.items()}
        return differences(
            lambda c: loss_of_three_layers({n: w * c.get(n, 1) for n, w in weights.items()}, x, y),
            ones,
            mask,
        )

    one, two = (by_factors(*batch) for batch in BATCHES)
    scores = find_method(method).score(weights, mask, evidence_of(model))
    for name in mask:
        expected = {
            "snip": np.abs(one[name] + two[name]),
            "taylor": (one[name] ** 2 + two[name] ** 2) / 2,
        }[method]
        np.testing.assert_allclose(scores[name], expected, atol=1e-8)


def squared_norm(weights: Arrays, mask: Mask) -> float:
    """Of the mean gradient of the batches, as GraSP takes it."""
    parts = [
        differences(lambda w, b=b: loss_of_three_layers(w, *b, GRASP_TEMPERATURE), weights, mask)
        for b in BATCHES
    ]
    return sum(np.sum(((parts[0][name] + parts[1][name]) / 2) ** 2) for name in mask)


def test_gradient_flow_is_half_the_gradient_of_the_squared_norm():
    model = three_layers()
    mask = half_mask(model)
    masked = mask.apply(weights_of(model))
    flow = evidence_of(model).gradient_flow(weights_of(model), mask)
    rng = np.random.default_rng(7)
    for _ in range(5):
        along = mask.apply({name: rng.normal(size=a.shape) for name, a in mask.items()})
        step = 3e-4
        norms = [
            squared_norm({n: w + sign * step * along.get(n, 0) for n, w in masked.items()}, mask)
            for sign in (1, -1)
        ]
        expected = (norms[0] - norms[1]) / (2 * step)
        found = 2 * sum(np.sum(flow[name] * along[name]) for name in mask)
        assert found == pytest.approx(expected, rel=1e-3)


def test_grasp_prunes_what_least_reduces_the_norm_of_the_gradient():
    """To the first order: weights shrink by a thousandth in place of being removed."""
    model = three_layers()
    weights, mask = weights_of(model), get_mask(model)
    scores = find_method("grasp").score(weights, mask, evidence_of(model))
    dense = squared_norm(weights, mask)
    changes, expected = [], []
    for name, index in (("second/kernel", (i, j)) for i in range(7) for j in range(3)):
        shrunk = {n: w.copy() for n, w in weights.items()}
        shrunk[name][index] *= 1 - 1e-3
        changes.append(squared_norm(shrunk, mask) - dense)
        expected.append(-2e-3 * scores[name][index])
    np.testing.assert_allclose(changes, expected, rtol=0.02, atol=1e-4 * np.abs(changes).max())
    assert min(changes) < 0 < max(changes)


def test_random_numbers_depend_on_the_seed():
    saliency = Saliency(three_layers(), cross_entropy, lambda: BATCHES)
    one, two, other = (
        NetworkEvidence(saliency, dict, np.random.SeedSequence(9, spawn_key=(level,))).random()
        for level in (1, 1, 2)
    )
    draws = [generator.random(5).tolist() for generator in (one, two, other)]
    assert draws[0] == draws[1] != draws[2]


def test_no_examples_are_an_error():
    model = three_layers()
    with pytest.raises(ValueError, match="no examples"):
        list(evidence_of(model, []).loss_gradients(weights_of(model), get_mask(model)))
