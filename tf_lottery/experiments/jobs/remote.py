"""Tasks as command lines that the jobs of a cluster run, in a file system that all hosts share."""

from __future__ import annotations

import secrets
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import tf_lottery
from tf_lottery.experiments.commands import Analyze, Command
from tf_lottery.experiments.jobs.command_line import command_line
from tf_lottery.experiments.jobs.job_folder import JobFolder, job_folder
from tf_lottery.experiments.jobs.outcome import DIVERGED, INTERRUPTED, Outcome, TaskFailedError
from tf_lottery.experiments.jobs.tasks import Task
from tf_lottery.experiments.threads_of_runs import with_threads
from tf_lottery.registry import imported_plugins
from tf_lottery.report.progress.side_by_side import SideBySideProgress
from tf_lottery.store.run_folder import RunFolder

_SECONDS_BETWEEN_LOOKS = 1.0
# For what another host has written to be seen here.
_SECONDS_OF_PATIENCE = 60.0
_SECONDS_FOR_LAST_WORDS = 5.0
# For jobs to end that are stopped.
_SECONDS_TO_STOP = 90.0


class JobLostError(Exception):
    """A job has not come to the end of its process; says what is known."""


class Job(Protocol):
    """A process that was given to a queue.

    Attributes:
      name: by which the cluster knows it, such as "job 17".
    """

    name: str

    def status(self) -> int | None:
        """The exit code of its process; None while it has not ended.

        Raises:
          JobLostError: if it was ended from outside.
        """
        ...

    def cancel(self, begun: bool) -> None:
        """Takes it back; `begun` says whether its process was seen."""
        ...


class JobQueue(Protocol):
    """What a cluster takes jobs with; used by one thread at a time."""

    @property
    def room(self) -> int | None:
        """How many jobs the cluster can do at once; None if it keeps further jobs by itself."""
        ...

    def submit(self, arguments: Sequence[str], name: str) -> Job:
        """Takes a process to be run in this folder, with a pipe as its standard input.

        Raises:
          ConnectionError: if it is not taken.
        """
        ...

    def close(self) -> None:
        """Frees what it holds; jobs may go on."""
        ...


@dataclass
class _Running:
    """A task that was submitted, and what is known of it."""

    task: Task
    place: int
    job: Job
    folder: JobFolder
    progress: SideBySideProgress
    future: Future[Outcome] = field(default_factory=Future)
    state: dict[str, Any] = field(default_factory=dict)
    ended_at: float | None = None
    stopped_at: float | None = None

    @property
    def where(self) -> str:
        """The host that does it, if that is known."""
        return f" on {self.state['host']}" if self.state else ""


