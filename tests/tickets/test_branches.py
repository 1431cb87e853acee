"""What each branch changes of the level that it starts from, and that it changes nothing else."""

import dataclasses
import re
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import pytest
import scipy.optimize

from tf_lottery.config.branches import BRANCHES, branch_options
from tf_lottery.config.experiment import config_from_values
from tf_lottery.config.options import at_least
from tf_lottery.masking.masks import Mask
from tf_lottery.pruning.plan import PruningPlan
from tf_lottery.pruning.score import find_method
from tf_lottery.pruning.scores.magnitudes import magnitude
from tf_lottery.tickets.branches import (
    Parameter,
    find_branch,
    known_branches,
    register_branch,
)
from tf_lottery.tickets.fit.memory_journal import MemoryJournal
from tf_lottery.tickets.origin import Origin, Start
from tf_lottery.tickets.variants import Variant
from tf_lottery.training.network import NetworkState

Arrays = dict[str, np.ndarray]

SHAPES = {"conv/kernel": (3, 3, 4, 6), "dense/kernel": (20, 12), "output/kernel": (6, 5)}
SIZES = {name: int(np.prod(shape)) for name, shape in SHAPES.items()}
PLAN = PruningPlan.build(SIZES, dict.fromkeys(SIZES, 0.3), "global")
LEVELS, TRAIN_STEPS, REWIND_STEP = 4, 50, 8
SLOTS = [np.array(REWIND_STEP), np.full(3, 0.5, np.float32)]

# What a branch changes; a branch that is new has to be added here.
CHANGES_WEIGHTS = {
    "random_reinitialization", "signed_constant", "signed_reinitialization", "fine_tune",
    "rewind_learning_rate", "perturbed",
}  # fmt: skip
CHANGES_MASK = {
    "random_mask", "random_mask_uniform", "random_mask_erk", "shuffled_units", "one_shot",
    "before_training", "before_training_layerwise", "mask_of_replicate",
}  # fmt: skip
# The rewound dense network differs from the level only where that starts before the rewind step.
NOTHING_HERE = {"retrain", "rewound_dense"}
DRAWS = {
    "random_reinitialization", "signed_constant", "signed_reinitialization", "random_mask",
    "random_mask_uniform", "random_mask_erk", "shuffled_units", "perturbed",
}  # fmt: skip


def draw_weights(seed: int) -> Arrays:
    dice = np.random.default_rng(seed)
    weights = {n: dice.normal(scale=0.1, size=s).astype(np.float32) for n, s in SHAPES.items()}
    return weights | {"dense/bias": dice.normal(size=12).astype(np.float32)}


def journal_of(seed: int) -> MemoryJournal:
    """Levels whose masks are those of magnitude pruning, on weights that are drawn."""
    journal, mask = MemoryJournal(), Mask.ones_like({n: np.empty(s) for n, s in SHAPES.items()})
    journal.save_rewind_state(NetworkState(REWIND_STEP, draw_weights(seed), SLOTS))
    # One more than branches start from: some look at the level after theirs.
    for level in range(LEVELS + 1):
        if level:
            mask = PLAN.prune(magnitude(journal.load(level - 1)[0], mask), mask, level)
        journal.save(level, mask.apply(draw_weights(seed + level + 1)), mask, {})
    return journal


JOURNAL, OTHER = journal_of(100), journal_of(200)


def origin_of(level: int = 3, branch_seed: int = 0, **changes: Any) -> Origin:
    origin = Origin(
        level=level,
        start=Start(JOURNAL.rewind_state(), JOURNAL.load(level)[1]),
        random=np.random.default_rng([branch_seed, level]),
        journal=JOURNAL,
        plan=PLAN,
        method=find_method("magnitude"),
        evidence=lambda level: None,
        variant=Variant(train_steps=TRAIN_STEPS),
        draw_weights=draw_weights,
        other_journal=OTHER,
    )
    return dataclasses.replace(origin, **changes)


def start_of(branch: str, level: int = 3, branch_seed: int = 0, **changes: Any) -> Start:
    return find_branch(branch).function(origin_of(level, branch_seed, **changes))


def same_bits(one: Arrays, two: Arrays) -> bool:
    return list(one) == list(two) and all(
        one[name].dtype == two[name].dtype and one[name].tobytes() == two[name].tobytes()
        for name in one
    )


