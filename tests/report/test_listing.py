import io
import os
import re
from pathlib import Path

import pytest
from rich.console import Console

from tests.report.runs_on_disk import held, write_branch, write_run
from tf_lottery.report.listing import print_runs, runs_table
from tf_lottery.report.run_records import run_paths
from tf_lottery.report.run_state import RunState
from tf_lottery.report.verification import verify_runs
from tf_lottery.store.run_patterns import named_runs

BOLD = re.compile(r"\x1b\[[01]m")
HEADERS = ["run", "state", "level", "epoch", "density", "accuracy", "(points)"]


def printed(workdir, width=80, terminal=False):
    file = io.StringIO()
    print_runs(workdir, Console(file=file, width=width, force_terminal=terminal))
    return BOLD.sub("", file.getvalue())


def table_text(states, workdir, width=80):
    file = io.StringIO()
    Console(file=file, width=width).print(runs_table(states, workdir))
    return file.getvalue()


def rows(text):
    return [line.split() for line in text.splitlines()]


def test_each_state_has_its_row(tmp_path):
    write_run(tmp_path / "a" / "replicate_1", [0.975, 0.9781], levels=1)
    write_run(tmp_path / "a" / "replicate_2", [0.975], levels=1, checkpoints={1: [1234]})
    write_run(tmp_path / "a" / "replicate_10", [0.975, 0.9712], levels=20, checkpoints={2: [150]})
    write_run(tmp_path / "b" / "replicate_1", levels=1)
    with held(tmp_path / "a" / "replicate_10"):
        text, legend = printed(tmp_path).split("\n\n")
    assert legend == "Density and accuracy are those of the last finished level.\n"
    assert rows(text)[2] == HEADERS
    assert rows(text)[4:] == [
        ["a/replicate_1", "done", "1/1", "-", "80.0%", "97.81%", "+0.31"],
        ["a/replicate_2", "stopped", "1/1", "12.3/30", "100%", "97.50%", "-"],
        ["a/replicate_10", "running", "2/20", "1.5/30", "80.0%", "97.12%", "-0.38"],
        ["b/replicate_1", "stopped", "0/1", "-", "-", "-", "-"],
    ]


def test_branches_are_indented_below_their_run_and_compared_with_its_dense_network(tmp_path):
    run = write_run(tmp_path / "a" / "replicate_1", [0.9, 0.92], levels=1)
    write_run(tmp_path / "a" / "replicate_2", [0.8], levels=0)
    for label, level, accuracy in (("mask 10", 2, 0.85), ("mask 9", 0, 0.9)):
        details = {"branch_levels": [level]}
        write_branch(run, label, {level: accuracy}, details=details)
    lines = printed(tmp_path).splitlines()
    assert [line[:13].rstrip() for line in lines[4:]] == [
        "a/replicate_1",
        "  mask 9",
        "  mask 10",
        "a/replicate_2",
    ]
    assert lines[5].split()[2:] == ["done", "1", "of", "1", "-", "100%", "90.00%", "+0.00"]
    assert lines[6].split()[2:] == ["done", "1", "of", "1", "-", "64.0%", "85.00%", "-5.00"]


def test_of_a_branch_as_many_levels_are_done_as_were_asked_for(tmp_path):
    run = write_run(tmp_path / "a" / "replicate_1", [0.9] * 12, levels=11)
    asked = {"branch_levels": [3, 7, 11]}
    write_branch(run, "all", {3: 0.9, 7: 0.8, 11: 0.7}, details=asked)
    write_branch(run, "last", {11: 0.7}, details=asked, checkpoints={3: [150]})
    write_branch(run, "none", {}, details=asked)
    write_branch(run, "old", {7: 0.8, 11: 0.7})
    with held(run / "branches" / "none"):
        table = printed(tmp_path).split("\n\n")[0]
    found = {line.split()[0]: line.split()[1:6] for line in table.splitlines()[5:]}
    assert found == {
        "all": ["done", "3", "of", "3", "-"],
        "last": ["stopped", "1", "of", "3", "1.5/30"],
        "none": ["running", "0", "of", "3", "-"],
        "old": ["done", "2", "of", "?", "-"],
    }


