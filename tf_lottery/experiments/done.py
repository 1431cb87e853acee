"""Whether a command is done already, but for showing its results."""

from functools import singledispatch

from tf_lottery.experiments.branch_config import plan_branch
from tf_lottery.experiments.commands import Analyze, Command, RunBranches, RunExperiments
from tf_lottery.experiments.finished.branches import finished_levels
from tf_lottery.experiments.finished.runs import is_finished


@singledispatch
def is_done(command: Command) -> bool:
    """Whether nothing is left of a task's command but to show its results."""
    return False


@is_done.register
def _are_finished(command: RunExperiments) -> bool:
    return all(is_finished(config, command.overwrite) for config in command.configs)


@is_done.register
def _are_measured(command: Analyze) -> bool:
    # It imports what analyses need.
    from tf_lottery.experiments.measuring.analysis import is_measured

    return all(is_measured(command, folder) for folder in command.runs)


@is_done.register
def _are_finished_branches(command: RunBranches) -> bool:
    return all(
        finished_levels(plan_branch(run, branch, command.changes), command.levels) is not None
        for run in command.runs
        for branch in command.branches
    )
