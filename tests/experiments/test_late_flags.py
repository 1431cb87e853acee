"""What flags ask for is done of a finished run too, or it is said that it cannot be any more."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import tf_lottery
from tests.edited_config import edit_config
from tests.report.runs_on_disk import write_run
from tf_lottery.experiments.commands import RunExperiments
from tf_lottery.experiments.jobs.tasks import tasks_of_experiments
from tf_lottery.experiments.refusals.late_flags import tell_of_late_flags
from tf_lottery.store.run_folder import RunFolder


@pytest.fixture
def said(command, copied_run, capsys) -> Callable[..., list[str]]:
    """Returns a function that gives the notes of a command about the finished run."""

    def notes(*arguments: str) -> list[str]:
        capsys.readouterr()
        command(*arguments, workdir=copied_run.parents[1])
        return [line for line in capsys.readouterr().out.splitlines() if line.startswith("Note")]

    return notes


def test_states_that_were_not_kept_cannot_be_had_any_more(said, copied_run, snapshot):
    before = {n: seen for n, seen in snapshot(copied_run).items() if "summary" not in n}
    (note,) = said("--keep_states=0it,3it,7it,30it")
    assert note.startswith("Note: --keep_states=3it,30it: the dense network of ")
    assert "was not kept and cannot be had any more. To have it, train it again with " in note
    assert note.endswith("--experiment=train, another --name, and --keep_states=3it,30it.")
    after = {n: seen for n, seen in snapshot(copied_run).items() if "summary" not in n}
    assert {n for n in after if after[n] != before[n]} <= {"flags.cfg"}
    # Initial weights are drawn anew, and the rewind step's are there.
    assert not said("--keep_states=0it,7it")
    RunFolder.read(copied_run).kept_state(30).save({"kernel": np.zeros(1)}, {"step": 30})
    assert "--keep_states=3it:" in said("--keep_states=3it,30it")[0]
    with pytest.raises(ValueError, match="45it is iteration 45, and training ends at 45"):
        said("--keep_states=45it")


@pytest.mark.slow
def test_states_that_were_kept_are_not_spoken_of(run_tiny, tmp_path, capsys):
    for _ in range(2):
        run_tiny(tmp_path, experiment="train", keep_states="3it")
    assert "--keep_states" not in capsys.readouterr().out
    run_tiny(tmp_path, levels=1, keep_states="3it,4it")
    assert "Note: --keep_states=4it: the dense network" in capsys.readouterr().out


def test_a_state_that_an_interrupted_training_is_beyond_is_told(flags_of_tiny, tmp_path, capsys):
    run = write_run(tmp_path / "replicate_1", checkpoints={0: [20]}, details={"train_steps": 45})
    flags = {**flags_of_tiny, "keep_states": "10it,30it"}
    tell_of_late_flags(tf_lottery.config_from_values(flags), RunFolder.read(run))
    assert "Note: --keep_states=10it: the dense network of" in capsys.readouterr().out


def test_a_dense_network_that_is_trained_is_not_taken(said, copied_run, tmp_path):
    other = tmp_path / "other" / "replicate_1"
    shutil.copytree(copied_run, other)
    # The same network is what was taken, or might have been.
    assert not said(f"--dense_from={other}")
    for path in (other, tmp_path / "nowhere"):
        shutil.rmtree(other, ignore_errors=True)
        assert said(f"--dense_from={path}") == [
            f"Note: --dense_from={path} has no effect: the dense network of {copied_run} is "
            "trained already. To take it from there, choose another --name."
        ]


def test_how_a_finished_run_would_be_trained_has_no_effect(said, copied_run):
    assert said("--threads=77", "--in_memory=off", "--jobs=3") == [
        "Note: --jobs=3 has no effect: nothing is left to train.",
        "Note: --threads=77, --in_memory=off have no effect: nothing is left to train.",
    ]
    edit_config(copied_run, details={"threads": 77})
    assert not said("--threads=77", "--jobs=1")
    branch = ("--experiment=branch", f"--run={copied_run}", "--branch=random_mask")
    said(*branch, "--levels=2")
    assert said(*branch, "--levels=2", "--threads=3", "--jobs=2", "--keep_states=3it") == [
        "Note: --keep_states=3it has no effect: --experiment=branch trains no dense network, and "
        "exports nothing.",
        "Note: --jobs=2 has no effect: nothing is left to train.",
        "Note: --threads=3 has no effect: nothing is left to train.",
    ]


def test_jobs_of_one_training_alone(command, tmp_path, capsys):
    command("--experiment=train", "--train_steps=12it", "--jobs=2", workdir=tmp_path)
    note = "Note: --jobs=2 has no effect: there is one training alone."
    assert note in capsys.readouterr().out.splitlines()


def test_controls_that_are_missing_are_trained(said, command, copied_run, capsys):
    branch = copied_run / "branches" / "random_mask"
    asked = ("--controls=random_mask", "--control_levels")
    assert not said(f"{asked[0]}", f"{asked[1]}=2")
    assert RunFolder.read(branch).complete_levels() == [2]
    assert said(f"{asked[0]}", f"{asked[1]}=2", "--jobs=2") == [
        "Note: --jobs=2 has no effect: nothing is left to train."
    ]
    before = (branch / "level_2" / "level.json").read_bytes()
    said(asked[0])
    assert RunFolder.read(branch).complete_levels() == [1, 2]
    assert (branch / "level_2" / "level.json").read_bytes() == before


def test_runs_of_a_sweep_that_have_their_dense_network_are_asked_for_nothing(
    flags_of_tiny, tmp_path
):
    configs = tuple(
        tf_lottery.config_from_values(
            {**flags_of_tiny, "workdir": str(tmp_path), "name": name, "rewind_step": f"{name}it"}
        )
        for name in ("1", "2", "3")
    )

    def asked() -> list[tuple[str, bool]]:
        tasks = tasks_of_experiments(RunExperiments(configs))
        runs = [task.command.configs[0].run for task in tasks]
        return [(run.keep_states, run.dense_from is not None) for run in runs]

    assert asked() == [("2it,3it", False), ("", True), ("", True)]
    for name, expected in (
        ("2", [("3it", False), ("", False), ("", True)]),
        ("1", [("", False), ("", False), ("", True)]),
        ("3", [("", False), ("", False), ("", False)]),
    ):
        level = Path(tmp_path, name, "replicate_1", "level_0")
        level.mkdir(parents=True)
        (level / "level.json").touch()
        assert asked() == expected
