import pytest

from tests.report.reported_runs import write_branch, write_metrics, write_replicate
from tf_lottery.report.run_records import read_run, run_paths
from tf_lottery.store.run_folder import RunFolder


def test_a_run_is_read_with_its_branches(tmp_path):
    run = write_replicate(tmp_path / "mnist" / "replicate_1", [0.9, 0.8], early={1: (20, 0.7)})
    write_branch(run, "random_mask", {1: 0.6})
    record = read_run(run)
    assert record.replicate == "replicate_1"
    assert record.levels[1].summary.early_stop_step == 20
    assert record.levels[1].layers == {"dense/kernel": (675, 900), "dense_1/kernel": (125, 100)}
    assert record.curves[0] == {0: 0.1, 10: 0.5, 20: 0.9}
    assert record.problems == ()
    branch = record.branches["random_mask"]
    assert branch.replicate == "replicate_1"
    assert list(branch.levels) == [1]


def test_unmeasured_accuracies_are_not_points_of_a_curve(tmp_path):
    run = write_replicate(
        tmp_path / "replicate_1", [0.9], curves={0: [0.1, None, float("nan"), 0.9]}
    )
    assert read_run(run).curves[0] == {0: 0.1, 30: 0.9}


def test_a_level_in_training_has_a_curve_and_no_record(tmp_path):
    run = write_replicate(tmp_path / "replicate_1", [0.9], in_training={1: [0.1, 0.3]})
    record = read_run(run)
    assert list(record.levels) == [0]
    assert record.curves[1] == {0: 0.1, 10: 0.3}
    assert record.levels_in_training == [1]


def test_a_damaged_level_is_named_and_the_others_are_read(tmp_path):
    run = write_replicate(tmp_path / "replicate_1", [0.9, 0.8, 0.7])
    damaged = run / "level_1" / "level.json"
    damaged.write_text(damaged.read_text().replace("0.8", "0.9"))
    record = read_run(run)
    assert list(record.levels) == [0, 2]
    (problem,) = record.problems
    assert str(damaged) in problem


def test_metrics_that_were_edited_are_named_and_the_level_counts(tmp_path):
    run = write_replicate(tmp_path / "replicate_1", [0.9])
    write_metrics(RunFolder.read(run).level(0), [0.1, 0.99])
    record = read_run(run)
    assert record.levels[0].summary.test_accuracy == 0.9
    assert record.curves == {}
    (problem,) = record.problems
    assert "metrics.csv was changed" in problem


def test_a_run_without_a_readable_configuration_keeps_its_branches(tmp_path):
    run = write_replicate(tmp_path / "replicate_1", [0.9])
    write_branch(run, "random_mask", {1: 0.6})
    (run / "config.json").write_text("{")
    record = read_run(run)
    assert record.state.state == "broken"
    assert "config.json" in record.problems[0]
    assert list(record.branches) == ["random_mask"]


def test_a_record_of_something_else_is_a_problem(tmp_path):
    run = write_replicate(tmp_path / "replicate_1", [0.9])
    level = RunFolder.read(run).level(1)
    level.path.mkdir()
    for name in ("masks.npz", "weights.data-00000-of-00001", "weights.index", "metrics.csv"):
        (level.path / name).write_bytes(b"0")
    level.complete({"level": 1})
    record = read_run(run)
    assert list(record.levels) == [0]
    assert "level_1 has a record that is not that of a level" in record.problems[0]


def test_runs_are_found_below_a_folder_each_once_and_in_natural_order(tmp_path):
    names = [f"replicate_{number}" for number in (1, 2, 10)]
    for name in names:
        write_replicate(tmp_path / "mnist" / name, [0.9])
    folder = tmp_path / "mnist"
    assert run_paths([folder]) == [folder / name for name in names]
    assert run_paths([folder / "replicate_2", folder, folder / ".." / "mnist"]) == [
        folder / name for name in ("replicate_2", "replicate_1", "replicate_10")
    ]


def test_a_run_folder_may_have_any_name(tmp_path):
    run = write_replicate(tmp_path / "copy of a run", [0.9])
    assert run_paths([run]) == [run]


def test_folders_without_runs_are_errors_that_name_the_flag(tmp_path):
    with pytest.raises(ValueError, match=r"--run=.*missing is no folder"):
        run_paths([tmp_path / "missing"])
    with pytest.raises(ValueError, match=r"--run=.* has no run folder in it"):
        run_paths([tmp_path])
    with pytest.raises(ValueError, match="--run is empty"):
        run_paths([])


def test_a_branch_cannot_be_reported_without_its_run(tmp_path):
    run = write_replicate(tmp_path / "replicate_1", [0.9])
    branch = write_branch(run, "random_mask", {1: 0.6})
    with pytest.raises(ValueError, match=r"is a branch; name its run, .*replicate_1"):
        run_paths([branch])