def test_what_is_wrong_with_broken_runs_stands_below_the_table_on_one_line(tmp_path):
    run = write_run(tmp_path / "a" / "replicate_1", [0.975, 0.98], levels=1)
    branch = write_branch(run, "mask", {1: 0.9}, details={"branch_levels": [1]})
    (run / "config.json").unlink()
    (branch / "level_1" / "level.json").write_text("{")
    table, of_run, of_branch = printed(tmp_path).split("\n\n")
    assert rows(table)[4] == ["a/replicate_1", "broken", "-", "-", "-", "-", "-"]
    assert rows(table)[5] == ["mask", "broken", "-", "-", "-", "-", "-"]
    assert of_run.startswith(f"a/replicate_1 is broken: {run / 'config.json'} is missing.")
    assert of_branch.startswith(
        f"a/replicate_1/branches/mask is broken: {branch / 'level_1' / 'level.json'} is damaged"
    )
    assert "\n" not in of_branch.rstrip("\n")


def test_whether_a_run_is_broken_is_told_apart_and_each_problem_has_a_line(tmp_path):
    run = write_run(tmp_path / "a" / "replicate_1", [0.975, 0.98], levels=1)
    write_run(tmp_path / "b" / "replicate_1", [0.975], levels=1)
    assert not print_runs(tmp_path, Console(file=io.StringIO()))
    (run / "level_1" / "masks.npz").write_bytes(b"1")
    (run / "flags.cfg").write_text("--levels=9\n")
    assert print_runs(tmp_path, Console(file=io.StringIO()))
    table, note, *lines = printed(tmp_path).split("\n\n")
    assert rows(table)[4] == ["a/replicate_1", "broken", "1/1", "-", "80.0%", "98.00%", "+0.50"]
    assert note.startswith("Density and accuracy of a broken run are those that were recorded when")
    assert [line.split()[3].removeprefix(f"{run}/") for line in lines] == [
        "level_1/masks.npz",
        "flags.cfg",
    ]


def test_where_training_diverged_stands_below_the_table(tmp_path):
    diverged = {"diverged": {"level": 0, "step": 3}}
    run = write_run(tmp_path / "a" / "replicate_1", levels=2, details=diverged)
    table, sentence = printed(tmp_path).split("\n\n")
    assert rows(table)[4][:3] == ["a/replicate_1", "stopped", "0/2"]
    assert sentence == "a/replicate_1 diverged at step 3 of level 0.\n"
    with held(run):
        assert "diverged" not in printed(tmp_path)


def test_what_can_be_done_about_a_damaged_level_is_said_once(tmp_path):
    run = write_run(tmp_path / "a" / "replicate_1", [0.975, 0.98], levels=1)
    (run / "level_1" / "masks.npz").write_bytes(b"1")
    (run / "level_1" / "metrics.csv").unlink()
    _, _, problem = printed(tmp_path).split("\n\n")
    level = run / "level_1"
    found = (f"{level}/masks.npz was changed", f"{level}/metrics.csv is missing")
    assert [problem.count(text) for text in found] == [1, 1]
    assert problem.count(f"or delete the folder {level} and start") == 1


def test_a_tiny_difference_has_no_minus_zero(tmp_path):
    write_run(tmp_path / "replicate_1", [0.975, 0.974999], levels=1)
    assert printed(tmp_path).split()[-1] == "+0.00"


def test_a_diverged_accuracy_is_a_dash(tmp_path):
    write_run(tmp_path / "replicate_1", [0.975, float("nan")], levels=1)
    assert printed(tmp_path).split()[-2:] == ["-", "-"]


def test_the_widest_numbers_fit_80_columns_beside_a_path_of_28_characters(tmp_path):
    path = tmp_path / "fashion_resnet20" / "replicate_1"
    state = RunState(
        path,
        "running",
        level=25,
        levels=30,
        epoch=123.4,
        epochs=182.5,
        density=0.00687,
        test_accuracy=1.0,
        dense_accuracy=0.1,
        complete_levels=(24,),
    )
    text = table_text([state], tmp_path)
    assert rows(text)[-1] == [
        "fashion_resnet20/replicate_1",
        "running",
        "25/30",
        "123.4/182.5",
        "0.687%",
        "100.00%",
        "+90.00",
    ]
    assert max(map(len, text.splitlines())) <= 80


