"""The program as a user starts it, its output going into a file."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tf_lottery.report.progress import time_left

_MAIN = Path(__file__).parents[2] / "main.py"


def _run_main(*flags, **arguments):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, _MAIN, *flags],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
        **arguments,
    )


@pytest.mark.parametrize("in_process", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_progress_and_table(tmp_path, command, monkeypatch, capfd, in_process):
    if in_process:
        monkeypatch.chdir(tmp_path)
        command(
            *("--name=digits_lenet_20_10", "--rewind_step=0it", "--export_dir=ticket"),
            workdir=Path("runs"),
        )
        printed = capfd.readouterr()
        output, errors = printed.out, printed.err
    else:
        result = _run_main(
            *("--model=lenet_20_10", "--train_steps=45it", "--levels=2", "--jit_compile=off"),
            "--export_dir=ticket",
            cwd=tmp_path,
        )
        assert result.returncode == 0, result.stderr
        output, errors = result.stdout, result.stderr
    assert "\x1b" not in output + errors
    assert "\r" not in output
    for level, density in enumerate(("100%", "80.0%", "64.0%")):
        lines = re.findall(rf"^level {level}/2 +density +{density} .*$", output, re.M)
        assert lines[0].endswith("training from step 0 to 45")
        assert re.search(r"test \d+\.\d\d%", lines[-1])
    assert re.search(r"^ +2 +64\.0% +1,011 +\d+\.\d+%", output, re.M)
    assert "Run folder: runs/digits_lenet_20_10/replicate_1" in output
    assert "SavedModel: ticket" in output
    assert (tmp_path / "ticket" / "saved_model.pb").exists()
    assert (tmp_path / "runs" / "digits_lenet_20_10" / "replicate_1" / "summary.png").exists()
    assert "Traceback" not in errors


def test_time_left(run_tiny, tmp_path, monkeypatch, capsys):
    # However fast the machine is, there is an estimate.
    monkeypatch.setattr(time_left, "_SECONDS_FOR_AN_ESTIMATE", 0.0)
    run_tiny(tmp_path, levels=1)
    output = capsys.readouterr().out
    (dense,) = re.findall(r"^level 0/1 .* test .*$", output, re.M)
    (last,) = re.findall(r"^level 1/1 .* test .*$", output, re.M)
    assert re.search(r"  \d+ s left$", dense)
    assert "left" not in last


def test_help_is_short(tmp_path):
    result = _run_main("--help", cwd=tmp_path)
    assert "--pruning_rate=... (default: 0.2)\n      Fraction of the remaining" in result.stdout
    assert len(result.stdout.splitlines()) < 480
    assert max(map(len, result.stdout.splitlines())) <= 100


def test_bad_flag_fails_at_once(tmp_path):
    result = _run_main("--pruning_rate=2", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith("Error: --pruning_rate=2.0 is out of range")
    assert len(result.stderr.splitlines()) == 1
