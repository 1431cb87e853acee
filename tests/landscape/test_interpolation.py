"""Straight lines between solutions, against what is known of them."""

import numpy as np
import pytest
import tf_keras as keras

import tf_lottery
from tf_lottery.data import Split
from tf_lottery.landscape.interpolation import Line, interpolate
from tf_lottery.landscape.solution_evaluator import SolutionEvaluator
from tf_lottery.landscape.solutions import Solution
from tf_lottery.training.evaluation import Evaluation, Evaluator
from tf_lottery.training.execution import ExecutionPlan
from tf_lottery.training.network import weights_of

CLASSES, INPUTS, HIDDEN = 4, 10, 16


@pytest.fixture(scope="module")
def data() -> Split:
    random = np.random.default_rng(0)
    labels = random.integers(CLASSES, size=400).astype(np.int32)
    centres = random.normal(size=(CLASSES, INPUTS))
    images = centres[labels] + random.normal(size=(400, INPUTS))
    return Split(images.astype(np.float32), labels)


def build(hidden: int | None) -> keras.Model:
    keras.utils.set_random_seed(3)
    layers = [] if hidden is None else [keras.layers.Dense(hidden, "relu", name="hidden")]
    layers = [keras.Input((INPUTS,)), *layers, keras.layers.Dense(CLASSES, name="output")]
    return tf_lottery.prunable(keras.Sequential(layers))


def train(model: keras.Model, data: Split) -> Solution:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss)
    model.fit(data.images, data.labels, epochs=8, batch_size=50, verbose=0)
    return Solution("trained", weights_of(model), tf_lottery.get_mask(model))


def evaluator_of(model: keras.Model, data: Split) -> SolutionEvaluator:
    return SolutionEvaluator(model, {"train": Evaluator(model, data, ExecutionPlan())})


@pytest.fixture(scope="module")
def network(data):
    model = build(HIDDEN)
    return evaluator_of(model, data), train(model, data)


def permuted(solution: Solution, order: np.ndarray) -> Solution:
    weights = dict(solution.weights)
    weights["hidden/kernel"] = weights["hidden/kernel"][:, order]
    weights["hidden/bias"] = weights["hidden/bias"][order]
    weights["output/kernel"] = weights["output/kernel"][order]
    return Solution("permuted", weights, solution.mask)


def with_mask(solution: Solution, seed: int) -> Solution:
    random = np.random.default_rng(seed)
    mask = tf_lottery.Mask(
        {name: random.random(array.shape) < 0.5 for name, array in solution.mask.items()}
    )
    return Solution(f"mask {seed}", mask.apply(solution.weights), mask)


def test_there_is_no_barrier_between_a_network_and_itself(network):
    evaluate, solution = network
    line = interpolate(evaluate, solution, solution, points=7)
    assert line.barrier("train") == 0
    assert line.barrier("train", "loss") == pytest.approx(0, abs=1e-6)
    assert len(line.positions) == 7


def test_there_is_none_between_two_points_of_a_convex_model(data):
    model = build(None)
    first = train(model, data)
    random = np.random.default_rng(1)
    moved = {
        name: array + random.normal(size=array.shape).astype(np.float32)
        for name, array in first.weights.items()
    }
    line = interpolate(evaluator_of(model, data), first, Solution("b", moved, first.mask))
    assert len(line.positions) == 30
    chord = np.linspace(line.losses["train"][0], line.losses["train"][-1], 30)
    assert (line.losses["train"] <= chord + 1e-6).all()
    # Never above the higher end, which is half of their difference above the mean.
    half = abs(chord[-1] - chord[0]) / 2
    assert line.barrier("train", "loss") == pytest.approx(half, abs=1e-6)


