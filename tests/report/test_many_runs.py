"""A report of many runs leaves to each run's own report what is of that run alone."""

from tests.report.reported_runs import write_branch, write_replicate
from tf_lottery.report import many_runs
from tf_lottery.report.report import compare_runs


def _study(folder, runs):
    for number in range(runs):
        run = write_replicate(
            folder / f"study_{number}" / "replicate_1",
            [0.9, 0.8 + number / 100],
            identity={"learning_rate": number + 1},
        )
        write_branch(run, "random_mask", {1: 0.7})
    return compare_runs([folder], folder.with_name(f"report_{runs}")).page


def test_files_and_page_do_not_grow_with_the_figures_of_each_run(tmp_path, monkeypatch):
    monkeypatch.setattr(many_runs, "MOST_RUNS_WITH_OWN_FIGURES", 2)
    few, many = (_study(tmp_path / f"runs_{runs}", runs) for runs in (2, 4))
    assert "learning_curves_1_study_0.png" in {path.name for path in few.parent.iterdir()}
    assert "alone are left to the report of that run" not in few.read_text()
    names = {path.name for path in many.parent.iterdir()}
    assert names == {
        *("accuracy_at_end.png", "accuracy_at_end.svg", "index.html"),
        *("report.csv", "tickets.csv", "report.json"),
    }
    page = many.read_text()
    assert "Of these 4 runs, learning curves, densities by layer" in page
    assert "--experiment=report --run=WORKDIR/NAME" in page
    assert all(f"study_{number}: random mask" in page for number in range(4))
