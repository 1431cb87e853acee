"""Scores of given weights and derivatives, and the methods by name."""

from collections.abc import Iterator

import numpy as np
import pytest

from tf_lottery.masking.masks import Mask
from tf_lottery.pruning.score import find_method, known_methods
from tf_lottery.pruning.scores.magnitudes import magnitude

WEIGHTS = {
    "a": np.array([[1.0, -2.0], [0.5, 0.0]]),
    "b": np.array([-3.0, 0.1, 4.0]),
    "bias": np.array([9.0]),
}
MASK = Mask({"a": np.array([[True, True], [False, True]]), "b": np.ones(3, bool)})


class GivenEvidence:
    """Made-up derivatives, the same at any weights."""

    rewind_weights = {"a": np.array([[1.5, -2.0], [1.0, 1.0]]), "b": np.zeros(3)}
    gradients = (
        {"a": np.array([[1.0, 1.0], [7.0, 1.0]]), "b": np.array([2.0, 3.0, 0.0])},
        {"a": np.array([[3.0, -1.0], [7.0, 1.0]]), "b": np.array([-2.0, 1.0, 1.0])},
    )
    flow = {"a": np.array([[2.0, 3.0], [5.0, 4.0]]), "b": np.array([-1.0, 0.5, 2.0])}

    def random(self) -> np.random.Generator:
        return np.random.default_rng(3)

    def loss_gradients(self, weights, mask) -> Iterator[dict[str, np.ndarray]]:
        return iter(self.gradients)

    def gradient_flow(self, weights, mask) -> dict[str, np.ndarray]:
        return self.flow

    def synaptic_flow(self, weights, mask) -> dict[str, np.ndarray]:
        return {name: np.abs(array) for name, array in self.flow.items()}


@pytest.mark.parametrize(
    ("name", "a", "b"),
    [
        ("magnitude", [1, 2, 0], [3, 0.1, 4]),
        ("magnitude_at_rewind", [1.5, 2, 1], [0, 0, 0]),
        ("movement", [0.5, 0, 1], [3, 0.1, 4]),
        # Gradients of opposite sign cancel for SNIP, but not for Taylor scores.
        ("snip", [4, 0, 0], [0, 0.4, 4]),
        ("taylor", [(1 + 9) / 2, 4, 0], [36, (0.09 + 0.01) / 2, 8]),
        ("grasp", [2, -6, 0], [3, 0.05, 8]),
        ("synflow", [2, 6, 0], [3, 0.05, 8]),
    ],
)
def test_scores_of_surviving_weights(name: str, a: list[float], b: list[float]):
    scores = find_method(name).score(WEIGHTS, MASK, GivenEvidence())
    assert list(scores) == ["a", "b"]
    assert scores["a"].shape == (2, 2)
    np.testing.assert_allclose(scores["a"][MASK["a"]], a)
    np.testing.assert_allclose(scores["b"], b)


def test_random_scores_depend_on_the_evidence_alone():
    score = find_method("random").score
    scores = score(WEIGHTS, MASK, GivenEvidence())
    others = score({}, MASK, GivenEvidence())
    drawn = np.concatenate([array.ravel() for array in scores.values()])
    assert len(set(drawn)) == 7
    np.testing.assert_array_equal(drawn, np.concatenate([a.ravel() for a in others.values()]))


def test_which_methods_look_at_data_and_which_take_rounds():
    assert {name for name, method in known_methods().items() if method.needs_data} == {
        "taylor", "snip", "grasp",
    }  # fmt: skip
    rounds = {name: method.rounds for name, method in known_methods().items()}
    assert {name: count for name, count in rounds.items() if count > 1} == {"synflow": 100}


def test_a_method_is_found_by_its_name():
    for name, method in known_methods().items():
        assert find_method(name) is method
    with pytest.raises(ValueError, match=r"--score=magic is not .*magnitude, .*random, .*synflow"):
        find_method("magic")
    with pytest.raises(ValueError, match=r"^score=magic"):
        find_method("magic", "score")


def test_functions_are_methods_of_one_round():
    method = find_method(magnitude)
    assert (method.rounds, method.needs_data) == (1, False)
    weights = {"a": np.array([[-2.0, 1.0]])}
    mask = Mask({"a": np.array([[True, True]])})
    np.testing.assert_array_equal(method.score(weights, mask, None)["a"], [[2.0, 1.0]])
    with pytest.raises(ValueError, match=r"score=.*\(weights, mask, evidence\) -> scores"):
        find_method(lambda weights, mask: weights, "score")
