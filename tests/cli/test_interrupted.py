"""Ctrl-C: before the program has begun anything, and where Python loses what it raises."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tf_lottery.cli import main, program
from tf_lottery.data import Epoch
from tf_lottery.interrupts import raise_if_interrupted, remember_interrupts
from tf_lottery.report.progress.counting import CountingProgress
from tf_lottery.training.loop import train

_MAIN = Path(__file__).parents[2] / "main.py"


def test_who_thinks_better_of_it_sees_no_traceback(monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(program.command_flags, "define_flags", interrupted)
    monkeypatch.setattr("sys.argv", ["main.py"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "\nInterrupted before anything was begun.\n"


def test_nor_does_who_does_so_while_the_package_is_imported(tmp_path):
    # What is imported first of all: a package that is interrupted.
    package = tmp_path / "tf_lottery"
    package.mkdir()
    (package / "__init__.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    (tmp_path / "main.py").write_bytes(_MAIN.read_bytes())
    process = subprocess.run(
        [sys.executable, tmp_path / "main.py"],
        capture_output=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert (process.returncode, process.stdout, process.stderr) == (130, b"", b"")


@pytest.fixture
def remembered():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    remember_interrupts()
    yield
    signal.signal(signal.SIGINT, before)
    remember_interrupts()


def lose_an_interrupt() -> None:
    with suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


class LosingProgram:
    """Stands in for a training program in which an interrupt is lost; counts its steps."""

    def __init__(self):
        self.steps = 0

    def run(self, epoch: Epoch, first: int, last: int) -> None:
        self.steps += last - first
        lose_an_interrupt()

    def first_bad_step(self) -> int | None:
        return None


def test_training_ends_after_the_steps_in_which_an_interrupt_was_lost(remembered):
    losing = LosingProgram()
    with pytest.raises(KeyboardInterrupt):
        train(losing, lambda number: Epoch(data_seed=0, level=0, number=number), 7, 0, 7, [])
    assert losing.steps == 1


def test_so_does_what_is_counted(remembered):
    with CountingProgress("points", 2) as progress:
        progress.advance()
        lose_an_interrupt()
        with pytest.raises(KeyboardInterrupt):
            progress.advance()


def go_on(command) -> int:
    lose_an_interrupt()
    raise_if_interrupted()
    return 0


def fill_the_disk(command) -> int:
    lose_an_interrupt()
    raise OSError("the disk\nis full.")


def define(command) -> int:
    class Attribute:
        def __set_name__(self, owner, name):
            signal.raise_signal(signal.SIGINT)

    type("Defined", (), {"attribute": Attribute()})
    return 0


_COMMAND = """
import tf_lottery
from tests.cli import test_interrupted
from tf_lottery.cli import main
tf_lottery.run_command = test_interrupted.{name}
main()
"""


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (go_on, ""),
        (fill_the_disk, r" \(OSError: the disk is full\)"),
        (define, r" \(RuntimeError: Error calling __set_name__ on 'Attribute' instance .*\)"),
    ],
)
def test_a_command_that_is_interrupted_ends_so_whatever_is_raised(command: Callable, said: str):
    process = subprocess.run(
        [sys.executable, "-c", _COMMAND.format(name=command.__name__)],
        cwd=_MAIN.parent,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.returncode == 130, process.stderr
    told = rf"\nInterrupted{said}\. The same command continues where it stopped\.\n"
    assert re.search(f"{told}$", process.stderr)