def counts_of(mask: Mask) -> dict[str, int]:
    return {name: int(np.count_nonzero(array)) for name, array in mask.items()}


def exact_counts(shares: dict[str, float], total: int) -> dict[str, float]:
    """Numbers of weights whose densities are proportional to the shares, or 1."""

    def of(scale: float) -> dict[str, float]:
        return {n: min(1.0, scale * shares[n]) * SIZES[n] for n in SIZES}

    return of(scipy.optimize.brentq(lambda scale: sum(of(scale).values()) - total, 0, 1e4))


@pytest.mark.parametrize("branch", known_branches())
def test_a_branch_changes_the_one_thing_that_it_should(branch: str):
    before = origin_of().start
    start = start_of(branch)
    assert same_bits(before.state.weights, draw_weights(100)), "the level itself was changed"
    assert same_bits(start.state.weights, before.state.weights) == (branch not in CHANGES_WEIGHTS)
    assert (start.mask == before.mask) == (branch not in CHANGES_MASK)
    assert branch in NOTHING_HERE or branch in CHANGES_WEIGHTS ^ CHANGES_MASK
    assert start.state.step == (TRAIN_STEPS if branch == "fine_tune" else REWIND_STEP)
    assert start.state.optimizer is SLOTS


@pytest.mark.parametrize("branch", known_branches())
def test_a_start_fits_the_network(branch: str):
    start, own = start_of(branch), JOURNAL.rewind_state().weights
    assert {n: (a.shape, a.dtype) for n, a in start.state.weights.items()} == {
        n: (a.shape, a.dtype) for n, a in own.items()
    }
    assert {n: a.shape for n, a in start.mask.items()} == SHAPES


@pytest.mark.parametrize("branch", sorted(set(known_branches()) - {"mask_of_replicate"}))
def test_a_branch_has_as_many_weights_as_its_level(branch: str):
    for level in range(find_branch(branch).first_level, LEVELS):
        assert start_of(branch, level).mask.remaining == PLAN.remaining(level)


@pytest.mark.parametrize("branch", known_branches())
def test_what_is_drawn_follows_the_seed_and_the_level(branch: str):
    first, again = start_of(branch), start_of(branch)
    assert first.mask == again.mask
    assert same_bits(first.state.weights, again.state.weights)
    other = start_of(branch, branch_seed=1)
    differs = first.mask != other.mask
    differs |= not same_bits(first.state.weights, other.state.weights)
    assert differs == (branch in DRAWS)


@pytest.mark.parametrize("branch", sorted(DRAWS & CHANGES_WEIGHTS))
def test_other_levels_have_other_weights(branch: str):
    two, three = (start_of(branch, level).state.weights for level in (2, 3))
    assert not any(np.array_equal(two[name], three[name]) for name in SHAPES)


@pytest.mark.parametrize("branch", known_branches())
def test_only_branches_that_keep_or_move_the_rewound_weights_rewind_the_optimizer(branch: str):
    start = dataclasses.replace(origin_of().start, rewind_optimizer=True)
    expected = branch not in CHANGES_WEIGHTS - {"perturbed"}
    assert start_of(branch, start=start).rewind_optimizer == expected
    assert not start_of(branch).rewind_optimizer


def test_random_reinitialization_draws_everything():
    weights, old = (
        start.state.weights for start in (start_of("random_reinitialization"), origin_of().start)
    )
    assert not any(np.any(weights[name] == old[name]) for name in old)


@pytest.mark.parametrize("branch", ["signed_constant", "signed_reinitialization"])
def test_signs_and_what_is_not_pruned_are_kept(branch: str):
    weights, old = start_of(branch).state.weights, origin_of().start.state.weights
    for name in SHAPES:
        np.testing.assert_array_equal(np.signbit(weights[name]), np.signbit(old[name]))
        assert not np.any(weights[name] == old[name])
    assert weights["dense/bias"].tobytes() == old["dense/bias"].tobytes()


def test_one_magnitude_per_layer_or_one_per_weight():
    constant, drawn = (
        start_of(branch).state.weights for branch in ("signed_constant", "signed_reinitialization")
    )
    for name, size in SIZES.items():
        (level,) = np.unique(np.abs(constant[name]))
        # The kernels are drawn with a standard deviation of 0.1.
        assert level == pytest.approx(0.1, rel=4 / np.sqrt(size))
        assert len(np.unique(np.abs(drawn[name]))) > 0.99 * size
        assert np.std(drawn[name]) == pytest.approx(0.1, rel=4 / np.sqrt(size))


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