class Remote:
    """An engine whose tasks are jobs of a cluster."""

    def __init__(
        self, queue: JobQueue, jobs: int | None, clock: Callable[[], float] = time.monotonic
    ):
        """Submits nothing yet.

        Args:
          queue: takes the jobs.
          jobs: how many at once, at most; None: as many as the queue says.
          clock: returns the time in seconds.
        """
        self._queue, self._jobs, self._clock = queue, jobs, clock
        self._running: dict[int, _Running] = {}
        # Of the queue, and of what runs.
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def __enter__(self) -> Remote:
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._closed.set()
        with self._lock:
            for one in self._running.values():
                _cancel(one)
            self._queue.close()

    @property
    def count(self) -> int:
        """As of `Engine`."""
        if self._jobs is not None:
            return self._jobs
        with self._lock:
            room = self._queue.room
        return sys.maxsize if room is None else max(1, room)

    def begin(
        self, place: int, task: Task, threads: int, progress: SideBySideProgress
    ) -> Future[Outcome]:
        """As of `Engine`."""
        attempt = secrets.token_hex(8)
        path = job_folder(task)
        try:
            folder = JobFolder(path, attempt)
            arguments = [sys.executable, str(_TASK_SCRIPT), str(path), attempt]
            arguments += task_flags(task.command, threads)
            with self._lock:
                job = self._queue.submit(arguments, path.name)
        except OSError as error:  # Of which ConnectionError is one.
            failed: Future[Outcome] = Future()
            failed.set_result(Outcome(error))
            return failed
        progress.line(place, f"submitted: {job.name}, log {folder.log}")
        progress.live(place, f"submitted: {job.name}", None)
        one = _Running(task, place, job, folder, progress)
        with self._lock:
            self._running[place] = one
        return one.future

    def stop(self, running: Mapping[Future[Outcome], int]) -> None:
        """As of `Engine`."""
        with self._lock:
            for one in self._running.values():
                one.stopped_at = self._clock()
                _cancel(one)

    def _watch(self) -> None:
        while not self._closed.wait(_SECONDS_BETWEEN_LOOKS):
            self.look()

    def look(self) -> None:
        """Looks how all tasks are; sets the futures of those that have ended."""
        for place, one in list(self._running.items()):
            try:
                outcome = self._outcome(one)
            except Exception as error:
                what = f"{type(error).__name__}: {error}"
                outcome = Outcome(TaskFailedError(f"{one.task.title} cannot be followed: {what}"))
            if outcome is not None:
                with self._lock:
                    del self._running[place]
                one.future.set_result(outcome)

    def _outcome(self, one: _Running) -> Outcome | None:
        """How a task has ended; None if it has not, as far as can be seen."""
        _tell_of_begin(one)
        try:
            with self._lock:
                status = one.job.status()
        except JobLostError as error:
            return self._of_lost(one, str(error))
        if status is None:
            patience = one.stopped_at is None or self._clock() < one.stopped_at + _SECONDS_TO_STOP
            return None if patience else Outcome(interrupted=True, text=one.folder.last_lines())
        if one.ended_at is None:
            one.ended_at = self._clock()
        has_ended = one.folder.state().get("status") == status
        if not (has_ended and (status != 0 or is_there(one.task))):
            # What the host has written may be seen here later than its end.
            patience = _SECONDS_FOR_LAST_WORDS if status else _SECONDS_OF_PATIENCE
            if self._clock() < one.ended_at + patience:
                return None
            if status == 0:
                return Outcome(TaskFailedError(_not_shared(one)), text=one.folder.last_lines())
        return self._of_status(one, status)

    def _of_lost(self, one: _Running, reason: str) -> Outcome:
        text = one.folder.last_lines()
        if one.stopped_at is not None:
            return Outcome(interrupted=True, text=text)
        text = text or "".join(f"{line}\n" for line in reason.splitlines())
        first = reason.strip().splitlines()[0] if reason.strip() else "for no reason that is known"
        return Outcome(
            TaskFailedError(
                f"{one.task.title}: {one.job.name} was ended{one.where}: {first} Its log: "
                f"{one.folder.log}"
            ),
            text=text,
        )

    def _of_status(self, one: _Running, status: int) -> Outcome:
        if status == 0:
            return Outcome(text=one.folder.said())
        text = one.folder.last_lines()
        if one.stopped_at is not None:
            return Outcome(interrupted=True, text=text)
        log = f"Its log: {one.folder.log}"
        if status == DIVERGED:
            return Outcome(ArithmeticError(f"{one.task.folder} diverged. {log}"), text=text)
        how = "was stopped" if status == INTERRUPTED else f"has ended with exit code {status}"
        return Outcome(TaskFailedError(f"{one.task.title} {how}{one.where}. {log}"), text=text)


# The file that a job runs; it needs no package to be found.
_TASK_SCRIPT = Path(tf_lottery.__file__).absolute().parent / "cli" / "task.py"


def task_flags(command: Command, threads: int) -> list[str]:
    """The flags of a task that computes with a number of threads, and has this one's plug-ins."""
    flags = command_line(with_threads(command, threads))
    plugins = ",".join(imported_plugins())
    if plugins and not any(flag.startswith("--plugin=") for flag in flags):
        flags.append(f"--plugin={plugins}")
    return flags


def is_there(task: Task) -> bool:
    """Whether results of a task are to be seen here."""
    if isinstance(task.command, Analyze):
        return task.folder.is_dir()
    with suppress(OSError, ValueError):
        return bool(RunFolder.read(task.folder).complete_levels())
    return False


def _tell_of_begin(one: _Running) -> None:
    state = one.folder.state()
    if state and state.get("process") != one.state.get("process"):
        again = " again" if one.state else ""
        one.progress.line(
            one.place, f"begins{again} on {state['host']}, as process {state['process']}"
        )
    one.state = state or one.state
    if one.state and one.progress.interactive:
        last = one.folder.last_lines(1).strip()
        one.progress.live(one.place, f"{one.state['host']}: {last}", None)


def _cancel(one: _Running) -> None:
    with suppress(OSError):
        one.folder.order_stop()
    with suppress(Exception):
        one.job.cancel(bool(one.folder.state()))


def _not_shared(one: _Running) -> str:
    return (
        f"{one.task.title} has ended well{one.where}, but what it has written is not seen here. "
        f"{one.task.folder.absolute()} and {one.folder.path} have to be in a file system that all "
        "hosts share; give such a folder as --workdir."
    )
