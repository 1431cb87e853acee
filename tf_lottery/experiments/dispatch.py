"""Does what a command says."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial, singledispatch
from pathlib import Path
from typing import Any

from tf_lottery.config.analyses import ANALYSES
from tf_lottery.config.arguments import refusal
from tf_lottery.config.loggers import check_loggers
from tf_lottery.config.matching import DEFAULT_POINTS
from tf_lottery.config.run import RunConfig
from tf_lottery.experiments.branch_config import changes_taken, plan_branch, refuse_change
from tf_lottery.experiments.chosen_runs import run_folders, runs_in
from tf_lottery.experiments.commands import (
    Analyze,
    Command,
    ExportTickets,
    ListRuns,
    RunBranches,
    RunExperiments,
    TrainingCommand,
    VerifyRuns,
    WriteReport,
)
from tf_lottery.experiments.compiled_programs import keep_compiled_programs
from tf_lottery.experiments.cpu_kernels import choose_kernels
from tf_lottery.experiments.done import is_done
from tf_lottery.experiments.finished.branches import finished_levels, show_finished_branch
from tf_lottery.experiments.finished.runs import (
    is_finished,
    is_of_several_workers,
    refuse_early,
    show_finished,
    takes_all_devices,
)
from tf_lottery.experiments.jobs.control_checks import check_controls
from tf_lottery.experiments.jobs.study import (
    check_launcher,
    do_elsewhere,
    do_on_all_workers,
    do_one_by_one,
    do_side_by_side,
    refuse_diverged,
)
from tf_lottery.experiments.jobs.tasks import (
    Task,
    tasks_of_analysis,
    tasks_of_branches,
    tasks_of_experiments,
)
from tf_lottery.experiments.refusals.damage_checks import check_source
from tf_lottery.experiments.refusals.dense_identity import dense_source
from tf_lottery.experiments.refusals.flags_of_run import check_flags_of_run, check_flags_of_runs
from tf_lottery.experiments.refusals.late_flags import tell_of_useless_jobs
from tf_lottery.experiments.refusals.own_data import refuse_without_arrays
from tf_lottery.experiments.report_command import print_report_command
from tf_lottery.experiments.run_config import config_of_run
from tf_lottery.experiments.running.early_checks import check_early
from tf_lottery.experiments.several_workers import among_workers
from tf_lottery.messages import tell
from tf_lottery.startup import import_tensorflow_quietly
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.run_patterns import naturally_sorted
from tf_lottery.training.tf_config import is_chief, place_among_workers

# Why --jobs has no effect.
_NOTHING_LEFT = "nothing is left to train"
_ONE_ALONE = "there is one training alone"
_ALL_DEVICES = "each training takes all devices, one after the other"


def run_command(command: Command) -> int:
    """Does what a command says; TensorFlow is imported only where it is needed.

    Of several workers, the chief alone does what trains nothing; the others return at once.

    Returns:
      The exit code: 1 if a run that was listed, verified or reported is damaged, else 0.

    Raises:
      ValueError: if it is no command, or cannot be carried out, here or by another of several
        workers; says why.
      TrainingDivergedError: if one of several experiments has diverged, after the others.
      WorkerLostError: if another of several workers has ended.
    """
    if isinstance(command, TrainingCommand):
        check_launcher(command.launcher)
    return among_workers(command, partial(_choose_kernels, command), do_command)


def _choose_kernels(command: Command) -> None:
    if isinstance(command, RunExperiments):
        sources = filter(None, map(dense_source, command.configs))
        choose_kernels([*(config.run_path for config in command.configs), *sources])
    elif isinstance(command, RunBranches | Analyze | ExportTickets):
        choose_kernels(command.runs)


def do_command(command: Command) -> int:
    """Does a command as `run_command`, once it is settled which workers take part in it."""
    if isinstance(command, TrainingCommand):
        keep_compiled_programs()
    return int(bool(_carry_out(command)))


@singledispatch
def _carry_out(command: Command) -> bool | None:
    """Does what a command says, by its kind; returns whether something is found damaged."""
    raise refusal("command", command, "make one by tf_lottery.cli.commands.command_from_flags")


@_carry_out.register
def _list_runs(command: ListRuns) -> bool:
    from tf_lottery.report.listing import print_runs

    return print_runs(command.workdir)


@_carry_out.register
def _verify_runs(command: VerifyRuns) -> bool:
    from tf_lottery.report.verification import verify_runs

    check_flags_of_runs(runs_in(command.runs), command.expected)
    return verify_runs(command.workdir, command.runs)


@_carry_out.register
def _write_report(command: WriteReport) -> bool:
    from tf_lottery.report.report import compare_runs

    check_flags_of_runs(runs_in(command.runs), command.expected)
    report = compare_runs(
        command.runs, command.folder, matching_tolerance=command.matching_tolerance
    )
    for sentence in report.left_out:
        tell(f"Note: {sentence}")
    tell(f"Report: {report.page}")
    if report.damaged:
        tell("Left out of this report:")
        for problem in report.damaged:
            tell(f"  {problem}")
    return bool(report.damaged)


@_carry_out.register
def _run_experiments(command: RunExperiments) -> bool:
    for config in command.configs:
        refuse_early(config)
    check_controls(command)
    tasks = tasks_of_experiments(command)
    if command.launcher.is_local and len(tasks) == 1:
        is_left = not is_finished(command.configs[0], command.overwrite)
        tell_of_useless_jobs(command.jobs, _ONE_ALONE if is_left else _NOTHING_LEFT)
        _run_experiment(command)
        return command.report and _report_of(command)
    where = command.configs[0].run
    _check_elsewhere(command, where)
    unfinished = [one for one in command.configs if not is_finished(one, command.overwrite)]
    for config in unfinished:
        check_early(config, command.overwrite)
    if not command.launcher.is_local:
        _do_elsewhere(tasks, command, where, where.threads)
        return _report_of(command)
    # Replicates differ in nothing that can be wrong.
    seeds = {"replicate": 1, "init_seed": None, "data_seed": None}
    kinds = {replace(one, seeds=replace(one.seeds, **seeds)): None for one in unfinished}
    is_left = bool(unfinished) or not all(map(_is_finished_control, tasks[len(command.configs) :]))
    if command.jobs != 1 and is_left and not takes_all_devices(where):
        outcomes = do_side_by_side(tasks, do_command, command.jobs, where.threads, list(kinds))
    else:
        tell_of_useless_jobs(command.jobs, _ALL_DEVICES if is_left else _NOTHING_LEFT)
        outcomes = do_one_by_one(tasks, do_command, where.threads, list(kinds))
    damaged = _report_of(command)
    refuse_diverged(tasks, outcomes)
    return damaged


def _report_of(command: RunExperiments) -> bool:
    """Writes the report, or says how; returns whether something is damaged."""
    if not is_chief(command.configs[0].run):
        # The run folders are the chief's.
        return False
    folders = naturally_sorted({config.run_path.parent for config in command.configs})
    tolerance = command.matching_tolerance
    if command.report:
        report = WriteReport(tuple(folders), None, matching_tolerance=tolerance)
        return bool(_carry_out(report))
    print_report_command("a report", folders, tolerance)
    return False


def _do_elsewhere(
    tasks: Sequence[Task],
    command: TrainingCommand,
    where: RunConfig | None,
    threads: int | None,
) -> None:
    _check_elsewhere(command, where)
    do_elsewhere(tasks, command.launcher, command.jobs, do_command, is_done, threads)


def _check_elsewhere(command: TrainingCommand, where: RunConfig | None) -> None:
    is_local = command.launcher.is_local
    if not is_local and where is not None and (where.tpu or is_of_several_workers(where)):
        raise ValueError(
            f"--launcher={command.launcher.name} begins trainings of one process each, and not "
            "those of several workers (TF_CONFIG, --distribution=multi_worker) or a TPU; leave it "
            "out."
        )


def _is_finished_control(task: Task) -> bool:
    return isinstance(task.command, RunBranches) and is_done(task.command)


def _run_experiment(command: RunExperiments) -> None:
    (config,) = command.configs
    if is_finished(config, command.overwrite):
        show_finished(config, command.matching_tolerance)
        return
    check_early(config, command.overwrite)
    import_tensorflow_quietly()
    from tf_lottery.experiments.running.lottery import run_experiment

    run_experiment(
        config, matching_tolerance=command.matching_tolerance, overwrite=command.overwrite
    )


@_carry_out.register
def _run_branches(command: RunBranches) -> None:
    runs = run_folders(command)
    for run in runs:
        check_source(RunFolder.read(run), command.levels)
    wanted = [
        (run, branch, changes) for run in runs for branch, changes in _changes(run, command).items()
    ]
    plans = [plan_branch(run, branch, changes) for run, branch, changes in wanted]
    finished = [(plan, finished_levels(plan, command.levels)) for plan in plans]
    to_show = [(plan, levels) for plan, levels in finished if levels]
    if len(to_show) == len(plans):
        tell_of_useless_jobs(command.jobs, _NOTHING_LEFT)
        for plan, levels in to_show:
            show_finished_branch(
                plan,
                levels,
                command.matching_tolerance,
                command.changes,
                for_analysis=command.for_analysis,
            )
        return
    for plan in plans:
        refuse_without_arrays(
            plan.run.path,
            f'tf_lottery.run_branch("{plan.run.path}", "{plan.branch}", dataset=data)',
        )
    where = plans[0].config.run
    check_loggers(where.log_to)
    if not command.launcher.is_local:
        tasks = tasks_of_branches(command, runs)
        _do_elsewhere(tasks, command, where, command.changes.get("threads"))
        return
    if len(wanted) == 1 or takes_all_devices(where):
        tell_of_useless_jobs(command.jobs, _ONE_ALONE if len(wanted) == 1 else _ALL_DEVICES)
    elif command.jobs != 1:
        tasks = tasks_of_branches(command, runs)
        refuse_diverged(tasks, do_side_by_side(tasks, do_command, command.jobs, where.threads))
        return
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


@_carry_out.register
def _analyze(command: Analyze) -> None:
    folders = run_folders(command)
    for folder in folders:
        run = RunFolder.read(folder)
        check_flags_of_run(run, command.expected)
        check_source(run, command.levels)
    from tf_lottery.experiments.measuring.rows import (
        is_measured,
        needs_data,
        trainings_of_analysis,
    )

    is_local = command.launcher.is_local
    is_left = not all(is_measured(command, folder) for folder in folders)
    for folder in folders:
        if needs_data(command, folder):
            refuse_without_arrays(
                folder,
                f'tf_lottery.experiments.measuring.rows.run_analysis("{folder}", '
                f'"{command.analysis}", dataset=data)',
            )
    if "log_to" in command.here:
        logged, runs = command.here["log_to"], [RunFolder.read(folder) for folder in folders]
        # The flag file of a run has it too.
        is_new = any(config_of_run(run, {}).run.log_to != logged for run in runs)
        if is_new and not any(trainings_of_analysis(command, folder) for folder in folders):
            tell(
                f"Note: --log_to={logged} has no effect: --experiment={command.analysis} trains "
                "nothing here, and only trainings are logged."
            )
    if place_among_workers(RunConfig()) is not None:
        # Otherwise the chief would be alone by now.
        _check_elsewhere(command, RunConfig())
        tasks = tasks_of_analysis(command, folders, partial(trainings_of_analysis, command))
        trainings = [
            replace(task, helps=False) for task in tasks if isinstance(task.command, RunBranches)
        ]
        do_on_all_workers(trainings, do_command, partial(_measure, command, folders))
        return
    if command.jobs != 1 or (is_left and not is_local):
        tasks = (
            tasks_of_analysis(command, folders, partial(trainings_of_analysis, command))
            if is_left
            else []
        )
        if tasks and not is_local:
            _do_elsewhere(tasks, command, None, command.here.get("threads"))
            _print_report_of_analysis(command, folders)
            return
        if len(tasks) > 1:
            outcomes = do_side_by_side(tasks, do_command, command.jobs)
            _print_report_of_analysis(command, folders)
            refuse_diverged(tasks, outcomes)
            return
        tell_of_useless_jobs(
            command.jobs,
            "there is one thing alone to measure" if is_left else "all is measured already",
        )
    _measure(command, folders)


def _measure(command: Analyze, folders: Sequence[Path]) -> None:
    from tf_lottery.experiments.measuring.rows import run_analysis

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
    _print_report_of_analysis(command, folders)


def _print_report_of_analysis(command: Analyze, folders: Sequence[Path]) -> None:
    tolerance = command.options.get("matching_tolerance", DEFAULT_POINTS)
    if len(folders) > 1 and ANALYSES.find(command.analysis).figures(tolerance):
        print_report_command("the figures of all", command.runs, tolerance)


@_carry_out.register
def _export(command: ExportTickets) -> None:
    runs = run_folders(command)
    for folder in runs:
        run = RunFolder.read(folder)
        refuse_without_arrays(
            folder,
            f'tf_lottery.export("{folder}", "FOLDER", test_data=(x_test, y_test))',
            "where x_test has the shape [examples, height, width, channels]",
        )
        check_flags_of_run(run, command.expected)
        check_source(
            run, (0, *run.complete_levels()[-1:]) if command.level is None else (0, command.level)
        )
    import_tensorflow_quietly()
    from tf_lottery.experiments.ticket_export import export_tickets

    export_tickets(
        runs, command.level, command.folder, command.options, command.here, command.expected
    )
