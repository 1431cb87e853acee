"""Distances between solutions, against NumPy."""

import numpy as np
import pytest

import tf_lottery
from tf_lottery.landscape.solutions import Solution, distance, layer_distances


@pytest.fixture
def pair() -> tuple[Solution, Solution]:
    random = np.random.default_rng(0)

    def solution(label: str) -> Solution:
        shapes = {"a/kernel": (3, 4), "a/bias": (4,), "b/kernel": (4, 2)}
        weights = {
            name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()
        }
        kernels = {name: array for name, array in weights.items() if name.endswith("kernel")}
        return Solution(label, weights, tf_lottery.Mask.ones_like(kernels))

    return solution("first"), solution("second")


def vector(solution: Solution, names: list[str]) -> np.ndarray:
    return np.concatenate([solution.weights[name].ravel() for name in names]).astype(np.float64)


def test_kernels_count_and_biases_do_not(pair):
    one, other = (vector(solution, ["a/kernel", "b/kernel"]) for solution in pair)
    found = distance(*pair)
    assert found.l2 == pytest.approx(np.linalg.norm(one - other))
    cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    assert found.cosine == pytest.approx(cosine)
    same = distance(pair[0], pair[0])
    assert (same.l2, same.cosine) == (0, pytest.approx(1))


def test_distances_by_layer(pair):
    for name, found in layer_distances(*pair).items():
        one, other = (vector(solution, [name]) for solution in pair)
        assert found.l2 == pytest.approx(np.linalg.norm(one - other))


def test_a_mask_chooses_the_weights_that_count(pair):
    random = np.random.default_rng(1)
    mask = tf_lottery.Mask(
        {name: random.random(array.shape) < 0.5 for name, array in pair[0].mask.items()}
    )
    difference = np.concatenate(
        [(pair[0].weights[name] - pair[1].weights[name])[array] for name, array in mask.items()]
    )
    assert distance(*pair, mask).l2 == pytest.approx(np.linalg.norm(difference), rel=1e-6)


def test_a_network_of_zeros_has_no_direction(pair):
    zeros = {name: np.zeros_like(array) for name, array in pair[0].weights.items()}
    assert np.isnan(distance(pair[0], Solution("zeros", zeros, pair[0].mask)).cosine)
