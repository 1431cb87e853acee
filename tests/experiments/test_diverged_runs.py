"""What is remembered of training that has diverged."""

import pytest

import tf_lottery
from tests.edited_config import edit_config
from tf_lottery.report.run_state import read_run_state
from tf_lottery.store.errors import StorageError
from tf_lottery.store.run_details import Divergence
from tf_lottery.store.run_folder import RunFolder

WIDE = {
    "initializer": "normal",
    "init_stddev": 1e9,
    "optimizer": "sgd",
    "rewind_step": "0it",
    "train_steps": "5it",
    "evaluate_every": "5it",
    "levels": 0,
}


def diverge(run_tiny, tmp_path):
    with pytest.raises(tf_lottery.TrainingDivergedError) as caught:
        run_tiny(tmp_path, **WIDE)
    return caught.value


def test_where_it_diverged_is_remembered(run_tiny, tmp_path):
    error = diverge(run_tiny, tmp_path)
    state = read_run_state(tmp_path / "tiny" / "replicate_1")
    assert state.state == "stopped"
    assert state.diverged == Divergence(0, error.divergence.step)
    assert f"step {state.diverged.step} of level 0" in str(error)


def test_a_run_that_goes_on_has_not_diverged(run_tiny, tmp_path):
    run_tiny(tmp_path, levels=0)
    run = tmp_path / "tiny" / "replicate_1"
    (run / "level_0" / "level.json").unlink()
    edit_config(run, details={"diverged": {"level": 0, "step": 3}})
    assert RunFolder.read(run).details.diverged == Divergence(0, 3)
    run_tiny(tmp_path, levels=0)
    assert RunFolder.read(run).details.diverged is None
    assert "diverged" not in (run / "config.json").read_text()


@pytest.mark.slow
def test_a_disk_that_is_full_does_not_hide_it(run_tiny, tmp_path, monkeypatch):
    remember = RunFolder.remember

    def full(run, details):
        if details.diverged is not None:
            raise StorageError(run.path, "No space left on device")
        remember(run, details)

    monkeypatch.setattr(RunFolder, "remember", full)
    diverge(run_tiny, tmp_path)
    assert read_run_state(tmp_path / "tiny" / "replicate_1").diverged is None
