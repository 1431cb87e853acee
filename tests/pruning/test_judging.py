"""Pruning to a level by a score, at once and in rounds."""

import numpy as np
import pytest

from tf_lottery.masking.masks import Mask
from tf_lottery.pruning.judging import prune_by_score, try_score
from tf_lottery.pruning.plan import PruningPlan
from tf_lottery.pruning.score import Method, find_method
from tf_lottery.pruning.scores.magnitudes import magnitude

RNG = np.random.default_rng(0)
WEIGHTS = {"a": RNG.normal(size=(40, 25)), "b": RNG.normal(size=70), "bias": RNG.normal(size=4)}
SIZES = {"a": 1000, "b": 70}
DENSE = Mask.ones_like({name: WEIGHTS[name] for name in SIZES})
PLAN = PruningPlan.build(SIZES, {"a": 0.9, "b": 0.9}, "global")
TWO_GROUPS = PruningPlan.build(SIZES, {"a": 0.9, "b": 0.5}, "global")


def noting(score, rounds: int) -> tuple[Method, list[Mask]]:
    seen = []

    def note(weights, mask, evidence):
        seen.append(mask)
        return score(weights, mask, evidence)

    return Method(note, rounds), seen


def test_one_round_is_the_pruning_of_the_plan():
    mask = prune_by_score(find_method("magnitude"), PLAN, WEIGHTS, DENSE, 1, None)
    assert mask == PLAN.prune(magnitude(WEIGHTS, DENSE), DENSE, 1)
    assert mask.remaining == 107


@pytest.mark.parametrize("rounds", [2, 5, 100])
def test_rounds_come_to_the_level_in_equal_ratios(rounds: int):
    method, seen = noting(magnitude, rounds)
    mask = prune_by_score(method, TWO_GROUPS, WEIGHTS, DENSE, 2, None)
    counts = [[int(m[name].sum()) for name in SIZES] for m in (*seen, mask)]
    assert counts[0] == [1000, 70]
    assert counts[-1] == [10, round(70 * 0.25)]
    for k, (a, b) in enumerate(counts):
        assert a == pytest.approx(1000 * 0.01 ** (k / rounds), rel=0.1)
        if k:
            # Each round begins at a rounded number and has as many rounds before it as are left.
            before, rounds_left = counts[k - 1][1], rounds - k + 1
            assert b == round(before * (18 / before) ** (1 / rounds_left))
    assert len(seen) == rounds
    for before, after in zip(seen, [*seen[1:], mask], strict=True):
        assert all(not np.any(after[name] & ~before[name]) for name in SIZES)


def test_an_array_that_is_to_be_emptied_is_pruned_in_the_last_round():
    target = Mask({"a": np.abs(WEIGHTS["a"]) > 2, "b": np.zeros(70, bool)})
    method, seen = noting(magnitude, 5)
    mask = prune_by_score(method, TWO_GROUPS.with_layers_of(target), WEIGHTS, DENSE, 1, None)
    assert mask == target
    assert [int(m["b"].sum()) for m in seen] == [70] * 5


def test_rounds_of_a_score_that_does_not_change_are_one_round():
    method, _ = noting(magnitude, 20)
    for level in (1, 2):
        assert prune_by_score(method, PLAN, WEIGHTS, DENSE, level, None) == prune_by_score(
            find_method("magnitude"), PLAN, WEIGHTS, DENSE, level, None
        )


def test_rounds_go_on_from_a_pruned_mask():
    method, _ = noting(lambda weights, mask, evidence: magnitude(weights, mask), 10)
    first = prune_by_score(method, PLAN, WEIGHTS, DENSE, 1, None)
    second = prune_by_score(method, PLAN, WEIGHTS, first, 2, None)
    assert second.remaining == PLAN.remaining(2) == 11
    assert all(not np.any(second[name] & ~first[name]) for name in SIZES)


def test_each_round_scores_what_the_one_before_has_left():
    """Once few are left, those of lower magnitude are worth more."""

    def score(weights, mask, evidence):
        sign = 1 if mask.remaining > 500 else -1
        return {name: sign * array for name, array in magnitude(weights, mask).items()}

    mask = prune_by_score(Method(score, rounds=2), PLAN, WEIGHTS, DENSE, 1, None)
    halfway = PLAN.prune(magnitude(WEIGHTS, DENSE), DENSE, 1, progress=0.5)
    assert halfway.remaining == 338  # the square root of 1070 * 107
    smallest = {name: -np.abs(WEIGHTS[name]) for name in SIZES}
    assert mask == PLAN.prune(smallest, halfway, 1)


def test_two_of_four_are_pruned_at_once():
    sizes, axes = {"a": 1000}, {"a": (-1,)}
    plan = PruningPlan.build(sizes, {"a": 0.5}, "global", "2:4", axes)
    dense = Mask.ones_like({"a": WEIGHTS["a"]})
    method, seen = noting(magnitude, 100)
    assert prune_by_score(method, plan, WEIGHTS, dense, 1, None).remaining == 500
    assert len(seen) == 1


def test_only_scores_of_derivatives_and_of_plugins_are_tried():
    def fail(weights, mask, evidence):
        raise ValueError("no gradient")

    try_score(Method(fail), WEIGHTS, DENSE, None)
    for method in (
        *(Method(fail, needs_data=True), Method(fail, rounds=2)),
        Method(fail, code={"python": "", "sha256": ""}),
    ):
        with pytest.raises(ValueError, match="no gradient"):
            try_score(method, WEIGHTS, DENSE, None)


def test_a_score_of_a_plugin_is_tried_with_weights_that_have_moved():
    def relative(weights, mask, evidence):
        moved = {name: weights[name] - evidence.rewind_weights[name] for name in mask}
        seen.append(evidence.random())
        return {name: abs(array) / abs(array).max() for name, array in moved.items()}

    class OfTheLevel:
        def random(self):
            return "drawn"

    seen = []
    with np.errstate(all="raise"):
        try_score(Method(relative, code={"python": "", "sha256": ""}), WEIGHTS, DENSE, OfTheLevel())
    assert seen == ["drawn"]
