"""The SavedModel of its ticket that a run leaves, in its folder or where --export_dir says."""

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import tf_lottery
from tf_lottery.experiments.commands import RunExperiments
from tf_lottery.store.atomic import is_leftover
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.seal import read_seal, verify_seal
from tf_lottery.tickets.run_journal import RunJournal

SLOW_EXPORT = ("--experiment=export", "--nomeasure", "--formats=saved_model,keras,tflite")


def of(folder: Path) -> str:
    return read_seal(folder, "export.json")["record"]["of"]


def bias_of(folder: Path) -> np.ndarray:
    (found,) = [
        variable.numpy()
        for variable in tf.saved_model.load(str(folder)).variables
        if variable.shape == (20,)
    ]
    return found


def trained_bias(run: Path, level: int) -> np.ndarray:
    weights = RunJournal(RunFolder.read(run)).load(level)[0]
    (found,) = [value for value in weights.values() if value.shape == (20,)]
    return found


def test_the_ticket_goes_into_the_run_folder_once(copied_run, run_tiny, snapshot, capsys):
    run_tiny(copied_run.parents[1], export_ticket=True)
    folder = copied_run / "export" / "level_2_saved_model"
    assert f"SavedModel: {folder}\n" in capsys.readouterr().out
    np.testing.assert_array_equal(bias_of(folder), trained_bias(copied_run, 2))
    assert of(folder) == "tiny/replicate_1/level_2"
    before = snapshot(folder)
    run_tiny(copied_run.parents[1], export_ticket=True)
    assert snapshot(folder) == before, "written again"
    assert [path.name for path in (copied_run / "export").iterdir()] == [folder.name]


@pytest.mark.slow
def test_a_finished_run_that_is_shown_again_says_where_its_ticket_is(
    copied_run, flags_of_tiny, tmp_path, capsys
):
    flags = {**flags_of_tiny, "workdir": str(tmp_path), "export_ticket": True}
    config = tf_lottery.config_from_values(flags)
    folder = copied_run / "export" / "level_2_saved_model"
    for _ in range(2):
        tf_lottery.run_command(RunExperiments((config,)))
        assert capsys.readouterr().out.endswith(f"SavedModel: {folder}\n")
    damaged = folder / "export.json"
    damaged.write_text("{")
    tf_lottery.run_command(RunExperiments((config,)))
    shown = capsys.readouterr().out
    assert f"Note: {damaged} is damaged" in shown
    assert "SavedModel: " not in shown


@pytest.mark.slow
def test_a_damaged_ticket_is_written_anew_where_it_may_be(
    copied_run, flags_of_tiny, tmp_path, capsys
):
    flags = {**flags_of_tiny, "workdir": str(tmp_path), "export_ticket": True}
    config = tf_lottery.config_from_values(flags)
    tf_lottery.run_command(RunExperiments((config,)))
    folder = copied_run / "export" / "level_2_saved_model"
    (folder / "saved_model.pb").write_bytes(b"")
    tf_lottery.run_command(RunExperiments((config,), overwrite=True))
    verify_seal(folder, name="export.json")
    assert capsys.readouterr().out.endswith(f"SavedModel: {folder}\n")


@pytest.mark.slow
def test_levels_have_folders_of_their_own(copied_run, run_tiny):
    for levels in (2, 1):
        run_tiny(copied_run.parents[1], export_ticket=True, levels=levels)
    for level in (1, 2):
        folder = copied_run / "export" / f"level_{level}_saved_model"
        np.testing.assert_array_equal(bias_of(folder), trained_bias(copied_run, level))


