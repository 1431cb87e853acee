"""Does what a command says."""

from functools import partial

from tf_lottery.config.arguments import refusal
from tf_lottery.experiments.carry_out.analyses import analyze
from tf_lottery.experiments.carry_out.branches import run_branches
from tf_lottery.experiments.carry_out.experiments import run_experiments
from tf_lottery.experiments.carry_out.exports import export_runs
from tf_lottery.experiments.carry_out.reports import write_report
from tf_lottery.experiments.chosen_runs import runs_in
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
from tf_lottery.experiments.jobs.study import check_launcher
from tf_lottery.experiments.refusals.dense_identity import dense_source
from tf_lottery.experiments.refusals.flags_of_run import check_flags_of_runs
from tf_lottery.experiments.several_workers import among_workers


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


def _carry_out(command: Command) -> bool | None:
    """Does what a command says, by its kind; returns whether something is found damaged."""
    match command:
        case RunExperiments():
            return run_experiments(command, do_command)
        case RunBranches():
            return run_branches(command, do_command)
        case Analyze():
            return analyze(command, do_command)
        case ExportTickets():
            return export_runs(command)
        case WriteReport():
            return write_report(command)
        case VerifyRuns():
            return _verify_runs(command)
        case ListRuns():
            return _list_runs(command)
    raise refusal("command", command, "make one by tf_lottery.cli.commands.command_from_flags")


def _list_runs(command: ListRuns) -> bool:
    from tf_lottery.report.listing import print_runs

    return print_runs(command.workdir)


def _verify_runs(command: VerifyRuns) -> bool:
    from tf_lottery.report.verification import verify_runs

    check_flags_of_runs(runs_in(command.runs), command.expected)
    return verify_runs(command.workdir, command.runs)
