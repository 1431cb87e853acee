"""docs/flags.md is what the flags are, and its commands are understood."""

import re
import runpy
import shlex

from absl import flags

from tests.documents import DOCUMENTS, ROOT
from tf_lottery.cli.command_flags import define_flags
from tf_lottery.cli.commands import command_from_flags

PAGE = DOCUMENTS["docs/flags.md"]


def test_the_page_is_up_to_date():
    generator = runpy.run_path(str(ROOT / "docs" / "make_flags.py"))
    assert generator["flags_markdown"]() == PAGE, "docs/flags.md is out of date; run `make docs`."


def test_every_flag_has_a_row_and_every_row_four_bars():
    values = flags.FlagValues()
    define_flags(values)
    rows = re.findall(r"^\| `--(?:\[no\])?(\w+)` .*$", PAGE, re.MULTILINE)
    assert len(rows) == len(set(rows)) > 100
    assert set(rows) <= set(values)
    assert {"experiment", "pruning_rate", "perturbation", "points", "formats", "jobs"} <= set(rows)
    lines = [line for line in PAGE.splitlines() if line.startswith("| `--")]
    assert [line for line in lines if line.count("|") != 4] == []


def test_the_commands_are_understood(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```\n(.*?)```", PAGE, re.DOTALL)
    commands = [shlex.split(line, comments=True) for line in block.splitlines()]
    assert len(commands) == 10
    for name, *arguments in commands:
        assert name == "tf-lottery"
        if arguments == ["configs"]:
            continue
        values = flags.FlagValues()
        define_flags(values)
        flags.DEFINE_multi_string("flagfile", [], "", flag_values=values)
        where = (argument.replace("=paper/", f"={ROOT}/configs/paper/") for argument in arguments)
        values([name, *where])
        command_from_flags(values)
