"""What networks answer, and in what two of them differ, against counting by hand."""

import numpy as np
import pytest
import tf_keras as keras

import tf_lottery
from tf_lottery.landscape.predictions import (
    Predictor,
    accuracy,
    agreement,
    agreement_on_errors,
    ensemble_accuracy,
    error_overlap,
)
from tf_lottery.landscape.solutions import Solution
from tf_lottery.training.network import weights_of

LABELS = np.array([0, 1, 2, 2, 0, 1])
# Right, wrong alike, wrong in two ways, first alone wrong, second alone wrong, right.
FIRST = np.array([0, 0, 0, 1, 0, 1])
SECOND = np.array([0, 0, 1, 2, 2, 1])


def sure_of(answers: np.ndarray, share: float = 0.8) -> np.ndarray:
    """Probabilities of three classes with `share` for the answer."""
    return np.where(np.eye(3, dtype=bool)[answers], share, (1 - share) / 2)


def test_measures_of_two_networks_are_those_counted_by_hand():
    first, second = sure_of(FIRST), sure_of(SECOND)
    assert accuracy(first, LABELS) == 3 / 6
    assert accuracy(second, LABELS) == 3 / 6
    assert agreement(first, second) == 3 / 6
    assert agreement_on_errors(first, second, LABELS) == 1 / 4
    assert error_overlap(first, second, LABELS) == 2 / 4


def test_a_network_agrees_with_itself_and_gains_nothing():
    first = sure_of(FIRST)
    assert agreement(first, first) == 1
    assert agreement_on_errors(first, first, LABELS) == 1
    assert error_overlap(first, first, LABELS) == 1
    assert ensemble_accuracy(first, first, LABELS) == accuracy(first, LABELS)


def test_two_networks_that_never_err_have_no_errors_to_share():
    right = sure_of(LABELS)
    assert np.isnan(error_overlap(right, right, LABELS))
    assert np.isnan(agreement_on_errors(right, right, LABELS))
    assert error_overlap(right, sure_of(FIRST), LABELS) == 0


def test_the_average_follows_the_network_that_is_surer():
    labels = np.array([0, 0])
    first, second = np.array([[0.6, 0.4], [0.1, 0.9]]), np.array([[0.3, 0.7], [0.7, 0.3]])
    assert ensemble_accuracy(first, second, labels) == 0
    surer = np.array([[0.9, 0.1], [0.95, 0.05]])
    assert ensemble_accuracy(first, surer, labels) == 1


@pytest.fixture
def model() -> keras.Model:
    layers = [
        keras.Input((4,)),
        keras.layers.Dense(5, "relu", name="hidden"),
        keras.layers.BatchNormalization(name="norm"),
        keras.layers.Dense(3, name="output"),
    ]
    return tf_lottery.prunable(keras.Sequential(layers))


def solution_of(model: keras.Model, seed: int) -> Solution:
    random = np.random.default_rng(seed)
    weights = {
        name: (np.abs if name.endswith("variance") else np.asarray)(
            random.normal(size=array.shape)
        ).astype(np.float32)
        for name, array in weights_of(model).items()
    }
    kernels = ("hidden/kernel", "output/kernel")
    mask = tf_lottery.Mask({name: random.random(weights[name].shape) < 0.7 for name in kernels})
    return Solution(f"solution {seed}", mask.apply(weights), mask)


def expected(solution: Solution, images: np.ndarray) -> np.ndarray:
    """Softmax outputs in float64."""
    values = {name: array.astype(np.float64) for name, array in solution.weights.items()}
    hidden = np.maximum(images @ values["hidden/kernel"] + values["hidden/bias"], 0)
    scale = np.sqrt(values["norm/moving_variance"] + 1e-3)
    normal = (hidden - values["norm/moving_mean"]) / scale
    features = normal * values["norm/gamma"] + values["norm/beta"]
    outputs = np.exp(features @ values["output/kernel"] + values["output/bias"])
    return outputs / outputs.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("batch_size", [1, 4, 10, 1000])
def test_probabilities_are_those_of_the_weights_given_whatever_came_before(model, batch_size):
    images = np.random.default_rng(9).integers(0, 5, (10, 4), dtype=np.uint8)
    predict = Predictor(model, images, batch_size)
    for seed in (1, 2, 1):
        solution = solution_of(model, seed)
        found = predict(solution)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, expected(solution, images), rtol=1e-4, atol=1e-7)


def test_a_network_is_traced_once_for_all_batches_and_weights(model):
    images = np.zeros((10, 4), np.float32)
    traced = []
    layer = model.layers[-1].layer
    call = layer.call
    layer.call = lambda inputs: traced.append(1) or call(inputs)
    predict = Predictor(model, images, 4)
    for seed in (1, 2, 3):
        predict(solution_of(model, seed))
    assert len(traced) == 1


def test_solutions_of_another_network_are_refused(model):
    solution = solution_of(model, 1)
    weights = {name: array for name, array in solution.weights.items() if name != "output/bias"}
    predict = Predictor(model, np.zeros((2, 4), np.float32), 2)
    with pytest.raises(ValueError, match=r"differ in \['output/bias'\]"):
        predict(Solution("other", weights, solution.mask))
