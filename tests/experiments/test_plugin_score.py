"""Runs that are pruned by a score in a file of the user's."""

import re
from pathlib import Path

import pytest

import tf_lottery
from tests.edited_config import edit_config
from tests.registries import forget_what_was_added
from tf_lottery.pruning.score import register_score
from tf_lottery.store.errors import RunFolderMismatchError
from tf_lottery.store.run_folder import RunFolder

SHORT = {"train_steps": "6it", "evaluate_every": "6it", "rewind_step": "0it"}


@pytest.fixture(autouse=True)
def nothing_stays():
    yield
    forget_what_was_added()


def largest_remain(remark: str = "") -> None:
    @register_score()
    def mine(weights, mask, evidence):
        return {name: abs(weights[name]) for name in mask}

    mine.__doc__ = remark


def smallest_remain() -> None:
    @register_score()
    def mine(weights, mask, evidence):
        return {name: -abs(weights[name]) for name in mask}


@pytest.fixture
def run_to(run_tiny, tmp_path):
    """Returns a function that runs or continues a run with the score `mine` to a level."""

    def run(levels: int, **flags) -> Path:
        return run_tiny(tmp_path, **SHORT, levels=levels, score="mine", **flags)

    return run


@pytest.mark.slow
def test_a_run_goes_on_with_the_same_code_alone(run_to):
    largest_remain()
    run = run_to(1)
    largest_remain("A remark is no other code.")
    run_to(2)
    smallest_remain()
    said = re.escape(
        f"--score=mine computes something else than the score of that name by which {run} was "
        "pruned (comments and docstrings do not count); restore that, or give"
    )
    with pytest.raises(RunFolderMismatchError, match=said):
        run_to(3)
    with pytest.raises(RunFolderMismatchError, match=said):
        tf_lottery.run_branch(run, "one_shot", [2])
    # These prune nothing, or by another score.
    tf_lottery.run_branch(run, "random_reinitialization", [1])
    tf_lottery.run_branch(run, "one_shot", [2], score="magnitude")
    edit_config(run, without=["score_code"])
    run_to(3)


def test_until_a_level_was_pruned_the_score_may_become_another(run_to):
    smallest_remain()
    run = run_to(0)
    largest_remain()
    code = RunFolder.read(run_to(1)).details.score_code
    largest_remain()
    run_to(2)
    assert RunFolder.read(run).details.score_code == code
    assert code is not None


def test_nothing_is_remembered_of_the_packages_own_scores(finished_run):
    assert RunFolder.read(finished_run).details.score_code is None


def test_a_score_that_fails_does_so_before_the_dense_network_is_trained(run_tiny, tmp_path):
    @register_score()
    def mine(weights, mask, evidence):
        return {name: array / 0 for name, array in zip(mask, (1, 2, 3), strict=True)}

    with pytest.raises(ValueError, match=r"^--score=mine, of .* with ZeroDivisionError"):
        run_tiny(tmp_path, **SHORT, levels=1, score="mine")
    assert RunFolder.read(tmp_path / "tiny" / "replicate_1").level_numbers() == []
