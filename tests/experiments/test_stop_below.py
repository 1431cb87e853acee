"""--stop_below: a search that ends with the first level that is not accurate enough."""

import shutil

import pytest

import tf_lottery
from tf_lottery.config.stopping import StopRule, read_stop_rule
from tf_lottery.experiments.finished.runs import is_finished
from tf_lottery.experiments.running.branching import run_branch
from tf_lottery.report.listing import print_runs
from tf_lottery.report.report import compare_runs
from tf_lottery.store.csv_files import read_csv
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.schema import METRICS_COLUMNS

# Each level keeps a tenth: few weights of few are far below the dense network at once.
FLAGS = {"pruning_rate": 0.9, "levels": 3, "train_steps": "45it", "stop_below": "4pt"}


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("0.9", StopRule(accuracy=0.9)),
        (0.5, StopRule(accuracy=0.5)),
        (" .75 ", StopRule(accuracy=0.75)),
        ("2pt", StopRule(points=2.0)),
        ("0.5 pt", StopRule(points=0.5)),
        ("0pt", StopRule(points=0.0)),
        ("", None),
        (None, None),
    ],
)
def test_an_accuracy_or_points(value, rule):
    assert read_stop_rule("--stop_below", value) == rule


@pytest.mark.parametrize("value", ["90", "90%", "1", "0", "-2", "-2pt", "100pt", "2 points", True])
def test_what_is_neither_is_refused(value):
    with pytest.raises(ValueError, match=r"^stop_below=.*: use an accuracy between 0 and 1, such"):
        read_stop_rule("stop_below", value)


def test_a_tie_goes_on():
    points, accuracy = StopRule(points=2.0), StopRule(accuracy=0.9)
    assert not points.is_below(0.93, 0.95) and points.is_below(0.9299, 0.95)
    assert not accuracy.is_below(0.9, 0.0) and accuracy.is_below(0.8999, 0.0)
    # In floating point, 0.57 - 0.02 is more than 0.55.
    assert 0.57 - 0.02 > 0.55 - 1e-12
    assert not points.is_below(0.55, 0.57)


def accuracies(run):
    rows = [read_csv(run / f"level_{n}" / "metrics.csv", METRICS_COLUMNS)[-1] for n in (0, 1)]
    return [row["validation_accuracy"] for row in rows]


@pytest.fixture(scope="module")
def stopped(run_tiny, tmp_path_factory):
    """A run that ended with level 1 of 3; not to be changed."""
    return run_tiny(tmp_path_factory.mktemp("stopped"), **FLAGS)


def test_the_search_ends_with_the_first_level_below(stopped, flags_of_tiny, capsys, tmp_path):
    dense, ticket = accuracies(stopped)
    assert ticket < dense - 0.04
    assert RunFolder.read(stopped).complete_levels() == [0, 1]
    sentence = (
        f"ended with level 1, whose validation accuracy at the end of training, {ticket:.2%}, is "
        f"below {dense - 0.04:.2%} (--stop_below=4pt)."
    )
    values = {**flags_of_tiny, **FLAGS, "workdir": str(stopped.parents[1])}
    assert is_finished(tf_lottery.config_from_values(values))
    assert not is_finished(tf_lottery.config_from_values({**values, "stop_below": ""}))
    assert not is_finished(tf_lottery.config_from_values({**values, "stop_below": "0.01"}))
    tf_lottery.run_experiment(tf_lottery.config_from_values(values))
    assert f"The search {sentence}" in capsys.readouterr().out
    assert not print_runs(stopped.parents[1])
    listed = capsys.readouterr().out
    assert "done" in listed and "1/1" in listed
    assert f"tiny/replicate_1 {sentence}" in " ".join(listed.split())
    page = compare_runs([stopped], tmp_path / "report").page.read_text()
    assert sentence in page
    with pytest.raises(ValueError, match=r"level 2 is not finished.*The search ended with level 1"):
        run_branch(stopped, "random_mask", [2])


def test_a_level_that_was_lost_is_decided_on_again(stopped, run_tiny, outcome_of, tmp_path):
    before = outcome_of(stopped)
    shutil.copytree(stopped.parents[1], tmp_path, dirs_exist_ok=True)
    run = tmp_path / "tiny" / "replicate_1"
    shutil.rmtree(run / "level_1")
    run_tiny(tmp_path, **FLAGS)
    assert outcome_of(run) == before
    # With a rule that it meets, or without one, the search goes on.
    run_tiny(tmp_path, **{**FLAGS, "levels": 2, "stop_below": ""})
    assert RunFolder.read(run).complete_levels() == [0, 1, 2]
    after = outcome_of(run)
    levels = {name for name in before if name.startswith("level_")}
    assert {name: after[name] for name in levels} == {name: before[name] for name in levels}
    assert not RunFolder.read(run).details.stop_below


def test_without_validation_data_it_is_refused(run_tiny, tmp_path):
    with pytest.raises(ValueError, match=r"--stop_below=0\.9 needs validation data"):
        run_tiny(tmp_path, stop_below="0.9", validation_examples=0)
    assert list(tmp_path.iterdir()) == []


def test_the_ticket_that_is_exported_is_accurate_enough(stopped, flags_of_tiny, tmp_path):
    shutil.copytree(stopped.parents[1], tmp_path, dirs_exist_ok=True)
    values = {**flags_of_tiny, **FLAGS, "workdir": str(tmp_path), "export_ticket": True}
    config = tf_lottery.config_from_values(values)
    assert not is_finished(config)
    tf_lottery.run_experiment(config)
    assert [path.name for path in (config.run_path / "export").iterdir()] == ["level_0_saved_model"]
    assert is_finished(config)


def test_a_rule_that_comes_too_late_is_told(stopped, flags_of_tiny, capsys, tmp_path):
    shutil.copytree(stopped.parents[1], tmp_path, dirs_exist_ok=True)
    values = {**flags_of_tiny, **FLAGS, "workdir": str(tmp_path), "stop_below": "0.999"}
    tf_lottery.run_experiment(tf_lottery.config_from_values(values))
    output = " ".join(capsys.readouterr().out.split())
    assert "Note: by now, the search would have ended with level 0, whose validation" in output
    assert "(--stop_below=0.999); later levels are there, and stay." in output