def test_permuting_hidden_units_makes_a_barrier_that_undoing_it_removes(network):
    evaluate, solution = network
    order = np.random.default_rng(2).permutation(HIDDEN)
    other = permuted(solution, order)
    ends = [evaluate(point.weights)["train"] for point in (solution, other)]
    assert ends[0].loss == pytest.approx(ends[1].loss, abs=1e-5)
    line = interpolate(evaluate, solution, other)
    assert line.barrier("train") > 0.02
    assert line.barrier("train", "loss") > 0.05
    undone = interpolate(evaluate, solution, permuted(other, np.argsort(order)))
    assert undone.barrier("train") == 0


def test_the_barrier_is_the_largest_value_over_the_mean_of_the_ends():
    positions = np.linspace(0, 1, 4)
    line = Line(
        ("a", "b"),
        positions,
        {"test": np.array([1.0, 5.0, 2.0, 3.0])},
        {"test": np.array([0.1, 0.3, 0.2, 0.2])},
    )
    assert line.barrier("test") == pytest.approx(0.3 - 0.15)
    assert line.barrier("test", "loss") == 5.0 - 2.0
    assert line.rows()[1] == {"position": 1 / 3, "test_loss": 5.0, "test_error": 0.3}


def test_the_ends_are_the_solutions_bit_for_bit(network):
    _, solution = network
    seen = []

    def evaluate(weights):
        seen.append(weights)
        return {"train": Evaluation(0.0, 1.0)}

    first, second = with_mask(solution, 1), with_mask(solution, 2)
    interpolate(evaluate, first, second, points=3)
    for weights, end in ((seen[0], first), (seen[-1], second)):
        for name, array in end.weights.items():
            assert weights[name].tobytes() == array.tobytes()
    middle = seen[1]["hidden/kernel"]
    expected = (first.weights["hidden/kernel"] + second.weights["hidden/kernel"]) / 2
    np.testing.assert_allclose(middle, expected, rtol=1e-6)


@pytest.mark.parametrize("mask", ["union", "intersection", "first", "second"])
def test_masks_say_which_weights_of_the_line_may_differ_from_0(network, mask):
    _, solution = network
    first, second = with_mask(solution, 1), with_mask(solution, 2)
    one, other = first.mask["hidden/kernel"], second.mask["hidden/kernel"]
    alive = {
        "union": one | other, "intersection": one & other, "first": one, "second": other,
    }[mask]  # fmt: skip
    seen = []

    def evaluate(weights):
        seen.append(weights["hidden/kernel"])
        return {"train": Evaluation(0.0, 1.0)}

    interpolate(evaluate, first, second, points=5, mask=mask)
    for kernel in seen:
        assert not kernel[~alive].any()
    # Weights of one solution alone are 0 at the other end.
    inside = alive & (one | other)
    assert np.array_equal(seen[2] != 0, inside)


def test_losses_that_are_not_finite_are_told(network):
    evaluate, solution = network
    huge = {name: array * np.float32(1e25) for name, array in solution.weights.items()}
    line = interpolate(evaluate, solution, Solution("huge", huge, solution.mask), points=5)
    assert not np.isfinite(line.losses["train"]).all()
    assert line.barrier("train", "loss") == float("inf")
    assert 0 <= line.barrier("train") <= 1


def test_bad_arguments_are_refused(network):
    evaluate, solution = network
    weights = dict(solution.weights)
    weights["hidden/kernel"] = weights["hidden/kernel"][:, :-1]
    other = Solution("other", weights, solution.mask)
    with pytest.raises(ValueError, match="trained and other are solutions of different networks"):
        interpolate(evaluate, solution, other)
    del weights["hidden/kernel"]
    with pytest.raises(ValueError, match=r"hidden/kernel has shape .* in the first and no such"):
        interpolate(evaluate, solution, other)
    with pytest.raises(ValueError, match="points=2: use 3 or more"):
        interpolate(evaluate, solution, solution, points=2)
    with pytest.raises(ValueError, match="mask='both': use one of union"):
        interpolate(evaluate, solution, solution, mask="both")
    with pytest.raises(ValueError, match=r"not those of the network: \['hidden/kernel'\]"):
        evaluate(weights)
