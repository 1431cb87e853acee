"""Runs of a network that a function in a file of the user's makes."""

import shutil
import sys
from pathlib import Path

import pytest

import tf_lottery
from tests.command_line import run_command_of
from tf_lottery.experiments.measuring.analyzed_run import AnalyzedRun
from tf_lottery.models import build
from tf_lottery.store.errors import RunFolderMismatchError
from tf_lottery.store.run_folder import RunFolder

NETWORK = """
import tf_keras as keras

def build(inputs, classes):
    x = keras.layers.Dense(12, "relu")(keras.layers.Flatten()(inputs))
    return keras.layers.Dense(classes)(x)
"""
SHORT = {"levels": 1, "train_steps": "6it", "evaluate_every": "6it", "rewind_step": "0it"}


def forget():
    """As in a new process."""
    sys.modules.pop("pets_network", None)
    build._draw.cache_clear()


@pytest.fixture
def run(flags_of_tiny, tmp_path, monkeypatch):
    """A run whose network lies in another folder than the current one now."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    here = tmp_path / "mine"
    here.mkdir()
    (here / "pets_network.py").write_text(NETWORK)
    monkeypatch.chdir(here)
    flags = {**flags_of_tiny, **SHORT, "workdir": str(tmp_path), "model": "pets_network:build"}
    config = tf_lottery.config_from_values(flags)
    tf_lottery.run_experiment(config)
    sys.path.remove(str(here))
    monkeypatch.chdir(tmp_path)
    forget()
    yield config.run_path
    forget()


@pytest.mark.slow
def test_later_commands_find_the_network_where_it_was(run, command, tmp_path):
    ticket = tf_lottery.load_ticket(run, 1)
    assert [layer.name for layer in ticket.layers[-2:]] == ["dense", "dense_1"]
    assert tf_lottery.get_mask(ticket).density == pytest.approx(0.8, abs=0.01)
    forget()
    run_command_of("--experiment=branch", f"--run={run}", "--branch=random_mask")
    assert RunFolder.read(run / "branches" / "random_mask").complete_levels() == [1]
    forget()
    assert AnalyzedRun(run / "branches" / "random_mask").level(1).mask.remaining
    flags = [f"--{name}={value}" for name, value in {**SHORT, "levels": 2}.items()]
    command(*flags, "--model=pets_network:build", workdir=tmp_path)
    assert RunFolder.read(run).complete_levels() == [0, 1, 2]


def test_a_network_that_has_changed_or_is_gone_is_noticed(run, tmp_path):
    file = Path(RunFolder.read(run).details.network_file)
    assert file == tmp_path / "mine" / "pets_network.py"
    file.write_text(NETWORK + "# Remarks change nothing.\n")
    tf_lottery.load_ticket(run, 0)
    forget()
    file.write_text(NETWORK.replace("relu", "tanh"))
    said = r"--model=pets_network:build does not make the network that .* by /.*pets_network.py;"
    with pytest.raises(RunFolderMismatchError, match=said):
        tf_lottery.load_ticket(run, 0)
    with pytest.raises(RunFolderMismatchError, match=said):
        tf_lottery.run_branch(run, "random_mask", [1])
    forget()
    sys.path.remove(str(file.parent))
    shutil.move(file, tmp_path / "elsewhere.py")
    said = r"was made with /.*mine/pets_network.py, which is not there any more. Put the module"
    for later in (lambda: tf_lottery.load_ticket(run, 0), lambda: AnalyzedRun(run)):
        with pytest.raises(ValueError, match=f"^--model=pets_network:build: the run {said}"):
            later()
