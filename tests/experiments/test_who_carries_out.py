"""Which of several workers carry out a command, and how; in these tests there is one of them."""

import json
import os
import sys
from pathlib import Path

import pytest

import tf_lottery
from tests.command_line import command_of, run_command_of
from tests.edited_config import add_flag, edit_config
from tf_lottery.config.experiment import config_from_values
from tf_lottery.experiments import dispatch, several_workers
from tf_lottery.experiments.carry_out import analyses
from tf_lottery.experiments.commands import (
    Analyze,
    ExportTickets,
    ListRuns,
    RunBranches,
    RunExperiments,
    VerifyRuns,
    WriteReport,
)
from tf_lottery.experiments.running import early_checks

CLUSTER = {"worker": ["localhost:1", "localhost:2"]}
BOTH = pytest.mark.parametrize("index", [0, 1])


@pytest.fixture
def be_worker(monkeypatch):
    """Returns a function that makes this process the chief or the second of two workers.

    The second is told what is `said`; what the chief says is given to `follow`.
    """

    def be(index: int, said: dict | None = None, follow=lambda word: None) -> None:
        task = {"type": "worker", "index": index}
        monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": CLUSTER, "task": task}))

        def meet(place, word, answer):
            assert place.index == index
            if index:
                answer(said)
                return said
            own = word()
            follow(own)
            return own

        monkeypatch.setattr(several_workers, "meet", meet)

    return be


@pytest.fixture
def done(monkeypatch):
    """The commands that are carried out, and whether there are other workers then."""
    commands: list = []

    def do(command):
        commands.append((command, "TF_CONFIG" in os.environ))
        return 0

    monkeypatch.setattr(dispatch, "do_command", do)
    return commands


def said(*, together: bool, threads: int | None = None, onednn: bool = False, marks=()) -> dict:
    return {"together": together, "threads": threads, "onednn": onednn, "marks": list(marks)}


@BOTH
def test_what_trains_nothing_is_done_by_the_chief_as_if_it_were_alone(
    be_worker, done, tmp_path, capsys, index: int
):
    be_worker(index)
    runs = (tmp_path / "runs",)
    commands = [
        ListRuns(tmp_path),
        VerifyRuns(tmp_path),
        WriteReport(runs, None),
        ExportTickets(runs, None, None, None, tf_lottery.config.export.ExportConfig()),
    ]
    for command in commands:
        assert tf_lottery.run_command(command) == 0
    assert done == ([] if index else [(command, False) for command in commands])
    assert capsys.readouterr().out.splitlines() == (
        ["Of the 2 workers, the chief alone does this."] * len(commands) if index else []
    )
    assert "TF_CONFIG" in os.environ


def test_a_pattern_of_runs_that_only_the_chief_has_is_no_error_of_the_others(
    be_worker, done, tmp_path
):
    asked = ("--experiment=report", f"--run={tmp_path}/lenet_*")
    be_worker(1)
    run_command_of(*asked)
    assert done == []
    be_worker(0)
    with pytest.raises(ValueError, match="fits no run"):
        run_command_of(*asked)


def analysis_of(run, name: str) -> Analyze:
    return command_of(f"--experiment={name}", f"--run={run}", "--levels=1")


def test_an_analysis_with_nothing_to_train_is_the_chiefs(be_worker, done, copied_run, tmp_path):
    be_worker(0)
    tf_lottery.run_command(analysis_of(copied_run, "magnitudes"))
    assert [others for _, others in done] == [False]
    be_worker(1, said(together=False))
    tf_lottery.run_command(analysis_of(tmp_path / "elsewhere", "magnitudes"))
    assert len(done) == 1


@pytest.mark.parametrize("distribution", ["auto", "one_device"])
def test_what_an_analysis_trains_is_trained_as_its_run_was(
    be_worker, done, copied_run, distribution: str
):
    add_flag(copied_run, f"--distribution={distribution}")
    be_worker(0)
    for command in (
        analysis_of(copied_run, "instability"),
        command_of("--experiment=branch", "--branch=retrain", f"--run={copied_run}"),
    ):
        tf_lottery.run_command(command)
    assert [others for _, others in done] == [distribution == "auto"] * 2


