"""Does what an analysis trains, measures it, and shows what it has found."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from tf_lottery.config.analyses import ANALYSES
from tf_lottery.config.matching import DEFAULT_POINTS
from tf_lottery.config.run import RunConfig
from tf_lottery.experiments.carry_out.places import Do, check_launcher_fits, do_by_launcher
from tf_lottery.experiments.chosen_runs import run_folders
from tf_lottery.experiments.commands import Analyze, RunBranches
from tf_lottery.experiments.jobs.study import do_on_all_workers, do_side_by_side, refuse_diverged
from tf_lottery.experiments.jobs.tasks import Task, tasks_of_analysis
from tf_lottery.experiments.refusals.damage_checks import check_source
from tf_lottery.experiments.refusals.flags_of_run import check_flags_of_run
from tf_lottery.experiments.refusals.late_flags import tell_of_useless_jobs
from tf_lottery.experiments.refusals.own_data import call_on_arrays, refuse_without_arrays
from tf_lottery.experiments.report_command import print_report_command
from tf_lottery.experiments.run_config import config_of_run
from tf_lottery.messages import tell
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.training.tf_config import place_among_workers


def analyze(command: Analyze, do: Do) -> None:
    """Measures runs, after the trainings that it takes, and shows what was found.

    Args:
      command: the analysis.
      do: carries out a command; a function of a module.

    Raises:
      ValueError: as of `run_command`.
      TrainingDivergedError: if one of several trainings has diverged, after the others.
    """
    from tf_lottery.experiments.measuring.analysis import is_measured

    folders = run_folders(command)
    for folder in folders:
        run = RunFolder.read(folder)
        check_flags_of_run(run, command.expected)
        check_source(run, command.levels)
    is_left = not all(is_measured(command, folder) for folder in folders)
    _refuse_without_arrays(command, folders)
    _tell_of_idle_loggers(command, folders)
    if place_among_workers(RunConfig()) is not None:
        # Otherwise the chief would be alone by now.
        _analyze_together(command, folders, do)
        return
    is_local = command.launcher.is_local
    # One job measures and trains as it goes.
    tasks = _tasks(command, folders) if is_left and (command.jobs != 1 or not is_local) else []
    if tasks and not is_local:
        do_by_launcher(tasks, command, do, command.here.get("threads"))
        _print_report(command, folders)
    elif len(tasks) > 1:
        outcomes = do_side_by_side(tasks, do, command.jobs)
        _print_report(command, folders)
        refuse_diverged(tasks, outcomes)
    else:
        what = "there is one thing alone to measure" if is_left else "all is measured already"
        tell_of_useless_jobs(command.jobs, what)
        _measure(command, folders)


def _tasks(command: Analyze, folders: Sequence[Path]) -> list[Task]:
    from tf_lottery.experiments.measuring.analysis import trainings_of_analysis

    return tasks_of_analysis(command, folders, partial(trainings_of_analysis, command))


def _analyze_together(command: Analyze, folders: Sequence[Path], do: Do) -> None:
    """Has all workers train, and the chief measure."""
    check_launcher_fits(command, RunConfig())
    trainings = [
        replace(task, helps=False)
        for task in _tasks(command, folders)
        if isinstance(task.command, RunBranches)
    ]
    do_on_all_workers(trainings, do, partial(_measure, command, folders))


def _measure(command: Analyze, folders: Sequence[Path]) -> None:
    from tf_lottery.experiments.measuring.analysis import run_analysis

    for folder in folders:
        tell(f"{command.analysis} of {folder}")
        run_analysis(
            folder,
            command.analysis,
            command.levels,
            here=command.here,
            expected=command.expected,
            **command.options,
        )
    _print_report(command, folders)


def _refuse_without_arrays(command: Analyze, folders: Sequence[Path]) -> None:
    from tf_lottery.experiments.measuring.analysis import needs_data

    for folder in folders:
        if needs_data(command, folder):
            refuse_without_arrays(folder, call_on_arrays("run_analysis", folder, command.analysis))


def _tell_of_idle_loggers(command: Analyze, folders: Sequence[Path]) -> None:
    """Says if metrics are to be logged, and nothing is trained that has some."""
    from tf_lottery.experiments.measuring.analysis import trainings_of_analysis

    if "log_to" not in command.here:
        return
    logged, runs = command.here["log_to"], [RunFolder.read(folder) for folder in folders]
    # The flag file of a run has it too.
    is_new = any(config_of_run(run, {}).run.log_to != logged for run in runs)
    if is_new and not any(trainings_of_analysis(command, folder) for folder in folders):
        tell(
            f"Note: --log_to={logged} has no effect: --experiment={command.analysis} trains "
            "nothing here, and only trainings are logged."
        )


def _print_report(command: Analyze, folders: Sequence[Path]) -> None:
    """Says how figures of several runs are drawn, where the analysis has some."""
    tolerance = command.options.get("matching_tolerance", DEFAULT_POINTS)
    if len(folders) > 1 and ANALYSES.find(command.analysis).figures(tolerance):
        print_report_command("the figures of all", command.runs, tolerance)
