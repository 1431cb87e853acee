"""What a command writes at its end and cannot write ends it with an error, and nothing is lost."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.figure import Figure

import tf_lottery
from tests.report.runs_on_disk import write_run
from tf_lottery.experiments.finished import results
from tf_lottery.experiments.measuring.measured_run import MeasuredRun
from tf_lottery.experiments.measuring.results_file import ResultsFile
from tf_lottery.report.figures.canvas import FigureFile
from tf_lottery.report.report_folder import write_files
from tf_lottery.store.errors import StorageError

PAGE = b'<!DOCTYPE html>\n<meta name="generator" content="tf_lottery">\n'


@pytest.fixture
def in_the_way(monkeypatch) -> Callable[[Path], None]:
    """Returns a function that has a folder appear in place of a file when the figure is drawn."""

    def appear(place: Path) -> None:
        draw = results.summary_figure

        def appearing(*arguments):
            place.unlink(missing_ok=True)
            place.mkdir(exist_ok=True)
            (place / "mine").touch()
            return draw(*arguments)

        monkeypatch.setattr(results, "summary_figure", appearing)

    return appear


@pytest.mark.slow
def test_a_run_that_cannot_write_its_figure(half_run, in_the_way, run_tiny, tmp_path, capsys):
    figure = half_run / "summary.png"
    in_the_way(figure)
    said = f"cannot write {figure}: {figure} is a folder. Move it away, or .*Finished levels are"
    with pytest.raises(StorageError, match=said):
        run_tiny(tmp_path, export_ticket=True)
    shown = capsys.readouterr().out
    assert f"Run folder: {half_run}" in shown
    assert len((half_run / "summary.csv").read_text().splitlines()) == 4
    assert (half_run / "export" / "level_2_saved_model" / "saved_model.pb").exists()
    assert (figure / "mine").exists()


def test_a_finished_run_that_cannot_write_its_figure(copied_run, in_the_way, command, capsys):
    figure = copied_run / "summary.png"
    figure.unlink()
    in_the_way(figure)
    with pytest.raises(StorageError, match=f"cannot write {figure}"):
        command(workdir=copied_run.parents[1])
    assert f"Run folder: {copied_run}" in capsys.readouterr().out


def test_a_branch_that_cannot_write_its_figure(copied_run, in_the_way, command, capsys):
    branch = copied_run / "branches" / "random_mask"
    in_the_way(branch / "summary.png")
    with pytest.raises(StorageError, match=r"cannot write .*is a folder\. Move it"):
        tf_lottery.run_branch(copied_run, "random_mask", [2])
    assert f"Branch folder: {branch}" in capsys.readouterr().out
    assert len((branch / "summary.csv").read_text().splitlines()) == 2
    (branch / "summary.png" / "mine").unlink()
    (branch / "summary.png").rmdir()
    asked = ("--experiment=branch", f"--run={copied_run}", "--branch=random_mask", "--levels=2")
    with pytest.raises(StorageError, match=r"cannot write .*is a folder\. Move it"):
        command(*asked, workdir=copied_run.parents[1])
    assert f"Branch folder: {branch}" in capsys.readouterr().out


def test_an_analysis_that_cannot_write_a_figure_writes_the_others(tmp_path):
    file = ResultsFile(MeasuredRun(write_run(tmp_path / "replicate_1", [0.9])), "norms", ("level",))
    (file.path.parent / "one.png").mkdir(parents=True)
    figures = [FigureFile(name, name, name, Figure()) for name in ("one", "two")]
    with pytest.raises(StorageError, match=r"cannot write .*one\.png.* is a folder. Move it away"):
        file.draw([{"level": 0}], lambda measured: figures)
    assert (file.path.parent / "two.png").is_file()


def test_a_report_leaves_folders_in_place_of_its_files(tmp_path):
    write_files(tmp_path, {"one.png": b"1", "two.csv": b"2", "index.html": PAGE})
    for name in ("one.png", "two.csv"):
        (tmp_path / name).unlink()
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine").touch()
    with pytest.raises(
        ValueError, match=r"--report_dir=.* cannot be written to: .*two\.csv is a fo"
    ):
        write_files(tmp_path, {"two.csv": b"3", "index.html": PAGE})
    (tmp_path / "two.csv" / "mine").unlink()
    (tmp_path / "two.csv").rmdir()
    write_files(tmp_path, {"two.csv": b"3", "index.html": PAGE})
    assert (tmp_path / "one.png" / "mine").exists()
    assert json.loads((tmp_path / "report.json").read_text())["files"] == ["index.html", "two.csv"]