def test_the_chief_measures_what_all_have_trained(be_worker, copied_run, monkeypatch):
    asked: list = []
    monkeypatch.setattr(analyses, "do_on_all_workers", lambda *given: asked.extend(given))
    command = command_of("--experiment=instability", f"--run={copied_run}", "--levels=0")
    be_worker(1, said(together=True, marks=[(0, "config.json")]))
    tf_lottery.run_command(command)
    tasks, do, measure = asked
    assert [task.command.changes["data_seed"] for task in tasks] == [1001, 1002]
    assert not any(task.helps for task in tasks)
    assert do is dispatch.do_command
    assert measure.args == (command, [copied_run])


@pytest.mark.parametrize("is_made", [True, False])
def test_controls_need_a_workdir_that_all_share(be_worker, done, tmp_path, is_made: bool):
    def train(folder: str) -> None:
        values = {"workdir": str(tmp_path / folder / "runs"), "dataset": "digits"}
        tf_lottery.run_command(RunExperiments((config_from_values(values),), ("random_mask",)))

    def follow(word: dict) -> None:
        be_worker(1, word)
        refused = rf"--controls=random_mask: .* not see .* --workdir={tmp_path}/own/runs; give a"
        with pytest.raises(ValueError, match=refused):
            train("own")
        assert done == []
        train("shared")

    for folder in ("shared", "own"):
        (tmp_path / folder / ("runs" if is_made else "")).mkdir(parents=True)
    be_worker(0, follow=follow)
    train("shared")
    assert len(done) == 2
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_branches_need_a_run_that_all_share(be_worker, done, copied_run, tmp_path):
    be_worker(1, said(together=True, marks=[(0, "shared.tmp-0123456789ab")]))
    for run in (copied_run, tmp_path / "elsewhere"):
        with pytest.raises(ValueError, match=f"--run={run}: every worker reads .* share"):
            tf_lottery.run_command(RunBranches((run,), None, ("retrain",), None, {}))
    assert done == []


@pytest.mark.parametrize(("given", "onednn", "threads"), [(None, False, 7), (3, True, 3)])
def test_all_compute_with_the_threads_and_kernels_of_the_chief(
    be_worker, done, half_run, tmp_path, flags_of_tiny, monkeypatch, given, onednn, threads
):
    def train(workdir: Path, threads: int | None = None) -> int | None:
        monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
        values = {**flags_of_tiny, "workdir": str(workdir), "threads": threads}
        tf_lottery.run_command(RunExperiments((config_from_values(values),)))
        return done[-1][0].configs[0].run.threads

    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.delitem(sys.modules, "tensorflow")
    edit_config(half_run, details={"threads": 7, "onednn": onednn})
    words: list[dict] = []
    be_worker(0, follow=words.append)
    # What the chief was not given is not in its flags.
    assert train(tmp_path, given) == given
    assert words == [said(together=True, threads=threads, onednn=onednn)]
    be_worker(1, words[0])
    assert train(tmp_path / "elsewhere") == threads
    assert os.environ.get("TF_ENABLE_ONEDNN_OPTS") == ("1" if onednn else None)


@BOTH
def test_what_the_chief_alone_needs_is_asked_of_it_alone(
    be_worker, done, tmp_path, monkeypatch, index: int
):
    def refuse(names: str) -> None:
        raise ValueError("--log_to=wandb: it is not installed")

    monkeypatch.setattr(early_checks, "check_loggers", refuse)
    be_worker(index, said(together=True))
    config = config_from_values({"workdir": str(tmp_path), "dataset": "digits"})
    if index:
        tf_lottery.run_command(RunExperiments((config,)))
    else:
        with pytest.raises(ValueError, match="--log_to=wandb"):
            tf_lottery.run_command(RunExperiments((config,)))
    assert len(done) == index
