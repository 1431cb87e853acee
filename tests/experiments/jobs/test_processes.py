"""Worker processes that are killed, told to stop and replaced, in a program of their own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[3]
_START = """
import faulthandler, os, signal, sys, threading, time
from types import SimpleNamespace
from unittest.mock import MagicMock
from tf_lottery.experiments.jobs import processes, worker
from tf_lottery.report.progress.side_by_side import SideBySideProgress

# Nothing here is trained, and to import TensorFlow takes each process seconds.
worker.import_tensorflow_quietly, sys.modules["tensorflow"] = bool, MagicMock()

def speak():
    while True:
        worker._sender.send(("live", 0, ("all the time " * 10_000, None)))

def speak_often():
    for number in range(200):
        worker._sender.send(("line", 0, str(number)))

def die():
    for _ in range(4):
        threading.Thread(target=speak, daemon=True).start()
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGKILL)

def die_in_the_middle_of_an_answer():
    from multiprocessing.connection import Connection

    def send_half(self, data, write=os.write, send=Connection._send):
        if len(data) > 100_000:
            write(self._handle, data[:50_000])
            os.kill(os.getpid(), signal.SIGKILL)
        return send(self, data)

    Connection._send = send_half
    return "much" * 100_000

def kill_itself():
    os.kill(os.getpid(), signal.SIGKILL)

def do(seconds):
    time.sleep(seconds)
    return os.getpid()

if __name__ == "__main__":
    faulthandler.dump_traceback_later(100, exit=True)
    progress = SideBySideProgress(["one", "two"])
    with processes.Processes(do, 2, (), 0) as pool:
"""


@pytest.fixture
def output_of(tmp_path):
    """Runs lines with `pool`, two processes, and returns what they print."""

    def run(lines: str) -> str:
        program = tmp_path / "program.py"
        program.write_text(_START + "".join(f"        {line}\n" for line in lines.splitlines()))
        done = subprocess.run(
            [sys.executable, str(program)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
        )
        assert done.returncode == 0 or "ConnectionError" in done.stderr, done.stderr
        return done.stdout + done.stderr

    return run


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_worker_that_is_killed_while_it_speaks_ends_the_study(output_of):
    said = output_of("pool._progress = progress\npool.call(1, die).result()")
    assert "ended from outside" in said and "the same command continues" in said


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_worker_that_is_killed_while_it_answers_ends_the_study(output_of):
    said = output_of(
        "pool.call(1, time.sleep, 1000)\npool.call(1, die_in_the_middle_of_an_answer).result(60)"
    )
    assert "ended from outside" in said


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_the_end_of_the_worker_that_was_started_last_is_seen(output_of):
    said = output_of(
        "pool.call(1, time.sleep, 1000)\ntime.sleep(1)\npool.call(1, kill_itself).result(60)"
    )
    assert "ended from outside" in said


def test_an_answer_comes_after_all_that_was_said(output_of):
    said = output_of(
        "task, heard = SimpleNamespace(command=0), []\n"
        "def hear(place, *told):\n"
        "    time.sleep(0.01)\n"
        "    heard.append(told)\n"
        "progress.line = hear\n"
        "future = pool.begin(0, task, 1, progress)\n"
        "pool.call(1, speak_often).result()\n"
        "print(len(heard), future.result().error)"
    )
    assert said.strip().splitlines()[-1] == "200 None"


def test_an_error_of_a_call_is_its_callers(output_of):
    said = output_of(
        "try:\n"
        "    pool.call(1, int, 'no number').result()\n"
        "except ValueError as error:\n"
        "    print(error)"
    )
    assert "no number" in said.strip().splitlines()[-1]


def test_a_task_that_is_stopped_while_its_process_starts_is_not_done(output_of):
    said = output_of(
        "task = SimpleNamespace(command=60)\n"
        "future = pool.begin(0, task, 1, progress)\n"
        "time.sleep(0.5)\n"
        "pool.stop({future: 0})\n"
        "outcome = future.result()\n"
        "print(outcome.interrupted)"
    )
    assert said.strip().splitlines()[-1] == "True"


def test_nobody_waits_for_checks_when_one_of_them_has_found_a_mistake(output_of):
    said = output_of(
        "pool.call(1, time.sleep, 1000)\ntime.sleep(1)\nraise ConnectionError('a mistake')"
    )
    assert said.strip().splitlines()[-1] == "ConnectionError: a mistake"


def test_nothing_goes_on_unseen_when_nobody_reads_the_output_any_more(output_of):
    said = output_of(
        "def broken(*_):\n"
        "    raise SystemExit(1)\n"
        "progress.line = progress.live = broken\n"
        "pool._progress = progress\n"
        "try:\n"
        "    pool._hear(('line', 0, 'text'))\n"
        "    time.sleep(30)\n"
        "except KeyboardInterrupt:\n"
        "    print('stopped')"
    )
    assert said.strip().splitlines()[-1] == "stopped"


@pytest.mark.slow
def test_processes_that_have_done_enough_are_replaced(output_of):
    said = output_of(
        "processes._TASKS_PER_WORKER = 3\n"
        "task, pids = SimpleNamespace(command=0), []\n"
        "checks = [pool.call(1, int) for _ in range(5)]\n"
        "for _ in range(10):\n"
        "    futures = [pool.begin(place, task, 1, progress) for place in (0, 1)]\n"
        "    pids += [future.result().result for future in futures]\n"
        "print(len(pids), len(set(pids)) >= 4)"
    )
    assert said.strip().splitlines()[-1] == "20 True"
