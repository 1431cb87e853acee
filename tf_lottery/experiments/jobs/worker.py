"""What a worker process does: one task after the other, told by the process that started it."""

import io
import os
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing import parent_process
from multiprocessing.connection import wait
from multiprocessing.queues import SimpleQueue
from types import FrameType
from typing import Any

from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.data.shared_sets import SharedSets, share_with
from tf_lottery.experiments.commands import Command
from tf_lottery.experiments.jobs.mailbox import Address, Sender
from tf_lottery.experiments.jobs.outcome import TOLD, Outcome, portable
from tf_lottery.interrupts import (
    errors_of_interrupts,
    is_interrupted,
    note_interrupt,
    raise_if_interrupted,
)
from tf_lottery.registry import import_plugin
from tf_lottery.report.progress.watching import Watcher, watched_by
from tf_lottery.startup import import_tensorflow_quietly

# Has a worker stop what it does, as Ctrl-C does. SIGTERM ends it at once, where there is no other.
STOP = getattr(signal, "SIGUSR1", signal.SIGTERM)

# To the process that started this one.
_sender: Sender | None = None
# Whether a task is being done.
_working = False


class Reporting:
    """Tells the process that started this one what a task has to say meanwhile."""

    def __init__(self, place: int, interactive: bool):
        """Tells which process does the task.

        Args:
          place: of the task.
          interactive: whether what it says is seen on a terminal.
        """
        self._place, self.interactive = place, interactive
        self._tell("begun", os.getpid())

    def line(self, text: str) -> None:
        """Says something that stays."""
        self._tell("line", text)

    def live(self, text: str, seconds_left: float | None) -> None:
        """Says where the task stands."""
        raise_if_interrupted()
        self._tell("live", (text, seconds_left))

    def _tell(self, kind: str, value: Any) -> None:
        if _sender is not None:
            _sender.send((kind, self._place, value))


def start_worker(
    mailbox: Address,
    plugins: Sequence[str],
    devices: SimpleQueue | None,
    threads: int,
    sets: SharedSets,
) -> None:
    """Prepares this process, before its first task.

    Args:
      mailbox: address of the one that takes what tasks have to say: kind, place of the task, value.
      plugins: modules to import.
      devices: queue of the numbers of GPUs, of which this process takes one; None without GPUs.
      threads: that TensorFlow computes an operation with.
      sets: data that are shared with other processes.
    """
    global _sender
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _sender = Sender(mailbox)
    except OSError:
        os._exit(1)  # The one that started this one is gone.
    share_with(sets)
    # Ctrl-C reaches all processes of a terminal; what to do about it is told by the first.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(STOP, _stop)
    if devices is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(devices.get())
    import_tensorflow_quietly()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    for name in plugins:
        import_plugin(name)


def answer(number: int, do: Callable[..., Outcome], *arguments: Any) -> None:
    """Does something, and tells what came of it, after all that was said meanwhile.

    A returned outcome would go through a pipe of all processes. If this process were killed in the
    middle of a long outcome, the reader of the pipe would wait for the rest for ever.

    Args:
      number: of the call, to be told with the outcome.
      do: what to do.
      *arguments: of it.
    """
    outcome = do(*arguments)
    if _sender is not None:
        _sender.send(("answer", number, outcome))


def do_task(
    do: Callable[[Command], int], place: int, command: Command, interactive: bool
) -> Outcome:
    """Does a task; everything that is told goes to the process that started this one.

    Args:
      do: does a command.
      place: of the task.
      command: what to do.
      interactive: whether it is seen on a terminal.
    """
    reporting = Reporting(place, interactive)
    if is_interrupted():
        return Outcome(interrupted=True)
    return _done(reporting, lambda: do(command))


def check_task(config: ExperimentConfig | None = None) -> Outcome:
    """Does what comes before training; the result is the memory that training takes, in bytes."""
    from tf_lottery.experiments.running.lottery import check_experiment

    return _done(None, lambda: None if config is None else check_experiment(config))


def _done(watcher: Watcher | None, do: Callable[[], Any]) -> Outcome:
    global _working
    said, error, interrupted, result = io.StringIO(), None, False, None
    with redirect_stdout(said), redirect_stderr(said):
        try:
            with watched_by(watcher), errors_of_interrupts():
                _working = True
                try:
                    result = do()
                finally:
                    _working = False
        except KeyboardInterrupt:
            interrupted = True
        except TOLD as found:
            error = portable(found)
    return Outcome(error, interrupted, said.getvalue(), result)


def _stop(number: int, frame: FrameType | None) -> None:
    note_interrupt()
    if _working:
        raise KeyboardInterrupt


def _end_with_parent() -> None:
    """Ends this process when the one that started it is killed: nothing would use its results."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
