"""What each branch changes of the level that it starts from, and that it changes nothing else."""

import dataclasses
from typing import Annotated

import numpy as np
import pytest

from tests.tickets.branch_starts import (
    JOURNAL,
    LAYERWISE,
    LEVELS,
    PLAN,
    REWIND_STEP,
    SHAPES,
    SIZES,
    SLOTS,
    TRAIN_STEPS,
    draw_weights,
    origin_of,
    same_bits,
    start_of,
)
from tf_lottery.config.branches import BRANCHES, branch_options
from tf_lottery.config.experiment import config_from_values
from tf_lottery.config.options import at_least
from tf_lottery.tickets.branches import (
    Parameter,
    find_branch,
    known_branches,
    register_branch,
)
from tf_lottery.tickets.origin import Origin, Start
from tf_lottery.tickets.variants import Variant
from tf_lottery.training.network import NetworkState

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
