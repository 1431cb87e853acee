"""The masks of branches: random ones, and those of networks that others are pruned from."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import scipy.optimize

from tests.tickets.branch_starts import (
    JOURNAL,
    LAYERWISE,
    LEVELS,
    OTHER,
    PLAN,
    SHAPES,
    SIZES,
    counts_of,
    origin_of,
    start_of,
)
from tf_lottery.pruning.plan import PruningPlan
from tf_lottery.pruning.score import find_method
from tf_lottery.pruning.scores.magnitudes import magnitude


def exact_counts(shares: dict[str, float], total: int) -> dict[str, float]:
    """Numbers of weights whose densities are proportional to the shares, or 1."""

    def of(scale: float) -> dict[str, float]:
        return {n: min(1.0, scale * shares[n]) * SIZES[n] for n in SIZES}

    return of(scipy.optimize.brentq(lambda scale: sum(of(scale).values()) - total, 0, 1e4))


def test_random_masks_keep_the_number_of_each_layer():
    mask, level = start_of("random_mask").mask, origin_of().start.mask
    assert counts_of(mask) == counts_of(level)
    overlap = mask.overlap(level)
    density = level.density
    assert overlap == pytest.approx(density / (2 - density), abs=0.1)


def test_shuffled_units_keep_the_number_of_each_unit():
    mask, level = start_of("shuffled_units").mask, origin_of().start.mask
    for name, array in level.items():
        for axis in (-2, -1):
            others = tuple(a for a in range(array.ndim) if a != array.ndim + axis)
            before, after = (np.count_nonzero(a, others) for a in (array, mask[name]))
            assert sorted(before) == sorted(after)
            assert list(before) != list(after)
        assert not np.array_equal(array, mask[name])
    # Each position of a filter keeps its number, as units change places as a whole.
    kernel = "conv/kernel"
    np.testing.assert_array_equal(
        np.count_nonzero(mask[kernel], (2, 3)), np.count_nonzero(level[kernel], (2, 3))
    )


@pytest.mark.parametrize(
    ("branch", "share"),
    [
        ("random_mask_uniform", lambda shape: 1.0),
        ("random_mask_erk", lambda shape: sum(shape) / np.prod(shape)),
    ],
)
def test_layerwise_densities_of_random_masks(branch: str, share: Callable[[tuple], float]):
    for level in (1, 2, 3):
        mask = start_of(branch, level).mask
        exact = exact_counts({n: share(s) for n, s in SHAPES.items()}, PLAN.remaining(level))
        for name, count in counts_of(mask).items():
            assert abs(count - exact[name]) < 1, name
    full = [name for name in SIZES if np.all(start_of("random_mask_erk", 1).mask[name])]
    assert full == ["output/kernel"]


@pytest.mark.parametrize("level", [1, 2, 3])
def test_one_shot_prunes_the_trained_dense_network(level: int):
    weights, dense = JOURNAL.load(0)
    found = start_of("one_shot", level).mask
    assert found == PLAN.prune(magnitude(weights, dense), dense, level)
    # The first level of iterative pruning is one shot.
    assert (found == JOURNAL.load(level)[1]) == (level == 1)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_pruning_before_training_prunes_the_network_at_the_rewind_step(level: int):
    dense, early = JOURNAL.load(0)[1], JOURNAL.rewind_state().weights
    found = start_of("before_training", level).mask
    assert found == PLAN.prune(magnitude(early, dense), dense, level)
    kept = np.concatenate([np.abs(early[name])[array] for name, array in found.items()])
    lost = np.concatenate([np.abs(early[name])[~array] for name, array in found.items()])
    assert kept.min() >= lost.max()


TWO_RATES = PruningPlan.build(
    SIZES, {"conv/kernel": 0.1, "dense/kernel": 0.4, "output/kernel": 0.2}, "global"
)


@pytest.mark.parametrize("plan", [LAYERWISE, TWO_RATES], ids=["layerwise", "two rates"])
@pytest.mark.parametrize("score", ["snip", "grasp", "synflow"])
def test_methods_whose_authors_rank_all_weights_together_do_so(score: str, plan: PruningPlan):
    """The highest scores remain, of all layers that are pruned, and as many as in the ticket."""
    early = JOURNAL.rewind_state().weights
    method = dataclasses.replace(find_method(score), score=magnitude, rounds=1)
    found = start_of("before_training", plan=plan, method=method).mask
    assert found.remaining == plan.remaining(3)
    competing = [name for name in SIZES if plan is not LAYERWISE or name != "output/kernel"]
    if plan is LAYERWISE:
        assert found["output/kernel"].all()
    kept = np.concatenate([np.abs(early[name])[found[name]] for name in competing])
    lost = np.concatenate([np.abs(early[name])[~found[name]] for name in competing])
    assert kept.min() > lost.max()
    own = PruningPlan.prune(plan, magnitude(early, JOURNAL.load(0)[1]), JOURNAL.load(0)[1], 3)
    assert own != found and own.remaining == found.remaining


@pytest.mark.parametrize("score", ["magnitude", "snip", "synflow"])
def test_the_layerwise_variant_has_the_densities_of_the_ticket(score: str):
    """Also off a run in which all layers compete."""
    early, ticket = JOURNAL.rewind_state().weights, JOURNAL.load(3)[1]
    method = dataclasses.replace(find_method(score), score=magnitude, rounds=1)
    found = start_of("before_training_layerwise", method=method).mask
    for name, array in found.items():
        assert array.sum() == ticket[name].sum()
        assert np.abs(early[name])[array].min() > np.abs(early[name])[~array].max()


def test_other_scores_are_those_of_the_run():
    seen = []

    def score(weights, mask, evidence):
        seen.append(evidence)
        return {name: -np.abs(weights[name]) for name in mask}

    method = dataclasses.replace(find_method("magnitude"), score=score)
    start = start_of("one_shot", method=method, evidence=lambda level: f"evidence of {level}")
    weights, dense = JOURNAL.load(0)
    assert start.mask == PLAN.prune({n: -np.abs(weights[n]) for n in SIZES}, dense, 3)
    assert seen == ["evidence of 3"]


def test_the_mask_of_another_replicate():
    for level in range(LEVELS):
        assert start_of("mask_of_replicate", level).mask == OTHER.load(level)[1]
    with pytest.raises(ValueError, match=r"--other_run is not given"):
        start_of("mask_of_replicate", other_journal=None)
