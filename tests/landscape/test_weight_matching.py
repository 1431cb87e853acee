"""Weight matching: a network and its permuted self, and best orders that are found otherwise."""

from itertools import permutations

import numpy as np
import pytest
import tf_keras as keras

import tf_lottery
from tests.permuted import program_network, solution_of, with_units_permuted
from tf_lottery.data import Split
from tf_lottery.exporting.compaction.exchangeable import exchangeable_units
from tf_lottery.landscape.interpolation import interpolate
from tf_lottery.landscape.solution_evaluator import SolutionEvaluator
from tf_lottery.landscape.solutions import Solution, distance
from tf_lottery.landscape.weight_matching import aligned, match_weights
from tf_lottery.masking.permutations import permuted
from tf_lottery.training.evaluation import Evaluator
from tf_lottery.training.execution import ExecutionPlan
from tf_lottery.training.network import set_weights


@pytest.mark.parametrize(
    ("name", "density", "groups"),
    [
        ("lenet_30_20", 0.2, [30, 20]),
        # Of each stage the filters between shortcuts, and those within its block.
        ("resnet8_w0.25", 1.0, [4, 4, 8, 8, 16, 16]),
        pytest.param("lenet_300_100", 1.0, [300, 100], marks=pytest.mark.slow),
        pytest.param("conv2", 1.0, [64, 64, 256, 256], marks=pytest.mark.slow),
        pytest.param("conv2", 0.1, [64, 64, 256, 256], marks=pytest.mark.slow),
        pytest.param("resnet8", 1.0, [16, 16, 32, 32, 64, 64], marks=pytest.mark.slow),
        pytest.param("resnet8", 0.1, [16, 16, 32, 32, 64, 64], marks=pytest.mark.slow),
    ],
)
def test_a_network_and_its_permuted_self_are_the_same_and_without_a_barrier(name, density, groups):
    model = program_network(name, 8)
    own = solution_of(model, density)
    other, units, orders = with_units_permuted(model, own)
    assert [group.count for group in units] == groups

    images = np.random.default_rng(0).normal(size=(12, 8, 8, 3)).astype(np.float32)
    set_weights(model, own.weights, own.mask)
    outputs = model(images).numpy()
    set_weights(model, other.weights, other.mask)
    np.testing.assert_allclose(model(images).numpy(), outputs, rtol=1e-5, atol=1e-5)

    found = match_weights(own.weights, other.weights, units)
    for order, back in zip(orders, found, strict=True):
        np.testing.assert_array_equal(order[back], np.arange(len(order)))
    same = aligned(own, other, units)
    assert same.mask == own.mask
    assert (own.mask == other.mask) == (density == 1)
    assert all(np.array_equal(same.weights[key], own.weights[key]) for key in own.weights)
    assert distance(own, other).l2 > 1
    assert distance(own, same).l2 == 0

    labels = outputs.argmax(axis=1).astype(np.int32)
    evaluate = SolutionEvaluator(
        model, {"train": Evaluator(model, Split(images, labels), ExecutionPlan())}
    )
    line = interpolate(evaluate, own, same, points=3)
    assert line.barrier("train") == 0
    assert line.barrier("train", "loss") == pytest.approx(0, abs=1e-6)
    apart = interpolate(evaluate, own, other, points=3).losses["train"]
    assert apart[1] != pytest.approx(apart[0], rel=1e-3)


def two_solutions(hidden: tuple[int, ...], seed: int = 0):
    keras.utils.set_random_seed(seed)
    layers = [keras.layers.Dense(units, "relu", name=f"dense_{units}") for units in hidden]
    layers = [keras.Input((6,)), *layers, keras.layers.Dense(3, name="output")]
    model = tf_lottery.prunable(keras.Sequential(layers))
    first = solution_of(model, 0.7)
    random = np.random.default_rng(seed)
    weights = {name: random.normal(size=array.shape) for name, array in first.weights.items()}
    second = Solution("second", first.mask.apply(weights), first.mask)
    return exchangeable_units(model), first, second


def product(first: Solution, weights) -> float:
    return sum(float(np.vdot(first.weights[name], array)) for name, array in weights.items())


def test_the_units_of_one_layer_are_in_the_best_of_all_orders():
    groups, first, second = two_solutions((5,))
    products = {
        order: product(first, permuted(second.weights, groups, [np.array(order)]))
        for order in permutations(range(5))
    }
    (found,) = match_weights(first.weights, second.weights, groups)
    assert tuple(found) == max(products, key=products.__getitem__)
    result = aligned(first, second, groups)
    assert product(first, result.weights) == pytest.approx(max(products.values()))
    # Masks move as weights do.
    for name, array in result.mask.items():
        np.testing.assert_array_equal(array, result.weights[name] != 0)


def test_no_exchange_of_two_units_makes_the_weights_more_alike():
    groups, first, second = two_solutions((7, 5, 4))
    result = aligned(first, second, groups)
    best = product(first, result.weights)
    assert best > product(first, second.weights)
    for number, group in enumerate(groups):
        for one in range(group.count):
            for other in range(one):
                orders = [np.arange(each.count) for each in groups]
                orders[number][[one, other]] = other, one
                assert product(first, permuted(result.weights, groups, orders)) <= best + 1e-9


def test_units_tied_by_a_shortcut_around_their_own_layer_never_become_less_alike():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    features = keras.layers.Dense(8, name="in")(inputs)
    features = keras.layers.Add()([features, keras.layers.Dense(8, name="again")(features)])
    model = tf_lottery.prunable(keras.Model(inputs, keras.layers.Dense(2, name="out")(features)))
    first, groups = solution_of(model), exchangeable_units(model)
    assert [group.count for group in groups] == [8]
    random = np.random.default_rng(0)
    for _ in range(10):
        weights = {name: random.normal(size=a.shape) for name, a in first.weights.items()}
        second = Solution("second", weights, first.mask)
        assert product(first, aligned(first, second, groups).weights) >= product(first, weights)


def test_a_network_that_has_diverged_stays_as_it_is():
    groups, first, second = two_solutions((5,))
    second.weights["output/kernel"][0, 0] = np.nan
    result = aligned(first, second, groups)
    for name, array in second.weights.items():
        np.testing.assert_array_equal(result.weights[name], array)


def test_solutions_of_different_networks_are_refused():
    groups, first, _ = two_solutions((5,))
    _, _, other = two_solutions((4,))
    with pytest.raises(ValueError, match="are solutions of different networks"):
        aligned(first, other, groups)
