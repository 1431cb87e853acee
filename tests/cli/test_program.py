"""The program's end: no traceback, whatever it is given."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from absl import flags

from tf_lottery.cli import program as cli
from tf_lottery.cli.command_flags import define_flags
from tf_lottery.cli.plugin_flag import plugins_in

_MAIN = Path(__file__).parents[2] / "main.py"


def main(monkeypatch, *arguments: str) -> str:
    """Runs the program in this process up to its refusal, and returns that."""
    monkeypatch.setattr(sys, "argv", ["main.py", *arguments])
    with pytest.raises(SystemExit) as end:
        cli._parse(sys.argv)
    return str(end.value)


def test_a_binary_flag_file_is_refused(monkeypatch, tmp_path):
    file = tmp_path / "flags.cfg"
    file.write_bytes(bytes(range(256)))
    assert f"--flagfile={file} is no flag file" in main(monkeypatch, f"--flagfile={file}")


def test_a_flag_file_that_is_not_there_is_named(monkeypatch):
    assert main(monkeypatch, "--flagfile=/none") == (
        "Error: --flagfile=/none cannot be read: No such file or directory. Give a file with a "
        "flag in each line, such as configs/digits_lenet.cfg, or one of those that "
        "`tf-lottery configs` lists."
    )


@pytest.mark.parametrize("given", [["--plugin="], ["--plugin", ","]])
def test_a_plugin_without_a_name_is_refused(given, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["main.py", *given])
    with pytest.raises(SystemExit, match=r"^Error: --plugin=,?: write the name of a module, such"):
        cli.main()
    # That of a run without plug-ins.
    (tmp_path / "flags.cfg").write_text("--plugin=\n--levels=2\n")
    assert plugins_in(["main.py", f"--flagfile={tmp_path / 'flags.cfg'}"]) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("--levels=3-1", "flag --levels=3-1: the range '3-1' ends before it begins; write '1-3'."),
        *(
            pytest.param(f"--{flag}", f"flag --{flag}: {said}", marks=pytest.mark.slow)
            for flag, said in (
                ("levels=two", "'two' is neither a number nor a range; write "),
                ("pruning_rate=20%", "use a number, such as 0.2, or auto"),
                ("experiment=reprot", "use one of lottery, train, branch, rep"),
            )
        ),
        ("--levls=3", "Unknown command line flag 'levls'. Did you mean: levels ?"),
    ],
)
def test_a_flag_that_cannot_be_read_is_named_once_in_plain_words(given, said):
    process = subprocess.run(
        [sys.executable, _MAIN, given], capture_output=True, text=True, check=False
    )
    assert process.returncode == 1
    assert process.stderr.startswith(f"Error: {said}")
    assert process.stderr.endswith("\nmain.py --help lists the flags.\n")
    assert process.stderr.count(given) <= 1
    assert process.stdout == ""


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(13, "Permission denied", "runs/a"), "runs/a cannot be used: Permission"),
        (IsADirectoryError(21, "Is a directory", "b"), "b cannot be used: Is a directory"),
        (MemoryError(), "the memory is full"),
        (ValueError("--levels=x"), "Error: --levels=x"),
    ],
)
def test_what_the_machine_refuses_is_said(error, message, monkeypatch):
    def fail(*_):
        raise error

    monkeypatch.setattr(cli.commands, "command_from_flags", fail)
    given = {"verbosity": cli.flags.FLAGS["verbosity"], "experiment": SimpleNamespace(value="list")}
    monkeypatch.setattr(cli.flags, "FLAGS", given)
    with pytest.raises(SystemExit) as end:
        cli._run(["main.py"])
    assert message in str(end.value)


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run(
        [sys.executable, _MAIN, "--help"], stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)
    assert process.stderr == b""


@pytest.mark.parametrize(
    ("flag", "value", "right"),
    [
        ("init_seed", "x", "use a whole number, such as 5"),
        ("learning_rate", "1e-3x", "use a number, such as 0.5"),
        ("pruning_rate", "20%", "use a number, such as 0.2, or auto"),
        ("export_ticket", "maybe", "use true or false"),
    ],
)
def test_what_is_no_number_is_told_in_plain_words(flag, value, right):
    values = flags.FlagValues()
    define_flags(values)
    with pytest.raises(flags.IllegalFlagValueError) as refused:
        values(["main.py", f"--{flag}={value}"])
    assert str(refused.value) == f"flag --{flag}={value}: {right}"
