"""The number of threads of a run: kept, and told where it is another."""

import pytest

import tf_lottery
from tests.edited_config import edit_config
from tf_lottery.experiments.threads_of_runs import recorded_threads
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.training.threads import threads_in_use, use_threads


@pytest.mark.slow
def test_a_run_and_its_branches_record_it(copied_run):
    assert RunFolder.read(copied_run).details.threads == threads_in_use() >= 1
    tf_lottery.run_branch(copied_run, "retrain", [1], train_steps="12it")
    (branch,) = (copied_run / "branches").iterdir()
    assert recorded_threads(branch) == threads_in_use()
    assert recorded_threads(copied_run / "nowhere") is None


def test_once_tensorflow_computes_it_stays(copied_run):
    before = threads_in_use()
    use_threads(before + 1)
    assert threads_in_use() == before


def test_who_takes_a_dense_network_begins_with_its_number(
    copied_run, run_tiny, tmp_path, monkeypatch
):
    asked = []
    monkeypatch.setattr("tf_lottery.experiments.running.skeleton.use_threads", asked.append)
    edit_config(copied_run, details={"threads": 7})
    taking = {"name": "taking", "levels": 0, "dense_from": str(copied_run)}
    own = run_tiny(tmp_path, **taking)
    edit_config(own, details={"threads": 5})
    for flags in ({}, {"threads": 3}):
        run_tiny(tmp_path, **taking, **flags)
    assert asked == [7, 5, 3]


def test_another_number_is_told(half_run, run_tiny, tmp_path, capsys):
    edit_config(half_run, details={"threads": threads_in_use() + 5})
    run_tiny(tmp_path)
    said = capsys.readouterr().out
    assert f"begun with {threads_in_use() + 5} threads and goes on with {threads_in_use()}:" in said
    assert RunFolder.read(half_run).details.threads == threads_in_use() + 5
