"""Ctrl-C before the program has begun anything."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tf_lottery.cli import main, program

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
