"""The program's end: no traceback, whatever it is given."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from absl import flags

from tests.free_addresses import free_addresses
from tf_lottery.cli import program as cli
from tf_lottery.cli.command_flags import define_flags
from tf_lottery.cli.flag_files import with_content
from tf_lottery.cli.plugin_flag import plugins_in
from tf_lottery.training.meeting import meet
from tf_lottery.training.tf_config import Place

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
        "`tf-lottery configs` lists (in a clone `python main.py configs`)."
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
        ("--levls=3", "--levls=3: there is no flag --levls. Did you mean --levels?"),
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
    ("given", "experiment"),
    [("--levls=3", "lottery"), ("--levels=1-3", "lottery"), ("--nothing", "instability")],
)
def test_a_worker_whose_flags_are_refused_ends_the_others(given, experiment, monkeypatch, capsys):
    addresses = tuple(free_addresses(2))
    cluster = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    monkeypatch.setattr(sys, "argv", ["main.py", f"--experiment={experiment}", given])
    values = flags.FlagValues()
    define_flags(values)
    values["verbosity"] = flags.FLAGS["verbosity"]
    monkeypatch.setattr(cli.flags, "FLAGS", values)
    command_of = partial(cli.commands.command_from_flags, values)
    monkeypatch.setattr(cli.commands, "command_from_flags", command_of)
    with ThreadPoolExecutor(1) as threads:
        chief = threads.submit(meet, Place(addresses, 0), dict, print)
        with pytest.raises(SystemExit):
            cli._run(cli._parse(sys.argv))
        said = str(chief.exception())
    assert said.startswith(f"worker 1 has stopped: {given}")
    assert capsys.readouterr().err.startswith(f"Error: {given}")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(13, "Permission denied", "runs/a"), "runs/a cannot be used: Permission"),
        (IsADirectoryError(21, "Is a directory", "b"), "b cannot be used: Is a directory"),
        (OSError("no camera"), "Error: no camera"),
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


@pytest.mark.parametrize(
    ("flag", "right"),
    [
        ("report=maybe", "use true or false"),
        ("for_analysis=7", "use true or false"),
        ("fraction=abc", "use a number, such as 0.5"),
        ("figure=lth5", "use one of lth:1, "),
        ("launcher=slrm", "use one of local, submitit, dask."),
    ],
)
def test_what_no_flag_of_commands_takes_is_told_in_plain_words(flag, right):
    values = flags.FlagValues()
    define_flags(values)
    with pytest.raises(flags.IllegalFlagValueError) as refused:
        values(["main.py", f"--{flag}"])
    assert str(refused.value).startswith(f"flag --{flag}: {right}")


@pytest.mark.parametrize(
    "given", [["--flagfile="], ["--flagfile"], ["--levels=3", "-flagfile", ""]]
)
def test_a_flag_file_without_a_name_is_refused(given, monkeypatch):
    assert main(monkeypatch, *given).startswith("Error: --flagfile= names no file. Give a file")


def test_flag_files_that_name_none_or_themselves_are_refused(monkeypatch, tmp_path):
    file = tmp_path / "mine.cfg"
    file.write_text("--flagfile=\n")
    assert "--flagfile= names no file" in main(monkeypatch, f"--flagfile={file}")
    file.write_text(f"--levels=2\n--flagfile={file}\n")
    assert f"--flagfile={file} names itself" in main(monkeypatch, f"--flagfile={file}")
    file.write_text(f"--flagfile={tmp_path / 'none.cfg'}\n")
    assert f"{tmp_path / 'none.cfg'} cannot be read: No such" in main(
        monkeypatch, f"--flagfile={file}"
    )


def test_a_home_folder_that_there_is_not_is_refused(monkeypatch):
    assert main(monkeypatch, "--flagfile=~nobody_of_this_name/a.cfg") == (
        "Error: --flagfile=~nobody_of_this_name/a.cfg: there is no home folder "
        "~nobody_of_this_name; write out which folder is meant."
    )


def test_a_byte_order_mark_is_no_part_of_a_flag_file(tmp_path):
    inner, file = tmp_path / "inner.cfg", tmp_path / "mine.cfg"
    inner.write_bytes(b"\xef\xbb\xbf--plugin=a_module\r\n# more\r\n\r\n--levels=2\r\n")
    file.write_bytes(b"\xef\xbb\xbf# first\n// second\n--flagfile=" + bytes(inner) + b"\n--name=b")
    given = ["main.py", f"--flagfile={file}", "--levels=3"]
    expected = ["main.py", "--plugin=a_module", "--levels=2", "--name=b", "--levels=3"]
    assert with_content(given) == expected
    assert plugins_in(given) == ["a_module"]
