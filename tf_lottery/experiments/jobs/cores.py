"""How many things are done at once, and with how many threads each."""

from collections.abc import Sequence
from pathlib import Path

import joblib

from tf_lottery.experiments.jobs.units import Unit
from tf_lottery.experiments.threads_of_runs import recorded_threads
from tf_lottery.messages import tell
from tf_lottery.store.machine import available_memory, bytes_text

# Of a process that has imported TensorFlow.
_BYTES_OF_TENSORFLOW = 600 * 2**20
_GPUS = Path("/proc/driver/nvidia/gpus")


def gpus() -> int:
    """The number of GPUs of this machine, without TensorFlow."""
    return len(list(_GPUS.iterdir())) if _GPUS.is_dir() else 0


def shared_threads(units: Sequence[Unit]) -> int:
    """Threads of each unit: the cores, shared by as many as could be done at once.

    They are the same whatever --jobs is, since the last bits of sums may depend on them.
    """
    cores, at_once = joblib.cpu_count(), sum(not unit.after for unit in units)
    return max(1, cores // max(1, at_once))


def threads_of(unit: Unit, given: int | None, shared: int) -> int:
    """Threads of a unit: those that were asked for, or that its run was begun with, or its share.

    Args:
      unit: the unit.
      given: by --threads.
      shared: its share of the cores.
    """
    return given or recorded_threads(unit.run) or shared


def jobs_at_once(jobs: int | None, units: Sequence[Unit], threads: int) -> int:
    """How many units are done at once.

    Args:
      jobs: asked for; None: one for each GPU, or else as many as the cores are enough for.
      units: what is to be done.
      threads: of each.
    """
    if jobs is None:
        jobs = gpus() or max(1, joblib.cpu_count() // threads)
    return max(1, min(jobs, len(units)))


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
