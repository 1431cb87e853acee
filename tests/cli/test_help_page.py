"""The help shows every flag once, by task, and for an experiment only what it takes."""

import os
import pty
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from absl import flags

import tf_lottery
from tf_lottery.cli.command_flags import define_flags
from tf_lottery.cli.help_page import asked_for, completion_script, experiment_in, help_text
from tf_lottery.config.analyses import analysis_names
from tf_lottery.config.experiment import config_options
from tf_lottery.config.flags import other_experiments

MAIN = Path(__file__).parents[2] / "main.py"
EXPERIMENTS = ("lottery", "train", "branch", *other_experiments())


@pytest.fixture(scope="module")
def values() -> flags.FlagValues:
    values = flags.FlagValues()
    define_flags(values)
    return values


def flags_in(text: str) -> list[str]:
    return re.findall(r"^  --(?:\[no\])?(\w+)", text, re.MULTILINE)


def test_every_flag_is_shown_once(values):
    shown = flags_in(help_text(None, values))
    assert len(shown) == len(set(shown))
    # Of an earlier version, another name of a flag, and for commands that are made by analyses.
    assert set(values) - set(shown) == {"random_masks", "tolerance", "for_analysis"}


@pytest.mark.parametrize("experiment", [None, *EXPERIMENTS])
def test_lines_fit_a_terminal(values, experiment):
    assert max(map(len, help_text(experiment, values).splitlines())) <= 80


def test_no_text_leans_on_the_flag_before(values):
    for name in flags_in(help_text(None, values)):
        words = re.findall(r"[a-z_]+", values[name].help.lower())
        assert not {"it", "its", "these", "those"} & set(words[:3]), name


@pytest.mark.parametrize(
    ("experiment", "taken", "not_taken"),
    [
        ("lottery", {"model", "rewind_step", "sweep", "workdir"}, {"run", "branch", "points"}),
        ("branch", {"run", "branch", "learning_rate", "perturbation"}, {"sweep", "points"}),
        ("curvature", {"run", "eigenvalues", "levels", "data_dir"}, {"points", "model", "copies"}),
        ("instability", {"run", "copies", "points"}, {"eigenvalues", "pairs", "optimizer"}),
        ("export", {"run", "formats", "export_dir", "overwrite"}, {"points", "model", "branch"}),
        ("report", {"run", "report_dir", "matching_tolerance"}, {"model", "levels", "data_dir"}),
        ("list", {"workdir"}, {"run", "model", "levels"}),
        ("verify", {"workdir", "run"}, {"model", "levels", "report_dir"}),
    ],
)
def test_an_experiment_has_its_own_flags(values, experiment, taken, not_taken):
    shown = set(flags_in(help_text(experiment, values)))
    assert taken <= shown
    assert not not_taken & shown


@pytest.mark.parametrize("experiment", analysis_names())
def test_analyses_do_not_show_how_to_train(values, experiment):
    shown = set(flags_in(help_text(experiment, values)))
    assert not shown & {"model", "optimizer", "pruning_rate", "score", "sweep"}
    assert shown & set(config_options())


@pytest.mark.parametrize(
    ("arguments", "experiment"),
    [
        ([], None),
        (["--help"], None),
        (["--experiment=list", "--help"], "list"),
        (["-h", "--experiment", "list"], "list"),
        (["--flagfile=experiment=x"], None),
    ],
)
def test_the_experiment_is_found_among_the_arguments(arguments, experiment):
    assert experiment_in(arguments) == experiment


def test_what_is_asked_for(values):
    assert asked_for(["--flagfile=x", "--levels=3"], values) is None
    assert asked_for(["--version"], values) == f"tf_lottery {tf_lottery.__version__}\n"
    assert asked_for(["--levels=3", "--help"], values) == help_text(None, values)
    assert asked_for(["--experiment=list", "-h"], values) == help_text("list", values)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help", "--experiment=lotery"], "--experiment=lotery: use one of lottery, "),
        (["--completion=fish"], "--completion=fish: use one of bash, zsh"),
    ],
)
def test_what_there_is_not_is_named(values, arguments, words):
    with pytest.raises(ValueError, match=words):
        asked_for(arguments, values)


def test_help_into_a_pipe_that_is_closed():
    command = f"'{sys.executable}' '{MAIN}' --help | head -n 1"
    result = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert result.stdout == "Usage: main.py --flagfile=FILE --FLAG=VALUE ...\n"
    assert result.stderr == ""


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("words", "completions"),
    [
        (["--optim"], ["--optimizer="]),
        (["--optimizer", "=", "ad"], ["adam", "adamw"]),
        (["--optimizer", "="], ["sgd", "adam", "adamw"]),
        (["--nonest"], ["--nonesterov"]),
    ],
)
def test_completions_of_bash(values, words, completions):
    # compopt works only while a person completes.
    lines = (
        "compopt() { :; }",
        completion_script("bash", values),
        f"COMP_WORDS=(tf-lottery {' '.join(words)}); COMP_CWORD={len(words)}",
        '_tf_lottery; printf "%s\\n" "${COMPREPLY[@]}"',
    )
    result = subprocess.run(["bash", "-c", "\n".join(lines)], capture_output=True, text=True)
    assert result.stdout.split() == completions


# The line as it stands is kept in a file; .zshrc is the one of a person who has no completion yet.
ZSHRC = """
source script.zsh
keep() { print -rn -- "$BUFFER" > kept.new; mv kept.new kept; }
zle -N keep
bindkey '^X' keep
zle-line-init() { print > ready; }
zle -N zle-line-init
"""


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh")
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("--optim", "--optimizer="),
        ("--optimizer s", "--optimizer sgd "),
        ("--flagfile=folder/so", "--flagfile=folder/some.cfg "),
        *(
            pytest.param(*each, marks=pytest.mark.slow)
            for each in (
                ("--optimizer=s", "--optimizer=sgd "),
                ("--optimizer=ad", "--optimizer=adam"),
                ("--nonest", "--nonesterov "),
                ("--flagfile=fol", "--flagfile=folder/"),
            )
        ),
    ],
)
def test_completions_of_zsh(values, typed, completed, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "some.cfg").touch()
    (tmp_path / "script.zsh").write_text(completion_script("zsh", values))
    (tmp_path / ".zshrc").write_text(ZSHRC)
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(tmp_path)
        os.execvpe("zsh", ["zsh", "-d", "-i"], {**os.environ, "ZDOTDIR": ".", "TERM": "dumb"})
    try:
        wait_for(tmp_path / "ready", terminal)
        os.write(terminal, f"tf-lottery {typed}\t\x18".encode())
        wait_for(tmp_path / "kept", terminal)
    finally:
        os.close(terminal)
        os.waitpid(process, 0)
    assert (tmp_path / "kept").read_text() == f"tf-lottery {completed}"


def wait_for(path: Path, terminal: int) -> None:
    """Waits for a file; the terminal's output is read, so that nobody waits to write to it."""
    os.set_blocking(terminal, False)
    shown = b""
    for _ in range(300):
        if path.exists():
            return
        try:
            shown += os.read(terminal, 65536)
        except BlockingIOError:
            time.sleep(0.1)
    raise AssertionError(shown)
