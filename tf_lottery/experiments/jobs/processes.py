"""Worker processes of this machine, which do tasks one after the other."""

from __future__ import annotations

import _thread
import itertools
import multiprocessing
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from threading import Lock
from typing import Any

from tf_lottery.data.shared_sets import SharedSets
from tf_lottery.experiments.commands import Command
from tf_lottery.experiments.jobs.mailbox import Mailbox
from tf_lottery.experiments.jobs.outcome import Outcome
from tf_lottery.experiments.jobs.tasks import Task
from tf_lottery.experiments.jobs.worker import STOP, answer, do_task, start_worker
from tf_lottery.report.progress.side_by_side import SideBySideProgress

# Processes that have trained so often are replaced: TensorFlow does not give all memory back. An
# executor's max_tasks_per_child does not always replace them, and then waits for ever
# (python/cpython#115634).
_TASKS_PER_WORKER = 50


class Processes:
    """Worker processes, each for one number of threads; a process begins when it is needed."""

    def __init__(
        self, do: Callable[[Command], int], count: int, plugins: Sequence[str], devices: int
    ):
        """Starts none yet.

        Args:
          do: does a command; a function of a module, which each process imports.
          count: how many tasks are done at once, at most.
          plugins: modules to import in each.
          devices: GPUs, each of which one process has for itself; 0: without GPUs.
        """
        _start_quiet_tracker()
        self._do, self.count, self._plugins = do, count, tuple(plugins)
        self._workers = count
        self._context = multiprocessing.get_context("spawn")
        self._mailbox = Mailbox(self._hear, self._look_for_dead)
        self._sets = SharedSets()
        self._devices: Any = self._context.SimpleQueue() if devices else None
        for number in range(devices):
            self._devices.put(number)
        self._executors: dict[int, ProcessPoolExecutor] = {}
        self._calls: dict[int, int] = defaultdict(int)
        self._numbers = itertools.count()
        self._unanswered: dict[int, Future[Outcome]] = {}
        self._unreturned: dict[int, Future[None]] = {}
        self._stopping, self._ending, self._looking = False, False, Lock()
        self._progress: SideBySideProgress | None = None
        self._process_of: dict[int, int] = {}

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        # A process that is started after the others are terminated would be waited for, for ever.
        with self._looking:
            self._ending = True
        if error is not None:
            # Tasks have stopped by now, and nobody waits for checks any more.
            for child in multiprocessing.active_children():
                child.terminate()
        for executor in self._executors.values():
            executor.shutdown(cancel_futures=True)
        self._mailbox.close()
        self._sets.close()
        if isinstance(error, BrokenProcessPool):
            raise ConnectionError(
                "one of the processes that train side by side was ended from outside, as the "
                "system does when the memory is full. Finished levels are kept, and the same "
                "command continues; --jobs=1 takes the least memory."
            ) from error

    def begin(
        self, place: int, task: Task, threads: int, progress: SideBySideProgress
    ) -> Future[Outcome]:
        """As of `Engine`."""
        self._progress = progress
        return self.call(threads, do_task, self._do, place, task.command, progress.interactive)

    def stop(self, running: Mapping[Future[Outcome], int]) -> None:
        """As of `Engine`."""
        # Who begins yet is told then.
        self._stopping = True
        for returned in list(self._unreturned.values()):
            returned.cancel()
        for place in running.values():
            if place in self._process_of:
                with suppress(ProcessLookupError):
                    os.kill(self._process_of[place], STOP)

    def call(self, threads: int, do: Callable[..., Outcome], *arguments: Any) -> Future[Outcome]:
        """Has a process do something with a number of threads."""
        # Who has a GPU keeps it, whatever the number of threads.
        kind = threads if self._devices is None else 0
        if self._devices is None and self._calls[kind] >= _TASKS_PER_WORKER * self._workers:
            self._executors.pop(kind).shutdown(wait=False)
            self._calls[kind] = 0
        self._calls[kind] += 1
        if kind not in self._executors:
            self._executors[kind] = ProcessPoolExecutor(
                self._workers,
                self._context,
                start_worker,
                (self._mailbox.address, self._plugins, self._devices, threads, self._sets),
            )
        number, future = next(self._numbers), Future()
        self._unanswered[number] = future
        with _ctrl_c_kept_from_children():
            returned = self._executors[kind].submit(answer, number, do, *arguments)
        self._unreturned[number] = returned
        returned.add_done_callback(lambda returned: self._end(number, returned))
        return future

    def _end(self, number: int, returned: Future[None]) -> None:
        """Ends a call that failed or was cancelled; other calls end with their answers, by mail."""
        self._unreturned.pop(number, None)
        if not returned.cancelled() and returned.exception() is None:
            return
        future = self._unanswered.pop(number, None)
        if future is None:
            return
        if returned.cancelled():
            future.cancel()
        else:
            future.set_exception(returned.exception())

    def _look_for_dead(self) -> None:
        """Has executors look at their processes.

        An executor that is left alone may miss the end of the process that it started last, since
        it waits for the processes that it had before.
        """
        for executor in list(self._executors.values()):
            # Some have ended meanwhile, or know already.
            with self._looking, suppress(RuntimeError), _ctrl_c_kept_from_children():
                if not self._ending:
                    executor.submit(_nothing)

    def _hear(self, message: tuple[str, int, Any]) -> None:
        """Takes what a process tells: of a task, by its place, or of a call, by its number."""
        kind, number, value = message
        if kind == "answer":
            future = self._unanswered.pop(number, None)
            if future is not None:
                future.set_result(value)
        elif kind == "begun":
            self._process_of[number] = value
            if self._stopping:
                with suppress(ProcessLookupError):
                    os.kill(value, STOP)
        elif self._progress is not None:
            try:
                self._show(self._progress, kind, number, value)
            except (BrokenPipeError, SystemExit):
                # Who reads the output, such as `head`, has seen enough: as if by Ctrl-C.
                _thread.interrupt_main()

    def _show(self, progress: SideBySideProgress, kind: str, place: int, value: Any) -> None:
        if kind == "line":
            progress.line(place, value)
        else:
            progress.live(place, *value)


def _nothing() -> None:
    pass


def _start_quiet_tracker() -> None:
    """Starts the process that cleans up after this one, if this one is killed.

    Python's own would warn of that on the terminal, as if it were a mistake of the user's.
    """
    if os.name != "posix":
        return
    before = list(sys.warnoptions)
    # It gets the options of this process.
    sys.warnoptions.append("ignore:resource_tracker:UserWarning")
    try:
        resource_tracker.ensure_running()
    finally:
        sys.warnoptions[:] = before


@contextmanager
def _ctrl_c_kept_from_children() -> Iterator[None]:
    """Keeps Ctrl-C from processes that are started within; this process answers afterwards."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