@pytest.mark.slow
def test_a_folder_of_its_own_takes_no_other_ticket(copied_run, run_tiny, snapshot, tmp_path):
    shipped = tmp_path / "shipped"
    where = {"workdir": str(tmp_path), "export_dir": str(shipped)}
    run_tiny(tmp_path, levels=1, export_dir=str(shipped))
    before, trained = snapshot(shipped), snapshot(copied_run)
    run_tiny(tmp_path, levels=1, export_dir=str(shipped))
    assert snapshot(shipped) == before, "the same ticket was written again"
    message = rf"^--export_dir={shipped} holds an export of tiny/replicate_1/level_1; .*--overwrite"
    with pytest.raises(ValueError, match=message):
        run_tiny(tmp_path, export_dir=str(shipped))
    with pytest.raises(ValueError, match=message):
        run_tiny(tmp_path, replicate=2, export_dir=str(shipped))
    assert not copied_run.with_name("replicate_2").exists(), "refused only after training began"
    assert snapshot(shipped) == before
    config = tf_lottery.config_from_values(
        {"name": "tiny", "model": "lenet_20_10", "train_steps": "45it", "evaluate_every": "10it"}
        | {"levels": 2, "rewind_step": "7it", "jit_compile": "off"}
        | where
    )
    tf_lottery.run_experiment(config, overwrite=True)
    assert of(shipped) == "tiny/replicate_1/level_2"
    assert snapshot(copied_run).keys() == trained.keys()


def test_showing_a_run_again_does_not_put_its_ticket_over_another(
    copied_run, run_tiny, snapshot, tmp_path
):
    shipped = tmp_path / "shipped"
    tf_lottery.export_saved_model(tf_lottery.load_ticket(copied_run, 1), shipped)
    before = snapshot(shipped)
    with pytest.raises(ValueError, match=rf"^--export_dir={shipped} holds an export of "):
        run_tiny(tmp_path, export_dir=str(shipped))
    assert snapshot(shipped) == before


@pytest.mark.slow
def test_what_was_put_into_the_runs_own_export_stays(copied_run, run_tiny, tmp_path):
    run_tiny(tmp_path, export_ticket=True)
    note = copied_run / "export" / "level_2_saved_model" / "assets" / "notes.txt"
    note.write_text("all my work")
    with pytest.raises(ValueError, match=r"^the run's own export folder .* assets/notes\.txt"):
        run_tiny(tmp_path, export_ticket=True)
    assert note.read_text() == "all my work"


@pytest.mark.slow
def test_a_killed_export_is_cleared_and_a_running_one_is_not(copied_run, start_main, tmp_path):
    exports = copied_run / "export"

    def started(level: int):
        process = start_main(
            *SLOW_EXPORT, f"--run={copied_run}", f"--levels={level}", workdir=tmp_path
        )
        process.wait_for(exports, f"level_{level}.tmp-*/saved_model")
        return process

    started(1).kill()
    (killed,) = exports.glob("level_1.tmp-*")
    assert not (exports / "level_1").exists()
    running = started(2)
    # It had cleared the one that was killed before it began to write.
    assert not killed.exists()
    (written,) = exports.glob("level_2.tmp-*")
    os.kill(running.pid, signal.SIGSTOP)
    third = start_main(*SLOW_EXPORT, f"--run={copied_run}", "--levels=1", workdir=tmp_path)
    assert third.wait() == 0, third.output
    assert written.exists()
    os.kill(running.pid, signal.SIGCONT)
    assert running.wait() == 0, running.output
    names = sorted(path.name for path in exports.iterdir())
    assert names == ["level_1", "level_2"]
    assert not any(is_leftover(name) for name in names)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.0, 0.3, 1.0, 3.0])
def test_an_export_that_replaces_another_can_be_killed(copied_run, start_main, tmp_path, seconds):
    folder = copied_run / "export" / "level_2"
    given = (*SLOW_EXPORT, f"--run={copied_run}")
    process = start_main(*given, workdir=tmp_path)
    assert process.wait() == 0, process.output
    before = read_seal(folder, "export.json")
    process = start_main(*given, "--overwrite", workdir=tmp_path)
    process.wait_for(folder.parent, "level_2.tmp-*")
    time.sleep(seconds)
    process.kill()
    verify_seal(folder, name="export.json")
    after = read_seal(folder, "export.json")
    assert after["files"].keys() == before["files"].keys()
    process = start_main(*given, "--overwrite", workdir=tmp_path)
    assert process.wait() == 0, process.output
    assert [path.name for path in folder.parent.iterdir()] == ["level_2"]