LAYERWISE = PruningPlan.build(
    SIZES, {"conv/kernel": 0.3, "dense/kernel": 0.3, "output/kernel": 0.0}, "layerwise"
)
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


@pytest.mark.parametrize("branch", ["fine_tune", "rewind_learning_rate"])
def test_retraining_goes_on_from_the_weights_that_were_pruned(branch: str):
    for level in (1, 2, 3):
        start = start_of(branch, level)
        assert same_bits(start.state.weights, JOURNAL.load(level - 1)[0])
    dense = start_of(branch, variant=Variant("dense", "rewind_weights", TRAIN_STEPS))
    assert same_bits(dense.state.weights, JOURNAL.load(0)[0])


@pytest.mark.parametrize(
    ("retraining", "step"), [("rewind_learning_rate", REWIND_STEP), ("fine_tune", TRAIN_STEPS)]
)
def test_pruning_another_network_trains_it_as_the_run_does(retraining: str, step: int):
    variant = Variant("previous_level", retraining, TRAIN_STEPS)
    start = start_of("one_shot", variant=variant)
    assert same_bits(start.state.weights, JOURNAL.load(0)[0])
    assert start.state.step == step
    start = start_of("before_training", variant=variant)
    assert same_bits(start.state.weights, JOURNAL.rewind_state().weights)
    assert start.state.step == REWIND_STEP


def test_the_mask_of_another_replicate():
    for level in range(LEVELS):
        assert start_of("mask_of_replicate", level).mask == OTHER.load(level)[1]
    with pytest.raises(ValueError, match=r"--other_run is not given"):
        start_of("mask_of_replicate", other_journal=None)


def test_level_0_has_the_branches_that_need_no_pruning():
    from_1 = {name for name in known_branches() if find_branch(name).first_level == 1}
    assert from_1 == {
        "before_training", "before_training_layerwise", "fine_tune", "one_shot",
        "rewind_learning_rate",
    }  # fmt: skip
    for name in set(known_branches()) - from_1:
        assert start_of(name, level=0).mask.density == 1


@pytest.mark.parametrize("branch", known_branches())
def test_what_a_branch_says_of_itself_is_so(branch: str):
    found = find_branch(branch)
    assert found.mask_alone == (branch in CHANGES_MASK and found.first_level == 0)
    assert found.fine_tunes == (start_of(branch).state.step == TRAIN_STEPS)
    assert found.draws == (branch in DRAWS)
    if found.prunes:
        masks = [start_of(branch, plan=plan).mask for plan in (PLAN, LAYERWISE)]
        assert found.layerwise == (masks[0] == masks[1])
    if not found.starts_as_level:
        return
    initial = NetworkState(0, draw_weights(1), SLOTS)
    assert start_of(branch, 0, start=Start(initial, JOURNAL.load(0)[1])).state.step == 0
    assert start_of(branch).state.step == REWIND_STEP


def test_an_unknown_branch_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"--branch=magic is not a known .*one_shot.*retrain"):
        find_branch("magic")


def test_a_registered_function_is_a_branch_and_its_arguments_are_flags():
    @register_branch(first_level=1, last_level=2, structures=["weights"])
    def doubled(
        origin: Origin, *, factor: Annotated[float, Parameter("By what.", at_least(1))] = 2.0
    ) -> Start:
        weights = origin.start.state.weights
        return origin.start.with_weights({n: factor * a for n, a in weights.items()})

    try:
        branch = find_branch("doubled")
        assert (branch.first_level, branch.last_level, branch.structures) == (1, 2, ("weights",))
        assert branch.defaults == {"factor": 2.0}
        assert branch_options()["factor"].metadata["help"] == "By what."
        config = config_from_values({"branch": "doubled", "factor": 3.0})
        assert config.branch.parameters == {"factor": 3.0}
        assert config.identity()["factor"] == 3.0
        with pytest.raises(ValueError, match=r"--factor=0\.5 is out of range: use 1 or more"):
            config_from_values({"branch": "doubled", "factor": 0.5})
        with pytest.raises(ValueError, match=r"--factor=3\.0 is for --branch=doubled"):
            config_from_values({"branch": "retrain", "factor": 3.0})
    finally:
        BRANCHES.remove("doubled")
    old = origin_of().start.state.weights
    start = doubled(origin_of(), factor=3.0)
    assert same_bits(start.state.weights, {n: 3.0 * a for n, a in old.items()})


