"""The lowest validation loss is found between evaluations as if all were whole evaluations."""

import signal

import numpy as np
import pytest

from tf_lottery.report.summary import early_stop
from tf_lottery.store.csv_files import read_csv
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.schema import METRICS_COLUMNS, LevelSummary
from tf_lottery.store.tensors import load_tensors
from tf_lottery.training.hardest_examples import HardestExamples

# Networks that overfit soon: the lowest loss is found early and mostly not seen again.
FLAGS = {
    "train_steps": "240it",
    "validation_examples": 600,
    "learning_rate": 0.02,
    "batch_size": 20,
    "levels": 1,
}
LOOKS = {"evaluate_every": "40it", "validate_every": "5it"}


def rows_of(run, level=0):
    return read_csv(run / f"level_{level}" / "metrics.csv", METRICS_COLUMNS)


def summary_of(run, level=0):
    return LevelSummary.from_record(RunFolder.read(run).level(level).record())


@pytest.fixture(scope="module")
def exact(run_tiny, tmp_path_factory):
    """A run with whole evaluations at every point."""
    return run_tiny(tmp_path_factory.mktemp("exact"), **FLAGS, evaluate_every="5it")


@pytest.fixture(scope="module")
def looked(run_tiny, tmp_path_factory):
    """The same with looks at the validation loss in between, and how many were cut short."""
    answers = []
    ask = HardestExamples.show_loss_above

    def noted(self, mean_loss):
        answers.append(ask(self, mean_loss))
        return answers[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HardestExamples, "show_loss_above", noted)
        run = run_tiny(tmp_path_factory.mktemp("looked"), **FLAGS, **LOOKS)
    return run, answers


@pytest.mark.parametrize("level", [0, 1])
def test_early_stopping_is_that_of_whole_evaluations(exact, looked, level):
    run, _ = looked
    found, right = summary_of(run, level), summary_of(exact, level)
    assert right.early_stop_step % 40 != 0
    assert found.early_stop_step == right.early_stop_step
    assert found.early_stop_test_accuracy == right.early_stop_test_accuracy
    assert found.test_loss == right.test_loss


def test_looks_do_not_change_training(exact, looked):
    run, _ = looked
    for level in (0, 1):
        mine, theirs = (
            load_tensors(RunFolder.read(path).level(level).weights_prefix) for path in (run, exact)
        )
        assert mine.keys() == theirs.keys()
        for name, array in mine.items():
            np.testing.assert_array_equal(array, theirs[name], err_msg=name)


def test_looks_are_cut_short_where_the_loss_rises(looked):
    _, answers = looked
    # 42 points are between evaluations; level 1 begins after the first of them.
    assert len(answers) == 83
    assert sum(answers) > 20


@pytest.mark.parametrize("level", [0, 1])
def test_rows_are_the_evaluations_and_each_new_lowest_loss(exact, looked, level):
    run, _ = looked
    rows, all_rows = rows_of(run, level), rows_of(exact, level)
    losses = {row["step"]: row["validation_loss"] for row in all_rows}
    lowest, expected = np.inf, []
    for step, loss in losses.items():
        if step % 40 == 0 or step == 240 or loss < lowest:
            expected.append(step)
        lowest = min(lowest, loss)
    assert [row["step"] for row in rows] == expected
    for row in rows:
        assert row["validation_loss"] == losses[row["step"]]
    assert early_stop(rows) == early_stop(all_rows)


def test_training_metrics_are_means_since_the_row_before(exact, looked):
    run, _ = looked
    mean_loss = {row["step"]: row["train_loss_since_last_row"] for row in rows_of(exact)}
    before = 0
    for row in rows_of(run)[1:]:
        parts = [mean_loss[step] for step in range(before + 5, row["step"] + 1, 5)]
        assert row["train_loss_since_last_row"] == pytest.approx(np.mean(parts), rel=1e-5)
        before = row["step"]


@pytest.mark.slow
def test_a_killed_run_finds_the_same(start_main, outcome_of, tmp_path):
    flags = [f"--{name}={value}" for name, value in {**FLAGS, **LOOKS}.items()]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start_main(*flags, workdir=whole).wait() == 0
    process = start_main(
        *flags,
        workdir=killed,
        signal_at=("level_0/checkpoint/step_80", signal.SIGKILL),
        checkpoint_always=True,
    )
    assert process.wait() == -signal.SIGKILL, process.output
    process = start_main(*flags, workdir=killed)
    assert process.wait() == 0, process.output
    assert "continues at step 80" in process.output
    run = "tiny/replicate_1"
    assert outcome_of(killed / run) == outcome_of(whole / run)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"validate_every": "5it", "validation_examples": 0}, "needs validation data"),
        ({"validate_every": "0it", "validation_examples": 100}, "use 1it or more"),
        ({"validate_every": "11it", "validation_examples": 100}, "at most --evaluate_every=10it"),
        ({"validate_every": "soon", "validation_examples": 100}, "--validate_every: 'soon'"),
    ],
)
def test_what_cannot_be_looked_at_is_refused(run_tiny, tmp_path, flags, words):
    with pytest.raises(ValueError, match=words):
        run_tiny(tmp_path, **flags)
    assert not list(tmp_path.iterdir())
