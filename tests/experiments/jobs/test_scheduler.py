"""Which unit begins when, and what happens when one fails."""

import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path

import pytest

from tf_lottery.experiments.commands import VerifyRuns
from tf_lottery.experiments.jobs.outcome import Outcome, UnitFailedError, portable
from tf_lottery.experiments.jobs.scheduler import Scheduler
from tf_lottery.experiments.jobs.units import Unit
from tf_lottery.report.side_by_side import SideBySideProgress


def unit(name: str, folder: str | None = None, **options) -> Unit:
    path = Path("/nowhere") / (folder or name)
    return Unit(name, VerifyRuns(Path(name)), path, path, **options)


class InThreads:
    """An engine whose units end by themselves, soon after they have begun."""

    def __init__(self, count: int, errors: dict[str, Exception] | None = None):
        self.count = count
        self.begun: list[str] = []
        self._errors = errors or {}
        self.threads: dict[str, int] = {}
        self._said: dict[int, threading.Event] = {}

    def begin(self, place, unit, threads, progress) -> Future:
        name, future, said = unit.title, Future(), threading.Event()
        self.begun.append(name)
        self.threads[name], self._said[place] = threads, said
        outcome = Outcome(self._errors.get(name), text=f"{name} is done\n")

        def end():
            future.set_result(outcome)
            progress.line(place, f"{name} ends")
            said.set()

        threading.Timer(0.02 * len(self.begun), end).start()
        return future

    def settle(self, place):
        self._said[place].wait()


def run(units, processes, threads=None):
    with SideBySideProgress([one.title for one in units]) as progress:
        return Scheduler(units, threads or [1] * len(units), processes, progress).run()


def test_all_are_done_in_order_at_most_so_many_at_once(capsys):
    processes = InThreads(2)
    outcomes = run([unit(name) for name in "abcd"], processes, [1, 2, 3, 4])
    assert processes.begun == ["a", "b", "c", "d"]
    assert [outcome.text for outcome in outcomes] == [f"{name} is done\n" for name in "abcd"]
    assert processes.threads == {"a": 1, "b": 2, "c": 3, "d": 4}
    said = capsys.readouterr().out
    assert "[4 of 4] d" in said and "c is done" in said
    # What a unit says comes before its end, whenever it arrives.
    assert said.index("d ends") < said.index("[4 of 4] d")


def test_two_in_one_folder_are_not_done_at_once():
    processes = InThreads(4)
    run([unit("a", "same"), unit("b", "same"), unit("c")], processes)
    assert processes.begun == ["a", "c", "b"]


def test_who_needs_another_waits_for_it_and_is_left_out_if_it_fails():
    units = [unit("a"), unit("b", after=(0,)), unit("c", after=(1,)), unit("d")]
    assert None not in run(units, InThreads(4))
    for wrong in ("a", "b"):
        processes = InThreads(4, {wrong: ArithmeticError("diverged")})
        outcomes = run(units, processes)
        assert [name for name in "abcd" if name in processes.begun] == sorted(processes.begun)
        assert outcomes[2] is None and outcomes[3].error is None
        assert (outcomes[1] is None) == (wrong == "a")


def test_a_helper_that_fails_holds_nothing_up():
    units = [unit("a", helps=True), unit("b", after=(0,))]
    outcomes = run(units, InThreads(2, {"a": ArithmeticError("diverged")}))
    assert outcomes[1].error is None


def test_a_helper_whose_job_was_killed_does_hold_up_who_needs_it(capsys):
    units = [unit("a", helps=True), unit("b", after=(0,)), unit("c")]
    outcomes = run(units, InThreads(1, {"a": UnitFailedError("killed")}))
    assert outcomes[1] is None and outcomes[2].error is None
    assert "Error: killed" in capsys.readouterr().out


def test_after_an_error_that_is_no_divergence_nothing_begins():
    processes = InThreads(1, {"a": ValueError("wrong")})
    assert run([unit("a"), unit("b")], processes)[1] is None
    assert processes.begun == ["a"]
    diverged = InThreads(1, {"a": ArithmeticError("diverged")})
    assert run([unit("a"), unit("b")], diverged)[1] is not None


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
