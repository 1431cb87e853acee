"""Does a study: tasks side by side, or one after the other, with the same results."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.config.launching import Launcher
from tf_lottery.config.run import RunConfig
from tf_lottery.experiments.commands import Command
from tf_lottery.experiments.jobs.cores import (
    fitting_memory,
    gpus,
    jobs_at_once,
    shared_threads,
    threads_of,
    why_not_a_core_each,
)
from tf_lottery.experiments.jobs.dask_queue import DaskQueue
from tf_lottery.experiments.jobs.outcome import ALONE, Outcome, TaskFailedError
from tf_lottery.experiments.jobs.processes import Processes
from tf_lottery.experiments.jobs.remote import Remote
from tf_lottery.experiments.jobs.scheduler import Scheduler
from tf_lottery.experiments.jobs.slurm_queue import SlurmQueue
from tf_lottery.experiments.jobs.tasks import Task
from tf_lottery.experiments.jobs.worker import check_task
from tf_lottery.messages import tell
from tf_lottery.registry import imported_plugins
from tf_lottery.report.progress.side_by_side import SideBySideProgress
from tf_lottery.startup import import_tensorflow_quietly
from tf_lottery.training.tf_config import without_workers


def do_side_by_side(
    tasks: Sequence[Task],
    do: Callable[[Command], int],
    jobs: int | None,
    threads: int | None = None,
    checked: Sequence[ExperimentConfig] = (),
) -> list[Outcome | None]:
    """Does tasks in processes of their own.

    Args:
      tasks: in the order in which they are to begin.
      do: does a command; a function of a module.
      jobs: how many at once; None: as many as this machine is good for.
      threads: of each; None: as their runs were begun, or a share of the cores.
      checked: experiments that are checked before any task begins.

    Returns:
      How each has ended; None if it could not begin, as one that it needs has failed.

    Raises:
      Exception: the first that is not a divergence, once all that had begun have ended.
      KeyboardInterrupt: on Ctrl-C, once all have stopped.
    """
    shared = shared_threads(tasks)
    own = [threads_of(task, threads, shared) for task in tasks]
    count = jobs_at_once(jobs, tasks, max(own))
    with Processes(do, count, imported_plugins(), gpus()) as processes:
        futures = [processes.call(own[0], check_task, config) for config in checked]
        # The others import TensorFlow and read the data meanwhile.
        for _ in range(len(futures), count):
            processes.call(own[0], check_task, *checked[:1])
        needed = 0
        for future in futures:
            outcome = future.result()
            if outcome.text:
                tell(outcome.text.rstrip("\n"))
            if outcome.error:
                raise outcome.error
            needed = max(needed, outcome.result)
        processes.count = fitting_memory(count, needed)
        # Of too little memory is told already.
        chosen = jobs is None and processes.count == count
        reason = why_not_a_core_each(count, len(tasks), max(own)) if chosen else ""
        tell(f"{len(tasks)} to do, {processes.count} at a time{reason}")
        with SideBySideProgress([task.title for task in tasks]) as progress:
            outcomes = Scheduler(tasks, own, processes, progress).run()
    for outcome in outcomes:
        if outcome and outcome.error and not isinstance(outcome.error, ArithmeticError):
            raise outcome.error
    return outcomes


def do_one_by_one(
    tasks: Sequence[Task],
    do: Callable[[Command], int],
    threads: int | None = None,
    checked: Sequence[ExperimentConfig] = (),
) -> list[Outcome | None]:
    """Does tasks one after the other in this process; arguments and errors as `do_side_by_side`.

    Args:
      tasks: as of `do_side_by_side`.
      do: as of `do_side_by_side`.
      threads: as of `do_side_by_side`.
      checked: as of `do_side_by_side`.
    """
    if checked:
        import_tensorflow_quietly()
        from tf_lottery.experiments.running.lottery import check_experiment
        from tf_lottery.training.threads import use_threads

        use_threads(threads_of(tasks[0], threads, shared_threads(tasks)))
        for config in checked:
            check_experiment(config)
    outcomes: list[Outcome | None] = []
    for number, task in enumerate(tasks, 1):
        tell(f"[{number} of {len(tasks)}] {task.folder}")
        try:
            outcomes.append(Outcome(result=do(task.command)))
        except ArithmeticError as error:
            tell(f"Error: {error}\n")
            outcomes.append(Outcome(error))
    return outcomes


def do_on_all_workers(
    tasks: Sequence[Task], do: Callable[[Command], int], on_chief: Callable[[], None]
) -> None:
    """Has several workers do tasks together, and then the chief alone what follows from them.

    Args:
      tasks: as of `do_side_by_side`.
      do: as of `do_side_by_side`.
      on_chief: is called on the chief, as if there were no others, while they wait.

    Raises:
      TrainingDivergedError: if a task has diverged, after the others.
      Exception: what `do` and `on_chief` raise.
    """
    refuse_diverged(tasks, do_one_by_one(tasks, do))
    import_tensorflow_quietly()
    from tf_lottery.training.strategy import open_strategy
    from tf_lottery.training.workers import Workers

    def alone() -> None:
        with without_workers():
            on_chief()

    workers = Workers(open_strategy(RunConfig()))
    with workers.together():
        workers.on_chief(alone)


def check_launcher(launcher: Launcher) -> None:
    """Checks that what begins trainings is there, before anything is done.

    Raises:
      ValueError: if it is not, or its options are not right; says what is.
    """
    if not launcher.is_local:
        _queue(launcher)


def _queue(launcher: Launcher) -> SlurmQueue | DaskQueue:
    # Each imports its package when it is made.
    return SlurmQueue(launcher) if launcher.name == "submitit" else DaskQueue(launcher)


def do_elsewhere(
    tasks: Sequence[Task],
    launcher: Launcher,
    jobs: int | None,
    do: Callable[[Command], int],
    is_done: Callable[[Command], bool],
    threads: int | None = None,
) -> None:
    """Does tasks by a cluster's jobs; shows here what is done already.

    Args:
      tasks: as of `do_side_by_side`.
      launcher: takes the jobs.
      jobs: how many at once; None: all that may begin, or as many as there are workers.
      do: does a command here.
      is_done: whether nothing is left of a command but to show its results.
      threads: as of `do_side_by_side`.

    Raises:
      TaskFailedError: if some have failed or diverged, once all others are done; names them.
      ValueError: if something is wrong with the launcher.
      KeyboardInterrupt: on Ctrl-C, once all have stopped.
    """
    left: list[int] = []
    for place, task in enumerate(tasks):
        if not set(task.after) & set(left) and is_done(task.command):
            tell(f"[{place + 1} of {len(tasks)}] {task.folder}")
            do(task.command)
        else:
            left.append(place)
    if not left:
        return
    shared = shared_threads(tasks)
    own = [threads_of(tasks[place], threads, shared) for place in left]
    rest = [
        replace(task, after=tuple(left.index(one) for one in task.after if one in left))
        for task in (tasks[place] for place in left)
    ]
    _tell_of_too_many_threads(launcher, max(own))
    queue = _queue(launcher).open(rest[0].run.parent)
    with Remote(queue, jobs) as engine:
        most = "" if jobs is None else f", {min(jobs, len(rest))} at a time"
        tell(f"{len(rest)} to do by {launcher.name}{most}")
        with SideBySideProgress([task.title for task in rest]) as progress:
            outcomes = Scheduler(rest, own, engine, progress).run()
    _refuse_failed(rest, outcomes)


def _tell_of_too_many_threads(launcher: Launcher, threads: int) -> None:
    cores = launcher.options.get("cpus_per_task")
    if isinstance(cores, int) and threads > cores:
        tell(
            f"Note: each computes with {threads} threads, as it would on this machine, and has "
            f"{cores} cores; --threads={cores} begins new runs with as many."
        )


def _refuse_failed(tasks: Sequence[Task], outcomes: Sequence[Outcome | None]) -> None:
    for outcome in outcomes:
        if outcome and outcome.error and not isinstance(outcome.error, ALONE):
            raise outcome.error
    left = [task.title for task, outcome in zip(tasks, outcomes, strict=True) if outcome is None]
    if left:
        tell(f"Not begun, as what they need has failed: {', '.join(left)}")
    failed = [
        task.title
        for task, outcome in zip(tasks, outcomes, strict=True)
        if outcome and outcome.error and not task.is_made_up_for(outcome)
    ]
    if failed:
        raise TaskFailedError(
            f"{', '.join(failed)} failed; see above. What is finished is kept, and the same "
            "command continues."
        )


def refuse_diverged(tasks: Sequence[Task], outcomes: Sequence[Outcome | None]) -> None:
    """Raises an error if tasks have diverged, once all others are done.

    Raises:
      TrainingDivergedError: if some have; names their folders.
    """
    left = [task.title for task, outcome in zip(tasks, outcomes, strict=True) if outcome is None]
    if left:
        tell(f"Not begun, as what they need has failed: {', '.join(left)}")
    diverged = [
        str(task.folder)
        for task, outcome in zip(tasks, outcomes, strict=True)
        if outcome and outcome.error and not task.helps
    ]
    if diverged:
        import_tensorflow_quietly()
        from tf_lottery.training.divergence import TrainingDivergedError

        raise TrainingDivergedError(f"{', '.join(diverged)} diverged; see above.")
