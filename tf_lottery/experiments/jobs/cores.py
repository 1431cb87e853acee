"""How many things are done at once, and with how many threads each."""

from collections.abc import Sequence
from pathlib import Path

from tf_lottery.experiments.commands import RunExperiments
from tf_lottery.experiments.jobs.tasks import Task
from tf_lottery.experiments.threads_of_runs import recorded_threads, threads_of_dense_network
from tf_lottery.messages import tell
from tf_lottery.store.machine import available_memory, bytes_text

# Of a process that has imported TensorFlow.
_BYTES_OF_TENSORFLOW = 600 * 2**20
_GPUS = Path("/proc/driver/nvidia/gpus")


def gpus() -> int:
    """The number of GPUs of this machine, without TensorFlow."""
    return len(list(_GPUS.iterdir())) if _GPUS.is_dir() else 0


def _cores() -> int:
    import joblib  # Slow to import, for those that do one thing alone.

    return joblib.cpu_count()


def shared_threads(tasks: Sequence[Task]) -> int:
    """Threads of each task: the cores, shared by as many as could be done at once.

    The number is the same whatever --jobs is, since the last bits of sums may depend on it.
    """
    cores, at_once = _cores(), sum(not task.after for task in tasks)
    return max(1, cores // max(1, at_once))


def threads_of(task: Task, given: int | None, shared: int) -> int:
    """Threads of a task: those that were asked for, or that its run was begun with, or its share.

    A run that is yet to begin computes with the threads of the run whose dense network it takes.

    Args:
      task: the task.
      given: by --threads.
      shared: its share of the cores.
    """
    begun_with, command = recorded_threads(task.run), task.command
    if begun_with is None and isinstance(command, RunExperiments):
        begun_with = threads_of_dense_network(command.configs[0])
    return given or begun_with or shared


def jobs_at_once(jobs: int | None, tasks: Sequence[Task], threads: int) -> int:
    """How many tasks are done at once.

    Args:
      jobs: how many were asked for; None: one for each GPU, or without GPUs as many as the cores
        are enough for. With GPUs, there are never more tasks at once than GPUs.
      tasks: what is to be done.
      threads: of each.
    """
    devices = gpus()
    if jobs is None:
        jobs = devices or max(1, _cores() // threads)
    elif 0 < devices < jobs:
        tell(f"Note: {devices} instead of {jobs} at a time: each has a GPU.")
        jobs = devices
    return max(1, min(jobs, len(tasks)))


def why_not_a_core_each(jobs: int, tasks: int, threads: int) -> str:
    """Says why fewer tasks are done at once than there are cores for one thread of each.

    Args:
      jobs: how many are done at once, as `jobs_at_once` chose without being asked for a number.
      tasks: how many are to be done.
      threads: of each.

    Returns:
      The end of a sentence; "" if there is nothing to explain.
    """
    cores = _cores()
    if gpus() or jobs >= min(cores, tasks):
        return ""
    return f": each computes with {threads} threads, and there are {cores} cores"


def fitting_memory(jobs: int, needed: int) -> int:
    """As many of some jobs as the memory is enough for, at least one; says so if it is fewer.

    Args:
      jobs: the number wanted.
      needed: bytes that one takes besides TensorFlow.
    """
    free = available_memory()
    fitting = max(1, min(jobs, free // (needed + _BYTES_OF_TENSORFLOW)))
    if fitting < jobs:
        tell(
            f"Note: {fitting} instead of {jobs} at a time: each takes about "
            f"{bytes_text(needed + _BYTES_OF_TENSORFLOW)} of memory, and {bytes_text(free)} are "
            "free."
        )
    return fitting
