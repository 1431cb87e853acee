"""The number of threads of a run: kept, and told where the last bits may depend on it."""

import pytest

import tf_lottery
from tests.edited_config import edit_config
from tf_lottery.experiments.setup import Experiment
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


@pytest.mark.parametrize("convolutional", [True, False])
def test_another_number_is_told_where_sums_depend_on_it(
    convolutional, half_run, run_tiny, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(Experiment, "is_convolutional", convolutional)
    edit_config(half_run, details={"threads": threads_in_use() + 5})
    run_tiny(tmp_path)
    said = capsys.readouterr().out
    told = f"begun with {threads_in_use() + 5} threads and goes on with {threads_in_use()}:"
    assert (told in said) == convolutional
    assert RunFolder.read(half_run).details.threads == threads_in_use() + 5
