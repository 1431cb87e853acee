"""Runs experiments with their controls, and reports them."""

from collections.abc import Sequence
from dataclasses import replace

from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.experiments.carry_out.places import (
    ALL_DEVICES,
    NOTHING_LEFT,
    ONE_ALONE,
    Do,
    check_launcher_fits,
    do_by_launcher,
)
from tf_lottery.experiments.carry_out.reports import write_report
from tf_lottery.experiments.commands import RunExperiments, WriteReport
from tf_lottery.experiments.done import is_done
from tf_lottery.experiments.finished.runs import (
    is_finished,
    refuse_early,
    show_finished,
    takes_all_devices,
)
from tf_lottery.experiments.jobs.control_checks import check_controls
from tf_lottery.experiments.jobs.outcome import Outcome
from tf_lottery.experiments.jobs.study import do_one_by_one, do_side_by_side, refuse_diverged
from tf_lottery.experiments.jobs.tasks import Task, tasks_of_experiments
from tf_lottery.experiments.refusals.late_flags import tell_of_useless_jobs
from tf_lottery.experiments.report_command import print_report_command
from tf_lottery.experiments.running.early_checks import check_early
from tf_lottery.startup import import_tensorflow_quietly
from tf_lottery.store.run_patterns import naturally_sorted
from tf_lottery.training.tf_config import is_chief


def run_experiments(command: RunExperiments, do: Do) -> bool:
    """Runs experiments, or shows those that are finished; returns whether one is damaged.

    Args:
      command: the experiments.
      do: carries out a command; a function of a module.

    Raises:
      ValueError: as of `run_command`.
      TrainingDivergedError: if one of several has diverged, after the others.
    """
    for config in command.configs:
        refuse_early(config)
    check_controls(command)
    tasks = tasks_of_experiments(command)
    if command.launcher.is_local and len(tasks) == 1:
        _run_one(command)
        return command.report and _report(command)
    where = command.configs[0].run
    check_launcher_fits(command, where)
    unfinished = [one for one in command.configs if not is_finished(one, command.overwrite)]
    for config in unfinished:
        check_early(config, command.overwrite)
    if not command.launcher.is_local:
        do_by_launcher(tasks, command, do, where.threads)
        return _report(command)
    outcomes = _run_several(tasks, command, do, unfinished)
    damaged = _report(command)
    refuse_diverged(tasks, outcomes)
    return damaged


def _run_one(command: RunExperiments) -> None:
    (config,) = command.configs
    is_left = not is_finished(config, command.overwrite)
    tell_of_useless_jobs(command.jobs, ONE_ALONE if is_left else NOTHING_LEFT)
    if not is_left:
        show_finished(config, command.matching_tolerance)
        return
    check_early(config, command.overwrite)
    import_tensorflow_quietly()
    from tf_lottery.experiments.running.lottery import run_experiment

    run_experiment(
        config, matching_tolerance=command.matching_tolerance, overwrite=command.overwrite
    )


def _run_several(
    tasks: Sequence[Task],
    command: RunExperiments,
    do: Do,
    unfinished: Sequence[ExperimentConfig],
) -> Sequence[Outcome | None]:
    """Does the experiments and their controls on this machine; returns how each task has ended."""
    where, controls = command.configs[0].run, tasks[len(command.configs) :]
    is_left = bool(unfinished) or not all(is_done(task.command) for task in controls)
    kinds = _without_seeds(unfinished)
    if command.jobs != 1 and is_left and not takes_all_devices(where):
        return do_side_by_side(tasks, do, command.jobs, where.threads, kinds)
    tell_of_useless_jobs(command.jobs, ALL_DEVICES if is_left else NOTHING_LEFT)
    return do_one_by_one(tasks, do, where.threads, kinds)


def _without_seeds(configs: Sequence[ExperimentConfig]) -> list[ExperimentConfig]:
    """One experiment of each kind: replicates differ in nothing that can be wrong."""
    seeds = {"replicate": 1, "init_seed": None, "data_seed": None}
    return list({replace(one, seeds=replace(one.seeds, **seeds)): None for one in configs})


def _report(command: RunExperiments) -> bool:
    """Writes the report, or says how; returns whether something is damaged."""
    if not is_chief(command.configs[0].run):
        # The run folders are the chief's.
        return False
    folders = naturally_sorted({config.run_path.parent for config in command.configs})
    tolerance = command.matching_tolerance
    if command.report:
        return write_report(WriteReport(tuple(folders), None, matching_tolerance=tolerance))
    print_report_command("a report", folders, tolerance)
    return False
