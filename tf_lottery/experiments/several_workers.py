"""Who carries out a command, of several workers: all of them, or the chief alone.

The chief decides, since it has the run folders, and says so before TensorFlow is imported.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from tf_lottery.config.arguments import expanded
from tf_lottery.config.run import RunConfig
from tf_lottery.experiments.branch_config import plan_branch
from tf_lottery.experiments.chosen_runs import run_folders
from tf_lottery.experiments.commands import (
    Command,
    RunBranches,
    RunExperiments,
    TrainingCommand,
)
from tf_lottery.experiments.cpu_kernels import choose_kernels, onednn_is_chosen
from tf_lottery.experiments.finished.runs import refuse_early
from tf_lottery.experiments.jobs.control_checks import check_controls
from tf_lottery.experiments.jobs.cores import shared_threads, threads_of
from tf_lottery.experiments.jobs.tasks import tasks_of_experiments
from tf_lottery.experiments.run_config import config_of_run
from tf_lottery.experiments.running.early_checks import check_early
from tf_lottery.experiments.threads_of_runs import with_threads
from tf_lottery.messages import tell
from tf_lottery.store.atomic import temporary_sibling
from tf_lottery.store.errors import as_storage_error
from tf_lottery.store.machine import cores
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.training.meeting import meet
from tf_lottery.training.tf_config import Place, place_among_workers, without_workers

_DEVICES = {"distribution", "num_virtual_devices", "tpu"}


def among_workers(
    command: Command, choose_own_kernels: Callable[[], None], do: Callable[[Command], int]
) -> int:
    """Agrees with the other workers, if there are some, on who carries out a command, and does it.

    Args:
      command: what all of them were given.
      choose_own_kernels: chooses those that its run folders ask for, where they are.
      do: carries out a command and returns the exit code. Where the chief does it alone, it is
        called as if there were no others.

    Returns:
      The exit code; 0 if the command is left to the chief.

    Raises:
      ValueError: if TF_CONFIG does not describe the workers, or one of them cannot take part.
    """
    place = place_among_workers(_where(command))
    if place is None:
        choose_own_kernels()
        return do(command)
    word: dict[str, Any] = {"together": False}
    if isinstance(command, TrainingCommand):
        word = _agreed(command, place, choose_own_kernels)
    if word["together"]:
        return do(command if place.is_chief else _as_the_chief(command, word))
    if place.is_chief:
        choose_own_kernels()
        with without_workers():
            return do(command)
    tell(f"Of the {len(place.addresses)} workers, the chief alone does this.")
    return 0


def _where(command: Command) -> RunConfig:
    """Where a command runs, as far as it was given with it."""
    if isinstance(command, RunExperiments):
        return command.configs[0].run
    return RunConfig(**_devices(command)) if isinstance(command, RunBranches) else RunConfig()


def _devices(command: RunBranches) -> dict[str, Any]:
    """The flags of devices that were given with a command."""
    return {name: command.changes[name] for name in _DEVICES & command.changes.keys()}


def _as_the_chief(command: Command, word: dict[str, Any]) -> Command:
    """The command with as many threads as the chief's, and with its kernels."""
    if word["onednn"]:
        choose_kernels(())
    return with_threads(command, word["threads"]) if word["threads"] else command


def _agreed(
    command: TrainingCommand, place: Place, choose_own_kernels: Callable[[], None]
) -> dict[str, Any]:
    with ExitStack() as stack:

        def word() -> dict[str, Any]:
            _refuse(command)
            choose_own_kernels()
            together = _is_of_all(command)
            shared = _shared_folders(command) if together else []
            return {
                "together": together,
                "threads": _threads(command),
                "onednn": onednn_is_chosen(),
                "marks": [stack.enter_context(_mark(folder)) for folder in shared],
            }

        def answer(said: dict[str, Any]) -> None:
            _refuse(command)
            _check_shared(command, said["marks"])

        return meet(place, word, answer)


def _refuse(command: TrainingCommand) -> None:
    """Refuses what can be refused on this machine before TensorFlow is imported."""
    if isinstance(command, RunExperiments):
        check_controls(command)
        for config in command.configs:
            refuse_early(config)
            check_early(config, command.overwrite)


def _is_of_all(command: TrainingCommand) -> bool:
    """Whether all workers train; as the chief sees it, who has the run folders."""
    if isinstance(command, RunExperiments):
        return True
    if isinstance(command, RunBranches):
        run = RunFolder.read(run_folders(command)[0])
        return place_among_workers(config_of_run(run, _devices(command)).run) is not None
    # It imports what analyses need.
    from tf_lottery.experiments.measuring.analysis import trainings_of_analysis

    for folder in run_folders(command):
        for training in trainings_of_analysis(command, folder):
            plan = plan_branch(folder, training.branches[0], training.changes)
            return place_among_workers(plan.config.run) is not None
    return False


def _threads(command: TrainingCommand) -> int | None:
    """Threads that the chief computes with; None where all workers read that in the run folder."""
    if not isinstance(command, RunExperiments):
        return None
    tasks = tasks_of_experiments(command)
    share = shared_threads(tasks) if len(tasks) > 1 else cores()
    return threads_of(tasks[0], command.configs[0].run.threads, share)


def _shared_folders(command: TrainingCommand) -> list[Path]:
    """Folders that all workers read."""
    if not isinstance(command, RunExperiments):
        return list(command.runs)
    workdir = command.configs[0].run.workdir
    return [expanded("--workdir", workdir)] if command.controls else []


@contextmanager
def _mark(folder: Path) -> Iterator[tuple[int, str]]:
    """Writes a file into a folder, or where it is to be made, for others to look for.

    Yields:
      How many folders above it is written, and its name.
    """
    above = [folder.absolute(), *folder.absolute().parents]
    place = next(place for place in above if place.is_dir())
    path = temporary_sibling(place / "shared")
    with as_storage_error(folder):
        path.touch()
    try:
        yield above.index(place), path.name
    finally:
        with suppress(OSError):
            path.unlink()


def _check_shared(command: TrainingCommand, marks: Sequence[tuple[int, str]]) -> None:
    for folder, (number, name) in zip(_shared_folders(command), marks, strict=False):
        place = [folder.absolute(), *folder.absolute().parents][number]
        if (place / name).exists():
            continue
        if isinstance(command, RunExperiments):
            raise ValueError(
                f"--controls={','.join(command.controls)}: every worker reads the runs that they "
                f"start from, and this one does not see what the chief writes to "
                f"--workdir={folder}; give a --workdir in a file system that all workers share, "
                "or leave --controls out."
            )
        raise ValueError(
            f"--run={folder}: every worker reads the run that is gone on from, and this one does "
            "not see what the chief writes there; the run has to lie in a file system that all "
            "workers share."
        )
