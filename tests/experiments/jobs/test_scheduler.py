"""Which task begins when, and what happens when one fails."""

import subprocess
import sys
import threading
from concurrent.futures import Future, wait
from pathlib import Path

import pytest

from tf_lottery.experiments.commands import VerifyRuns
from tf_lottery.experiments.jobs import scheduler
from tf_lottery.experiments.jobs.outcome import Outcome, TaskFailedError, portable
from tf_lottery.experiments.jobs.scheduler import Scheduler
from tf_lottery.experiments.jobs.tasks import Task
from tf_lottery.report.progress.side_by_side import SideBySideProgress


def task(name: str, folder: str | None = None, **options) -> Task:
    path = Path("/nowhere") / (folder or name)
    return Task(name, VerifyRuns(Path(name)), path, path, **options)


class InThreads:
    """An engine whose tasks end by themselves, soon after they have begun."""

    def __init__(self, count: int, errors: dict[str, Exception] | None = None):
        self.count = count
        self.begun: list[str] = []
        self._errors = errors or {}
        self.threads: dict[str, int] = {}

    def begin(self, place, task, threads, progress) -> Future:
        name, future = task.title, Future()
        self.begun.append(name)
        self.threads[name] = threads
        outcome = Outcome(self._errors.get(name), text=f"{name} is done\n")

        def end():
            progress.line(place, f"{name} ends")
            future.set_result(outcome)

        threading.Timer(0.02 * len(self.begun), end).start()
        return future


def run(tasks, processes, threads=None):
    with SideBySideProgress([one.title for one in tasks]) as progress:
        return Scheduler(tasks, threads or [1] * len(tasks), processes, progress).run()


def test_all_are_done_in_order_at_most_so_many_at_once(capsys):
    processes = InThreads(2)
    outcomes = run([task(name) for name in "abcd"], processes, [1, 2, 3, 4])
    assert processes.begun == ["a", "b", "c", "d"]
    assert [outcome.text for outcome in outcomes] == [f"{name} is done\n" for name in "abcd"]
    assert processes.threads == {"a": 1, "b": 2, "c": 3, "d": 4}
    said = capsys.readouterr().out
    assert "[4 of 4] d" in said and "c is done" in said
    # What a task says comes before its end, whenever it arrives.
    assert said.index("d ends") < said.index("[4 of 4] d")


class Cluster(InThreads):
    """An engine that asks another machine how many it is to be given."""

    asked = 0

    @property
    def count(self) -> int:
        self.asked += 1
        return 2

    @count.setter
    def count(self, count: int) -> None:
        pass


def test_how_many_at_once_is_asked_once_a_round(monkeypatch):
    rounds = []

    def waited(*arguments):
        rounds.append(len(arguments[0]))
        return wait(*arguments)

    monkeypatch.setattr(scheduler, "wait", waited)
    cluster = Cluster(2)
    assert None not in run([task(str(number)) for number in range(9)], cluster)
    assert max(rounds) == 2 and cluster.asked <= len(rounds)


def test_two_in_one_folder_are_not_done_at_once():
    processes = InThreads(4)
    run([task("a", "same"), task("b", "same"), task("c")], processes)
    assert processes.begun == ["a", "c", "b"]


def test_who_needs_another_waits_for_it_and_is_left_out_if_it_fails():
    tasks = [task("a"), task("b", after=(0,)), task("c", after=(1,)), task("d")]
    assert None not in run(tasks, InThreads(4))
    for wrong in ("a", "b"):
        processes = InThreads(4, {wrong: ArithmeticError("diverged")})
        outcomes = run(tasks, processes)
        assert [name for name in "abcd" if name in processes.begun] == sorted(processes.begun)
        assert outcomes[2] is None and outcomes[3].error is None
        assert (outcomes[1] is None) == (wrong == "a")


def test_a_helper_that_fails_holds_nothing_up():
    tasks = [task("a", helps=True), task("b", after=(0,))]
    outcomes = run(tasks, InThreads(2, {"a": ArithmeticError("diverged")}))
    assert outcomes[1].error is None


def test_a_helper_whose_job_was_killed_does_hold_up_who_needs_it(capsys):
    tasks = [task("a", helps=True), task("b", after=(0,)), task("c")]
    outcomes = run(tasks, InThreads(1, {"a": TaskFailedError("killed")}))
    assert outcomes[1] is None and outcomes[2].error is None
    assert "Error: killed" in capsys.readouterr().out


def test_after_an_error_that_is_no_divergence_nothing_begins():
    processes = InThreads(1, {"a": ValueError("wrong")})
    assert run([task("a"), task("b")], processes)[1] is None
    assert processes.begun == ["a"]
    diverged = InThreads(1, {"a": ArithmeticError("diverged")})
    assert run([task("a"), task("b")], diverged)[1] is not None


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (UnicodeDecodeError("utf-8", b"x", 0, 1, "bad"), ValueError, "utf-8"),
        (ZeroDivisionError("by zero"), ArithmeticError, "by zero"),
        (ConnectionResetError("gone"), ConnectionError, "gone"),
        (FileNotFoundError(2, "No such file", "a/b"), OSError, "a/b"),
        (MemoryError("full"), MemoryError, "full"),
    ],
)
def test_errors_are_passed_on_by_what_they_say(error, kind, text):
    passed = portable(error)
    assert isinstance(passed, kind) and text in str(passed)


def test_a_file_is_still_named_by_an_error():
    passed = portable(PermissionError(13, "Permission denied", "runs/x"))
    assert (passed.filename, passed.strerror) == ("runs/x", "Permission denied")


def test_that_it_was_killed_is_not_called_a_leak():
    """What it leaves behind is cleaned up by Python's resource tracker, which does so quietly."""
    waiting = (
        "import time\n"
        "from tf_lottery.experiments.jobs.processes import Processes\n"
        "processes = Processes(print, 1, (), 1)\n"
        "print('ready', flush=True)\n"
        "time.sleep(100)\n"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", waiting], stdout=pipe, stderr=pipe) as process:
        assert process.stdout.readline() == b"ready\n"
        process.kill()
        # Until the tracker has ended too.
        assert process.stderr.read() == b""