def test_a_long_name_is_folded_on_a_terminal_and_whole_in_a_file(tmp_path):
    name = "a_very_long_name_" * 8
    write_run(tmp_path / name / "replicate_1", [0.9], levels=0)
    on_terminal = printed(tmp_path, terminal=True).splitlines()
    assert max(map(len, on_terminal)) <= 80
    folded = "".join(line.split()[0] for line in on_terminal[4:])
    assert folded == f"{name}/replicate_1"
    assert [f"{name}/replicate_1", "done"] == rows(printed(tmp_path))[-1][:2]
    on_terminal = printed(tmp_path, width=200, terminal=True)
    assert [f"{name}/replicate_1", "done"] == rows(on_terminal)[-1][:2]


def test_a_narrow_terminal_folds_instead_of_cutting(tmp_path):
    write_run(tmp_path / "name" / "replicate_1", [0.975, 0.9712], levels=1)
    text = printed(tmp_path, width=40, terminal=True)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 40


@pytest.mark.parametrize("terminal", [True, False])
def test_names_are_text(tmp_path, terminal):
    run = write_run(tmp_path / "red" / "replicate_1", [0.9, 0.8], levels=1)
    write_branch(run, "mask", {})
    (run / "branches" / "mask").rename(run / "branches" / "[b]:smile:\x1b[31m\n")
    (tmp_path / "red").rename(tmp_path / "[red]")
    (tmp_path / "[red]" / "replicate_1" / "level_1" / "level.json").unlink()
    (tmp_path / "[red]" / "replicate_1" / "config.json").write_text("")
    text = printed(tmp_path, terminal=terminal)
    assert ["[red]/replicate_1", "broken"] in [row[:2] for row in rows(text)]
    assert r"[b]:smile:\x1b[31m\n " in text
    assert f"\n[red]/replicate_1 is broken: {tmp_path}/[red]/replicate_1/config.json" in text
    assert "\x1b[31m" not in text


def test_a_name_that_is_not_unicode_can_be_printed(tmp_path):
    write_run(tmp_path / "name" / "replicate_1", [0.9], levels=0)
    (tmp_path / "name").rename(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    print_runs(tmp_path, Console(file=stream, width=80))
    stream.seek(0)
    assert r"caf\udce9/replicate_1" in stream.read()


@pytest.mark.parametrize("name", ["missing", "file"])
def test_a_workdir_that_is_no_folder_is_an_error_that_names_the_flag(tmp_path, name):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=f"--workdir={tmp_path / name} cannot be listed"):
        print_runs(tmp_path / name)


def test_a_workdir_without_runs_is_said_to_have_none(tmp_path):
    (tmp_path / "b" / "other").mkdir(parents=True)
    text = printed(tmp_path, width=40)
    assert text == f"--workdir={tmp_path}: there are no runs in it.\n"


def test_a_run_folder_itself_can_be_listed_and_a_home_folder_be_meant(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    run = write_run(tmp_path / "runs" / "replicate_1", [0.9], levels=0)
    assert rows(printed(str(run)))[4][:2] == ["replicate_1", "done"]
    assert rows(printed("~/runs"))[4][:2] == ["replicate_1", "done"]


@pytest.mark.parametrize(
    ("argument", "call"),
    [
        ("--workdir", print_runs),
        ("--run", lambda path: verify_runs(Path(), [Path(path)], Console(file=io.StringIO()))),
        ("--run", lambda path: run_paths([Path(path)])),
        ("--run", named_runs),
    ],
    ids=["list", "verify", "report", "pattern"],
)
def test_a_home_folder_that_there_is_not_is_refused(argument, call):
    with pytest.raises(ValueError, match=f"^{argument}=~nobody_of_this_name/runs: there is no"):
        call("~nobody_of_this_name/runs")


def test_a_folder_of_something_else_is_not_to_be_deleted(tmp_path):
    (tmp_path / "config.json").write_text('{"hidden_size": 768}')
    console = Console(file=io.StringIO(), width=1000)
    assert verify_runs(Path(), [tmp_path], console)
    text = console.file.getvalue()
    assert "config.json is not of a run; " in text
    assert "To get it back: Restore it from a backup, if it is of a run.\n" in text
