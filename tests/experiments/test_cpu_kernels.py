"""oneDNN's kernels: used by new runs, and not brought into those that were begun without them."""

import os
import sys

import pytest

from tests.edited_config import edit_config
from tf_lottery.config.experiment import config_from_values
from tf_lottery.experiments.commands import RunExperiments
from tf_lottery.experiments.cpu_kernels import choose_kernels
from tf_lottery.experiments.dispatch import run_command
from tf_lottery.experiments.running.setup import Experiment
from tf_lottery.store.run_folder import RunFolder

VARIABLE = "TF_ENABLE_ONEDNN_OPTS"


@pytest.fixture
def chosen(monkeypatch):
    """What a new process on an x86 processor chooses for runs."""
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.delitem(sys.modules, "tensorflow")

    def of(*runs):
        monkeypatch.delenv(VARIABLE, raising=False)
        choose_kernels(runs)
        return os.environ.get(VARIABLE)

    return of


def test_runs_go_on_with_those_they_were_begun_with(chosen, half_run, tmp_path):
    new = tmp_path / "new"
    assert chosen(new) == "1"
    for onednn, value in ((True, "1"), (False, None)):
        edit_config(half_run, details={"onednn": onednn})
        for named in (half_run, half_run.parent):
            assert chosen(named) == value
        assert chosen(new, half_run) == value


def test_who_takes_a_dense_network_has_its_kernels(copied_run, tmp_path, monkeypatch):
    values = {"workdir": str(tmp_path / "new"), "dense_from": str(copied_run)}
    asked: list = []
    monkeypatch.setattr("tf_lottery.experiments.dispatch.choose_kernels", asked.extend)
    monkeypatch.setattr("tf_lottery.experiments.dispatch._carry_out", lambda command: 0)
    config = config_from_values(values)
    run_command(RunExperiments((config,)))
    assert asked == [config.run_path, copied_run]


def test_nothing_is_chosen_on_other_processors(chosen, tmp_path, monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert chosen(tmp_path) is None


def test_what_is_set_or_imported_already_stays(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "0")
    choose_kernels([tmp_path])
    assert os.environ[VARIABLE] == "0"
    monkeypatch.delenv(VARIABLE)
    assert "tensorflow" in sys.modules
    choose_kernels([tmp_path])
    assert VARIABLE not in os.environ


def test_a_change_is_told_where_sums_depend_on_it(
    half_run, run_tiny, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(Experiment, "is_convolutional", True)
    monkeypatch.setenv(VARIABLE, "0")
    edit_config(half_run, details={"onednn": True})
    run_tiny(tmp_path)
    assert (
        "begun with the environment variable TF_ENABLE_ONEDNN_OPTS=1 and goes on without it"
        in capsys.readouterr().out
    )
    assert RunFolder.read(half_run).details.onednn