def test_a_keyword_argument_without_a_parameter_is_no_flag():
    with pytest.raises(TypeError, match=r'factor: Annotated\[TYPE, Parameter\("what it does"\)\]'):

        @register_branch()
        def halved(origin: Origin, *, factor: float = 0.5) -> Start:
            return origin.start


def test_the_rewound_dense_network_starts_from_the_rewind_step_where_level_0_does_not():
    initial = NetworkState(0, draw_weights(1), [np.array(0), np.zeros(3, np.float32)])
    start = start_of("rewound_dense", 0, start=Start(initial, JOURNAL.load(0)[1]))
    assert same_bits(start.state.weights, JOURNAL.rewind_state().weights)
    assert start.state.step == REWIND_STEP
    assert start.mask.density == 1
    assert find_branch("rewound_dense").last_level == 0


@pytest.mark.parametrize("mask", ["one_shot", "random_mask", "before_training"])
def test_a_joined_branch_has_the_mask_of_one_and_the_weights_of_the_other(mask: str):
    """Bit for bit those of the two alone: arXiv 1803.03635, figure 4, has both pruned at once."""
    joined = f"{mask}+random_reinitialization"
    for level in (1, 3):
        start = start_of(joined, level, branch_seed=5)
        assert start.mask == start_of(mask, level, branch_seed=5).mask
        drawn = start_of("random_reinitialization", level, branch_seed=5).state.weights
        assert same_bits(start.state.weights, drawn)
        assert start.state.step == REWIND_STEP
    slots = dataclasses.replace(origin_of().start, rewind_optimizer=True)
    assert not start_of(joined, start=slots).rewind_optimizer


def test_a_joined_branch_is_what_both_are():
    one_shot, joined = find_branch("one_shot"), find_branch("one_shot+random_reinitialization")
    assert joined.name == "one_shot+random_reinitialization"
    assert (joined.first_level, joined.prunes, joined.draws) == (1, True, True)
    assert not one_shot.draws
    assert joined.takes("score") and joined.takes("branch_seed")
    assert find_branch("random_mask_erk+signed_constant").structures == ("weights",)
    assert find_branch("mask_of_replicate+signed_constant").needs_other_run
    assert not find_branch("random_mask+random_reinitialization").mask_alone


@pytest.mark.parametrize(
    "name",
    [
        "random_reinitialization+one_shot",
        "one_shot+random_mask",
        "retrain+random_reinitialization",
        "perturbed+random_reinitialization",
        "one_shot+signed_constant+random_reinitialization",
        "one_shot+",
        "+random_reinitialization",
        "+",
    ],
)
def test_branches_of_which_one_would_undo_the_other_are_not_joined(name: str):
    right = (
        rf"^--branch={re.escape(name)}: \+ puts the mask of one branch on the first weights of "
        r"another, .*"
        r"before it is one of before_training, .*one_shot, .*, behind it one of "
        r"random_reinitialization, signed_constant, signed_reinitialization\.$"
    )
    with pytest.raises(ValueError, match=right):
        find_branch(name)


def test_a_part_that_is_not_known_is_named():
    said = (
        r"^--branch=one_shot\+random_reinit: random_reinit is not a known branch\. Did you mean "
        "random_reinitialization"
    )
    with pytest.raises(ValueError, match=said):
        find_branch("one_shot+random_reinit")


def test_spaces_around_a_plus_are_told():
    said = (
        r"^--branch=one_shot \+ signed_constant: write one_shot\+signed_constant, without spaces\.$"
    )
    with pytest.raises(ValueError, match=said):
        find_branch("one_shot + signed_constant")


def test_level_0_has_no_mask_to_put_on_other_weights():
    alone = [find_branch(name).first_level for name in ("shuffled_units", "signed_constant")]
    assert alone == [0, 0]
    assert find_branch("shuffled_units+signed_constant").first_level == 1
