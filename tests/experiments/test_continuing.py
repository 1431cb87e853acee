"""Commands that are given again, with the same flags or with others."""

from pathlib import Path

import pytest

import tf_lottery
from tests.edited_config import edit_config
from tf_lottery.experiments.running.branching import run_branch
from tf_lottery.store.errors import RunFolderError, RunFolderMismatchError


def _without_report(files):
    return {
        name: seen
        for name, seen in files.items()
        if not name.startswith(("summary.", "densities."))
    }


def test_finished_command_only_reports(
    copied_run, run_tiny, snapshot, outcome_of, tmp_path, capsys
):
    before, outcome = snapshot(copied_run), outcome_of(copied_run)
    run_tiny(tmp_path)
    after, output = snapshot(copied_run), capsys.readouterr().out
    assert _without_report(after) == _without_report(before)
    assert {name: digest for name, (_, digest) in after.items()} == {
        name: digest for name, (_, digest) in before.items()
    }
    assert outcome_of(copied_run) == outcome
    assert "levels 0 to 2 are complete already" in output
    assert "training from" not in output
    for cell in ("1,580", "1,264", "1,011"):
        assert cell in output


@pytest.mark.slow
def test_train_first_then_lottery(run_tiny, finished_run, snapshot, outcome_of, tmp_path, capsys):
    run = run_tiny(tmp_path, experiment="train")
    assert not (run / "level_1").exists()
    dense = {name: seen for name, seen in snapshot(run).items() if name.startswith("level_0/")}
    assert len(dense) == 5
    run_tiny(tmp_path)
    after = snapshot(run)
    assert {name: after[name] for name in dense} == dense
    output = capsys.readouterr().out
    assert "level 0 is complete already" in output
    assert output.count("training from step 7 to 45") == 2
    assert outcome_of(run) == outcome_of(finished_run)


def test_train_on_a_finished_lottery_keeps_its_summary(copied_run, run_tiny, outcome_of, tmp_path):
    before = outcome_of(copied_run)
    run_tiny(tmp_path, experiment="train")
    assert outcome_of(copied_run) == before


@pytest.mark.slow
def test_more_levels_are_those_of_a_longer_run(
    run_tiny, finished_run, outcome_of, tmp_path, capsys
):
    run = run_tiny(tmp_path, levels=1)
    run_branch(run, "random_mask", [1])
    capsys.readouterr()
    run_tiny(tmp_path)
    assert "levels 0 to 1 are complete already" in capsys.readouterr().out
    run_branch(run, "random_mask", [1, 2])
    branch = {"branches", "random_mask"}
    found = {
        name: seen for name, seen in outcome_of(run).items() if not branch & {*Path(name).parts}
    }
    assert found == outcome_of(finished_run)
    assert "--levels=2" in (run / "flags.cfg").read_text().split()
    assert (run / "branches" / "random_mask" / "level_2").exists()


def test_fewer_levels_leave_the_others(copied_run, run_tiny, snapshot, tmp_path, capsys):
    before = snapshot(copied_run)
    run_tiny(tmp_path, levels=1)
    assert _without_report(snapshot(copied_run)) == _without_report(before)
    assert "1,011" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flag", "new", "shown"),
    [
        ("learning_rate", 0.01, ("0.0012", "0.01")),
        ("output_pruning_rate", 0.1, ("null", "0.1")),
        ("same_data_order", True, ("false", "true")),
        ("rewind_step", "0it", ('"7it"', '"0it"')),
    ],
)
def test_changed_flag(flag, new, shown, copied_run, run_tiny, snapshot, tmp_path):
    before = snapshot(copied_run)
    with pytest.raises(RunFolderMismatchError) as error:
        run_tiny(tmp_path, **{flag: new})
    line = next(line for line in str(error.value).splitlines() if f"--{flag}:" in line)
    assert f"the run folder has {shown[0]}, this command says {shown[1]}" in line
    assert snapshot(copied_run) == before


def test_other_data_under_the_same_name(copied_run, run_tiny, snapshot, tmp_path):
    before = snapshot(copied_run)
    digits = tf_lottery.data.load_dataset("digits", validation_examples=200)
    digits.train.images[0, 0, 0] += 1
    said = (
        "dataset=digits: the examples are not .* begun with; give the same ones in the same order"
    )
    with pytest.raises(RunFolderMismatchError, match=said):
        run_tiny(tmp_path, digits)
    assert snapshot(copied_run) == before


@pytest.mark.parametrize(
    ("begun_with", "advice"), [(None, "check --data_dir,"), ("pets", r"data of your own \(pets\):")]
)
def test_other_data_than_those_of_the_flag(copied_run, run_tiny, tmp_path, begun_with, advice):
    edit_config(copied_run, details={"data_sha256": "0" * 64, "data_name": begun_with})
    with pytest.raises(RunFolderMismatchError, match=f"begun with; .*{advice}.* another --name"):
        run_tiny(tmp_path)


def test_foreign_folder(run_tiny, snapshot, tmp_path):
    folder = tmp_path / "tiny" / "replicate_1"
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("all my work")
    before = snapshot(folder)
    with pytest.raises(RunFolderError, match=r"replicate_1 is not a run folder.*thesis\.txt"):
        run_tiny(tmp_path)
    assert snapshot(folder) == before
