"""Does units side by side: which may begin, what they say, and how all of it ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from typing import Any

from tf_lottery.experiments.jobs.outcome import Outcome
from tf_lottery.experiments.jobs.units import Unit
from tf_lottery.experiments.jobs.worker import STOP, do_unit, start_worker
from tf_lottery.report.side_by_side import SideBySideProgress

# How often is looked whether a level is finished that a unit waits for.
_SECONDS_BETWEEN_LOOKS = 1.0
_PATIENCE_SECONDS = 5.0
# A process that has trained so often is replaced: TensorFlow does not give all memory back.
_UNITS_PER_WORKER = 50


class Processes:
    """Worker processes, all computing with a number of threads; they begin when one is needed."""

    def __init__(self, count: int, plugins: Sequence[str], devices: int):
        """Starts none yet.

        Args:
          count: how many units are done at once, at most.
          plugins: modules to import in each.
          devices: GPUs, each of which one process has for itself; 0: without GPUs.
        """
        _start_quiet_tracker()
        self.count, self._plugins = count, tuple(plugins)
        self._context = multiprocessing.get_context("spawn")
        self.events: Any = self._context.SimpleQueue()
        self._devices: Any = self._context.SimpleQueue() if devices else None
        for number in range(devices):
            self._devices.put(number)
        self._executors: dict[int, ProcessPoolExecutor] = {}

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        for executor in self._executors.values():
            executor.shutdown(cancel_futures=True)
        self.events.put(None)
        if isinstance(error, BrokenProcessPool):
            raise ConnectionError(
                "one of the processes that train side by side was ended from outside, as the "
                "system does when the memory is full. Finished levels are kept, and the same "
                "command continues; --jobs=1 takes the least memory."
            ) from error

    def submit(self, threads: int, do: Callable[..., Outcome], *arguments: Any) -> Future[Outcome]:
        """Has a process do something with a number of threads."""
        executor = self._executors.get(threads)
        if executor is None:
            executor = self._executors[threads] = ProcessPoolExecutor(
                self.count,
                self._context,
                start_worker,
                (self.events, self._plugins, self._devices, threads),
                # Who has a GPU keeps it.
                max_tasks_per_child=None if self._devices else _UNITS_PER_WORKER,
            )
        with _ctrl_c_ignored():
            return executor.submit(do, *arguments)


def _start_quiet_tracker() -> None:
    """Starts the process that cleans up after this one, if this one is killed.

    Python's own would warn of that on the terminal, as if it were a mistake of the user's.
    """
    before = list(sys.warnoptions)
    # It gets the options of this process.
    sys.warnoptions.append("ignore:resource_tracker:UserWarning")
    try:
        resource_tracker.ensure_running()
    finally:
        sys.warnoptions[:] = before


@contextmanager
def _ctrl_c_ignored() -> Iterator[None]:
    """Has processes that are started within begin without answering to Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Scheduler:
    """Begins units as soon as what they need is there, and shows what they say."""

    def __init__(
        self,
        units: Sequence[Unit],
        threads: Sequence[int],
        processes: Processes,
        progress: SideBySideProgress,
    ):
        """Begins nothing yet.

        Args:
          units: in the order in which they are to begin.
          threads: of each.
          processes: that do them.
          progress: shows them.
        """
        self._units, self._threads, self._processes = units, threads, processes
        self._progress = progress
        self._outcomes: list[Outcome | None] = [None] * len(units)
        self._running: dict[Future[Outcome], int] = {}
        self._process_of: dict[int, int] = {}
        self._told = [threading.Event() for _ in units]

    def run(self) -> list[Outcome | None]:
        """Does all units.

        An error that is not a divergence lets no further unit begin.

        Returns:
          The outcomes; of units that need one that has failed, or could not begin any more, None.

        Raises:
          KeyboardInterrupt: on Ctrl-C, once all units have stopped.
          BrokenProcessPool: if a process was killed.
        """
        teller = threading.Thread(target=self._tell, daemon=True)
        teller.start()
        try:
            while self._begin() or self._running:
                timeout = _SECONDS_BETWEEN_LOOKS if self._is_anything_left else None
                done, _ = wait(self._running, timeout, FIRST_COMPLETED)
                for future in done:
                    self._end(future)
        except KeyboardInterrupt:
            self._stop()
            raise
        return self._outcomes

    @property
    def _is_anything_left(self) -> bool:
        return len(self._running) + sum(o is not None for o in self._outcomes) < len(self._units)

    @property
    def _is_over(self) -> bool:
        errors = (outcome.error for outcome in self._outcomes if outcome)
        return any(error and not isinstance(error, ArithmeticError) for error in errors)

    def _begin(self) -> bool:
        """Begins what can begin; returns whether anything has."""
        begun = False
        busy = {self._units[place].folder for place in self._running.values()}
        for place, unit in enumerate(self._units):
            if len(self._running) >= self._processes.count or self._is_over:
                break
            if (
                place in self._running.values()
                or self._outcomes[place] is not None
                or unit.folder in busy
                or unit.cannot(self._outcomes, self._units)
                or not unit.may_begin(self._outcomes)
            ):
                continue
            self._progress.begin(place)
            future = self._processes.submit(
                self._threads[place], do_unit, place, unit.command, self._progress.interactive
            )
            self._running[future] = place
            busy.add(unit.folder)
            begun = True
        return begun

    def _end(self, future: Future[Outcome]) -> None:
        place = self._running.pop(future)
        outcome = future.result()
        # What it has said meanwhile may be yet to be told.
        self._told[place].wait(_PATIENCE_SECONDS)
        self._outcomes[place] = outcome
        said = outcome.text
        if outcome.error and not self._units[place].helps:
            said += f"Error: {outcome.error}\n"
        self._progress.finish(place, said)

    def _stop(self) -> None:
        """Tells all units to stop, and waits until they have."""
        for future in list(self._running):
            future.cancel()
        for place in self._running.values():
            if place in self._process_of:
                with suppress(ProcessLookupError):
                    os.kill(self._process_of[place], STOP)
        for future, place in self._running.items():
            with suppress(Exception, KeyboardInterrupt):
                outcome = future.result()
                self._progress.finish(place, outcome.text, stopped=outcome.interrupted)

    def _tell(self) -> None:
        while (event := self._processes.events.get()) is not None:
            kind, place, value = event
            if kind == "begun":
                self._process_of[place] = value
            elif kind == "ended":
                self._told[place].set()
            elif kind == "line":
                self._progress.line(place, value)
            else:
                self._progress.live(place, *value)
