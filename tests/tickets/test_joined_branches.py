"""The mask of one branch on the first weights of another."""

import dataclasses
import re

import pytest

from tests.tickets.branch_starts import (
    REWIND_STEP,
    origin_of,
    same_bits,
    start_of,
)
from tf_lottery.tickets.branches import find_branch


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
