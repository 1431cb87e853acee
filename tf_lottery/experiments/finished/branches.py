"""What can be shown of a branch from its folder alone, without TensorFlow."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from tf_lottery.config.branches import BRANCHES, is_fine_tuned
from tf_lottery.config.experiment import has_renamed_files
from tf_lottery.config.matching import tolerance_of
from tf_lottery.experiments.branch_config import BranchPlan, branch_flags
from tf_lottery.experiments.branch_levels import (
    check_makes_sense,
    check_other_run_is_named,
    check_structure,
    is_complete,
    levels_of_plan,
)
from tf_lottery.experiments.finished.results import show_results
from tf_lottery.experiments.finished.runs import OPEN_ENDED, levels_text, of_several_workers
from tf_lottery.experiments.refusals.begun_without import defaults_of
from tf_lottery.experiments.refusals.damage_checks import check_own_damage
from tf_lottery.experiments.refusals.late_flags import tell_of_idle_flags
from tf_lottery.messages import tell
from tf_lottery.report.summary_table import print_branch
from tf_lottery.report.table import print_sentences
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.schema import LevelSummary
from tf_lottery.store.training_rules import made_by_older_version
from tf_lottery.tickets.branches import find_branch


def finished_levels(plan: BranchPlan, levels: Sequence[int] | None) -> list[int] | None:
    """The levels of a branch that are asked for, if nothing is left to do but to show them.

    Args:
      plan: the branch.
      levels: as of `run_branch`.

    Returns:
      The levels; None if something has to be trained, or several workers have to be told.

    Raises:
      ValueError: if a level is not finished, or not for the branch.
    """
    function = find_branch(plan.branch)
    check_structure(plan, function)
    check_makes_sense(plan, function)
    check_other_run_is_named(plan, function)
    asked = levels_of_plan(plan, function, levels, verify=False)
    if of_several_workers(plan.config) or not (plan.path / "config.json").exists():
        return None
    if has_renamed_files(plan.run.identity, plan.config.identity()):
        return None  # Whether they are the same is told by what is in them.
    with suppress(OSError):
        known = RunFolder.read(plan.path).details.branch_levels or ()
        if set(asked) <= set(known) and is_complete(plan, asked):
            return asked
    return None


def show_finished_branch(
    plan: BranchPlan,
    levels: Sequence[int],
    matching_tolerance: float | None,
    given: Mapping[str, Any],
    *,
    for_analysis: bool = False,
) -> None:
    """Shows the results of a finished branch, as `run_branch` does.

    Args:
      plan: the branch.
      levels: those that were asked for.
      matching_tolerance: as of `run_branch`; None: nothing is said of matching.
      given: flag values that were given.
      for_analysis: as of `run_branch`.

    Raises:
      ValueError: as `run_branch`.
    """
    tolerance = None if matching_tolerance is None else tolerance_of(matching_tolerance)
    identity = plan.config.identity()
    defaults = defaults_of(plan.config)
    RunFolder.refuse(plan.path, identity, defaults, OPEN_ENDED)
    # Before it is opened, which repairs some of it.
    damages = check_own_damage(RunFolder.read(plan.path))
    repaired = any(damage.repaired for damage in damages)
    flags = branch_flags(plan, ",".join(map(str, levels)))
    with RunFolder.open(plan.path, identity, None, flags, defaults, OPEN_ENDED) as own:
        if not for_analysis:
            own_by_user(own)
        if sentence := made_by_older_version(own):
            tell(f"Note: {sentence}")
        tell(f"Branch {plan.label} of {plan.run.path}")
        tell_of_idle_flags(given, own)
        tell(f"{levels_text(levels)} complete already")
        results = show_results(own, title_of_branch(plan), anew=repaired)
        print_results_of_branch(plan, own, results.summaries, tolerance)
        results.refuse_failure()


def own_by_user(own: RunFolder) -> None:
    """Has reports list a branch, whether an analysis has trained it or not.

    Args:
      own: its folder, opened to work in it.
    """
    own.remember(replace(own.details, for_analysis=False))


def title_of_branch(plan: BranchPlan) -> str:
    """The title of the figure of a branch."""
    return f"{plan.label} of {plan.config.name}, replicate {plan.config.seeds.replicate}"


def print_results_of_branch(
    plan: BranchPlan, own: RunFolder, summaries: list[LevelSummary], tolerance: float | None
) -> None:
    """Prints the table that ends a branch, and where the branch is.

    Args:
      plan: the branch.
      own: its folder.
      summaries: of its levels.
      tolerance: as of `print_branch`.
    """
    tickets = [
        LevelSummary.from_record(plan.run.level(level).record())
        for level in sorted({0, *(row.level for row in summaries)})
        if plan.run.level(level).is_complete()
    ]
    print_branch(plan.label, summaries, tickets, tolerance)
    step = own.details.rewind_step
    fine_tuned = is_fine_tuned(own.identity.retraining, plan.branch)
    last = BRANCHES.get(plan.branch.rpartition("+")[2])
    new_weights = last is not None and last.weights_alone
    if step and new_weights and not fine_tuned and any(s.level for s in summaries):
        sentence = (
            f"The new weights begin at iteration {step:,}, as those of the ticket do: they are "
            f"trained {step:,} iterations fewer than the dense network."
        )
        print_sentences([sentence])
    tell(f"Branch folder: {own.path}")
