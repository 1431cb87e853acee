"""Runs branches, or shows those that are finished."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tf_lottery.config.loggers import check_loggers
from tf_lottery.experiments.branch_config import (
    BranchPlan,
    changes_taken,
    plan_branch,
    refuse_change,
)
from tf_lottery.experiments.carry_out.places import (
    ALL_DEVICES,
    NOTHING_LEFT,
    ONE_ALONE,
    Do,
    check_launcher_fits,
    do_by_launcher,
)
from tf_lottery.experiments.chosen_runs import run_folders
from tf_lottery.experiments.commands import RunBranches
from tf_lottery.experiments.finished.branches import finished_levels, show_finished_branch
from tf_lottery.experiments.finished.runs import takes_all_devices
from tf_lottery.experiments.jobs.study import do_side_by_side, refuse_diverged
from tf_lottery.experiments.jobs.tasks import tasks_of_branches
from tf_lottery.experiments.refusals.damage_checks import check_source
from tf_lottery.experiments.refusals.late_flags import tell_of_useless_jobs
from tf_lottery.experiments.refusals.own_data import call_on_arrays, refuse_without_arrays
from tf_lottery.messages import tell
from tf_lottery.startup import import_tensorflow_quietly
from tf_lottery.store.run_folder import RunFolder


def run_branches(command: RunBranches, do: Do) -> None:
    """Runs branches of runs, or shows them if all are finished.

    Args:
      command: the branches.
      do: carries out a command; a function of a module.

    Raises:
      ValueError: as of `run_command`.
      TrainingDivergedError: if one of several has diverged, after the others.
    """
    runs = run_folders(command)
    for run in runs:
        check_source(RunFolder.read(run), command.levels)
    wanted = [
        (run, branch, changes) for run in runs for branch, changes in _changes(run, command).items()
    ]
    plans = [plan_branch(*one) for one in wanted]
    if _show_if_finished(plans, command):
        return
    for plan in plans:
        path = plan.run.path
        refuse_without_arrays(path, call_on_arrays("run_branch", path, plan.branch))
    where = plans[0].config.run
    check_loggers(where.log_to)
    if not command.launcher.is_local:
        check_launcher_fits(command, where)
        do_by_launcher(
            tasks_of_branches(command, runs), command, do, command.changes.get("threads")
        )
        return
    why_not_at_once = (
        ONE_ALONE if len(wanted) == 1 else ALL_DEVICES if takes_all_devices(where) else ""
    )
    if command.jobs != 1 and not why_not_at_once:
        tasks = tasks_of_branches(command, runs)
        refuse_diverged(tasks, do_side_by_side(tasks, do, command.jobs, where.threads))
        return
    tell_of_useless_jobs(command.jobs, why_not_at_once)
    import_tensorflow_quietly()
    from tf_lottery.experiments.running.branching import run_branch

    for run, branch, changes in wanted:
        run_branch(
            run,
            branch,
            command.levels,
            for_analysis=command.for_analysis,
            matching_tolerance=command.matching_tolerance,
            **changes,
        )


def _show_if_finished(plans: Sequence[BranchPlan], command: RunBranches) -> bool:
    """Shows branches, unless something of them is left to train; returns whether it did."""
    finished = [
        (plan, levels) for plan in plans if (levels := finished_levels(plan, command.levels))
    ]
    if len(finished) < len(plans):
        return False
    tell_of_useless_jobs(command.jobs, NOTHING_LEFT)
    for plan, levels in finished:
        show_finished_branch(
            plan,
            levels,
            command.matching_tolerance,
            command.changes,
            for_analysis=command.for_analysis,
        )
    return True


def _changes(run: Path, command: RunBranches) -> dict[str, dict[str, Any]]:
    """For each branch of a run, those of the changes that it takes."""
    taken = {branch: changes_taken(run, branch, command.changes) for branch in command.branches}
    for name, value in command.changes.items():
        useless = [branch for branch, changes in taken.items() if name not in changes]
        if len(useless) == len(taken):
            refuse_change(name, value, ",".join(command.branches))
        if useless:
            tell(f"Note: --{name}={value} has no effect on --branch={','.join(useless)}.")
    return taken
