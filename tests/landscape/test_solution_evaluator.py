"""A network at any weights: what is evaluated, and in which order."""

import numpy as np
import pytest
import tf_keras as keras

import tf_lottery
from tf_lottery.data import Split
from tf_lottery.landscape.solution_evaluator import SolutionEvaluator
from tf_lottery.landscape.statistics import StatisticsEstimator
from tf_lottery.training.evaluation import Evaluator
from tf_lottery.training.execution import ExecutionPlan
from tf_lottery.training.network import weights_of

CLASSES, INPUTS = 3, 6


def split_of(seed: int, examples: int) -> Split:
    random = np.random.default_rng(seed)
    images = random.normal(size=(examples, INPUTS)).astype(np.float32)
    return Split(images, random.integers(CLASSES, size=examples).astype(np.int32))


SPLITS = {"test": split_of(1, 50), "train": split_of(2, 120)}


@pytest.fixture
def model() -> keras.Model:
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((INPUTS,)),
        keras.layers.Dense(5, "relu", name="hidden"),
        keras.layers.BatchNormalization(momentum=0.9, name="norm"),
        keras.layers.Dense(CLASSES, name="output"),
    ]
    return tf_lottery.prunable(keras.Sequential(layers))


def evaluators_of(model: keras.Model) -> dict[str, Evaluator]:
    return {name: Evaluator(model, data, ExecutionPlan()) for name, data in SPLITS.items()}


def random_weights(model: keras.Model, seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        name: np.abs(random.normal(size=array.shape)).astype(np.float32)
        if name.endswith("variance")
        else random.normal(size=array.shape).astype(np.float32)
        for name, array in weights_of(model).items()
    }


def expected(weights: dict[str, np.ndarray], data: Split, statistics: Split | None = None):
    """Loss and accuracy in float64; `statistics`: one batch whose mean and variance count."""
    values = {name: array.astype(np.float64) for name, array in weights.items()}

    def hidden(images: np.ndarray) -> np.ndarray:
        return np.maximum(images @ values["hidden/kernel"] + values["hidden/bias"], 0)

    mean, variance = values["norm/moving_mean"], values["norm/moving_variance"]
    if statistics is not None:
        batch = hidden(statistics.images)
        mean, variance = batch.mean(0), batch.var(0)
    normal = (hidden(data.images) - mean) / np.sqrt(variance + 1e-3)
    features = normal * values["norm/gamma"] + values["norm/beta"]
    logits = features @ values["output/kernel"] + values["output/bias"]
    right = logits[np.arange(len(data)), data.labels]
    losses = np.log(np.exp(logits).sum(1)) - right
    return losses.mean(), np.mean(logits.argmax(1) == data.labels)


def test_every_split_is_evaluated_at_the_weights_given_whatever_came_before(model):
    evaluate = SolutionEvaluator(model, evaluators_of(model))
    for seed in (1, 2, 1):
        weights = random_weights(model, seed)
        results = evaluate(weights)
        assert list(results) == ["test", "train"]
        for name, data in SPLITS.items():
            assert results[name] == pytest.approx(expected(weights, data), rel=1e-5)
        held = weights_of(model)
        assert all(held[name].tobytes() == array.tobytes() for name, array in weights.items())


def test_statistics_are_estimated_for_the_weights_given_before_they_are_evaluated(model):
    batch = split_of(3, 40)
    estimator = StatisticsEstimator(model, batch.images, batch_size=40)
    evaluate = SolutionEvaluator(model, evaluators_of(model), estimator)
    for seed in (1, 2):
        weights = random_weights(model, seed)
        results = evaluate(weights)
        for name, data in SPLITS.items():
            assert results[name] == pytest.approx(expected(weights, data, batch), rel=1e-4)
            assert results[name].loss != pytest.approx(expected(weights, data)[0], rel=1e-2)


def test_weights_that_overflow_have_a_loss_that_is_not_finite(model):
    weights = {name: np.full_like(array, 1e30) for name, array in weights_of(model).items()}
    results = SolutionEvaluator(model, evaluators_of(model))(weights)
    assert not any(np.isfinite(result.loss) for result in results.values())


def test_weights_of_another_network_are_refused_and_the_model_stays_as_it_is(model):
    before = {name: array.tobytes() for name, array in weights_of(model).items()}
    evaluate = SolutionEvaluator(model, evaluators_of(model))
    weights = random_weights(model, 1)
    fewer = {name: array for name, array in weights.items() if name != "output/bias"}
    more = weights | {"other/kernel": np.zeros(2, np.float32)}
    for other, name in ((fewer, "output/bias"), (more, "other/kernel")):
        with pytest.raises(ValueError, match=rf"not those of the network: \['{name}'\] differ"):
            evaluate(other)
    assert {name: array.tobytes() for name, array in weights_of(model).items()} == before
