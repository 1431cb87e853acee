"""Where the tasks of a command are done, and why --jobs may have no effect there."""

from collections.abc import Callable, Sequence

from tf_lottery.config.run import RunConfig
from tf_lottery.experiments.commands import Command, TrainingCommand
from tf_lottery.experiments.done import is_done
from tf_lottery.experiments.finished.runs import is_of_several_workers
from tf_lottery.experiments.jobs.study import do_elsewhere
from tf_lottery.experiments.jobs.tasks import Task

Do = Callable[[Command], int]

NOTHING_LEFT = "nothing is left to train"
ONE_ALONE = "there is one training alone"
ALL_DEVICES = "each training takes all devices, one after the other"


def check_launcher_fits(command: TrainingCommand, where: RunConfig) -> None:
    """Checks that what begins a command's trainings can begin them where they run.

    Raises:
      ValueError: if they take several workers or a TPU, and a cluster's jobs are to begin them.
    """
    if not command.launcher.is_local and (where.tpu or is_of_several_workers(where)):
        raise ValueError(
            f"--launcher={command.launcher.name} begins trainings of one process each, and not "
            "those of several workers (TF_CONFIG, --distribution=multi_worker) or a TPU; leave it "
            "out."
        )


def do_by_launcher(
    tasks: Sequence[Task], command: TrainingCommand, do: Do, threads: int | None
) -> None:
    """Does tasks of a command by a cluster's jobs; arguments and errors as of `do_elsewhere`."""
    do_elsewhere(tasks, command.launcher, command.jobs, do, is_done, threads)
