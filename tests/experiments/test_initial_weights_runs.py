"""Runs that start from the weights of a file."""

import shutil

import numpy as np
import pytest

import tf_lottery
from tests.command_line import run_command_of
from tf_lottery.experiments.measuring.analyzed_run import AnalyzedRun
from tf_lottery.store.errors import RunFolderMismatchError
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.training.network import weights_of

SHORT = {"levels": 1, "train_steps": "6it", "evaluate_every": "6it", "rewind_step": "0it"}


@pytest.fixture
def weights(finished_run, tmp_path):
    """A file in the folder `mine` with the weights of a trained network, by level."""
    (tmp_path / "mine").mkdir()
    file = tmp_path / "mine" / "pets.weights.h5"

    def write(level):
        tf_lottery.strip(tf_lottery.load_ticket(finished_run, level)).save_weights(file)
        return file

    write(0)
    return write


@pytest.fixture
def run(weights, flags_of_tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path / "mine")
    own = {"workdir": str(tmp_path), "initial_weights": "pets.weights.h5", "init_seed": 9}
    config = tf_lottery.config_from_values({**flags_of_tiny, **SHORT, **own})
    tf_lottery.run_experiment(config)
    monkeypatch.chdir("/")
    return config.run_path


@pytest.mark.slow
def test_the_search_rewinds_to_the_weights_of_the_file(
    run, finished_run, command, tmp_path, weights
):
    given = weights_of(tf_lottery.load_ticket(finished_run, 0))
    for name, value in weights_of(tf_lottery.load_ticket(run, 0, "rewind")).items():
        np.testing.assert_array_equal(value, given[name], err_msg=name)
    assert RunFolder.read(run).identity["initial_weights"] == "pets.weights.h5"
    # Its controls find the file, and reinitialize by drawing.
    run_command_of("--experiment=branch", f"--run={run}", "--branch=random_reinitialization")
    drawn = weights_of(tf_lottery.load_ticket(run / "branches" / "random_reinitialization", 1))
    assert np.abs(drawn["dense_1/kernel"] - given["dense_1/kernel"]).max() > 0.05
    file = tmp_path / "mine" / "pets.weights.h5"
    moved = shutil.move(file, tmp_path / "renamed.weights.h5")
    with pytest.raises(
        ValueError, match=r"there is no such file.*where it has moved or been renamed, say so"
    ):
        AnalyzedRun(run)
    AnalyzedRun(run, {"initial_weights": str(moved)})
    run_command_of(
        *("--experiment=branch", f"--run={run}", "--branch=random_mask", "--levels=1"),
        f"--initial_weights={moved}",
    )
    given = [f"--{name}={value}" for name, value in {**SHORT, "levels": 2}.items()]
    command(*given, "--init_seed=9", f"--initial_weights={moved}", workdir=tmp_path)
    assert RunFolder.read(run).complete_levels() == [0, 1, 2]


@pytest.mark.slow
def test_a_file_that_has_changed_is_noticed(run, weights, command, tmp_path):
    weights(2)
    said = r"--initial_weights=/.*pets.weights.h5: the weights are not those that .* begun with"
    with pytest.raises(RunFolderMismatchError, match=said):
        tf_lottery.run_branch(run, "random_mask", [1])
    flags = [f"--{name}={value}" for name, value in {**SHORT, "levels": 2}.items()]
    flags += [f"--initial_weights={tmp_path}/mine/pets.weights.h5", "--init_seed=9"]
    with pytest.raises(RunFolderMismatchError, match=said):
        command(*flags, workdir=tmp_path)
    # Under another name it is looked at also where nothing is left to train.
    other = shutil.copy(tmp_path / "mine" / "pets.weights.h5", tmp_path / "other.weights.h5")
    with pytest.raises(RunFolderMismatchError, match=said.replace("pets", "other")):
        command(*flags, f"--initial_weights={other}", "--levels=1", workdir=tmp_path)


def test_weights_that_do_not_fit_are_told_before_anything_is_written(
    weights, command, finished_run, tmp_path
):
    flags = [f"--initial_weights={tmp_path}/mine/pets.weights.h5", "--model=lenet_20_11"]
    with pytest.raises(
        ValueError, match=r"dense_2/kernel has shape \(20, 10\) in it and \(20, 11\)"
    ):
        command(*flags, workdir=tmp_path)
    for folder in (finished_run.parent, finished_run, finished_run / "level_0"):
        said = f"{folder} is a folder; name its weights, {finished_run}/level_0/weights.$"
        with pytest.raises(ValueError, match=f"^--initial_weights={said}"):
            command(f"--initial_weights={folder}", workdir=tmp_path)
    with pytest.raises(ValueError, match="--initial_weights=nowhere: there is no such file"):
        command("--initial_weights=nowhere", workdir=tmp_path)
    with pytest.raises(
        ValueError, match="--initial_weights_except=output is for --initial_weights="
    ):
        command("--initial_weights_except=output", workdir=tmp_path)
    assert not (tmp_path / "tiny").exists()
