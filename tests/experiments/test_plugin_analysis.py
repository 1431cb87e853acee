"""Analyses of plug-ins, such as that of CONTRIBUTING.md: commands with flags, files, figures."""

import csv
import importlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from absl import flags

import tf_lottery
from tf_lottery.cli.command_flags import define_flags
from tf_lottery.cli.commands import command_from_flags
from tf_lottery.cli.help_page import help_text
from tf_lottery.config.analyses import ANALYSES
from tf_lottery.experiments.measuring.analysis import run_analysis
from tf_lottery.experiments.measuring.analyzed_run import AnalyzedRun
from tf_lottery.plugins import (
    ResultFile,
    Rows,
    curves_by_density,
    density_figure,
    register_analysis,
)
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.sealed_table import read_sealed_table
from tf_lottery.store.tensors import load_tensors

_CONTRIBUTING = Path(__file__).parents[2] / "CONTRIBUTING.md"
_RECIPE = re.compile(r"```python\n# my_analysis\.py\n(.*?)```", re.DOTALL)


@pytest.fixture
def plugin(tmp_path, monkeypatch) -> Iterator[None]:
    """The file of the recipe is a plug-in that is imported."""
    (tmp_path / "plugins").mkdir()
    (text,) = _RECIPE.findall(_CONTRIBUTING.read_text())
    (tmp_path / "plugins" / "my_analysis.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path / "plugins")
    importlib.import_module("my_analysis")
    yield
    ANALYSES.remove("norms")
    del sys.modules["my_analysis"]


def parsed(*arguments: str) -> flags.FlagValues:
    values = flags.FlagValues()
    define_flags(values)
    values(["main.py", *arguments])
    return values


def do(*arguments: str) -> None:
    tf_lottery.run_command(command_from_flags(parsed(*arguments)))


def norm(level: Path, power: float) -> float:
    weights, mask = load_tensors(level / "weights"), tf_lottery.Mask.load(level / "masks.npz")
    flat = np.concatenate([weights[name].ravel() for name in mask])
    return np.linalg.norm(flat, power)


@pytest.mark.usefixtures("plugin")
def test_an_analysis_of_a_plugin_measures_shows_and_is_reported(copied_run, capsys, monkeypatch):
    measured, level_of = [], AnalyzedRun.level
    monkeypatch.setattr(
        AnalyzedRun, "level", lambda self, level: measured.append(level) or level_of(self, level)
    )
    asked = ("--experiment=norms", f"--run={copied_run}", "--power=3")
    do(*asked, "--levels=0,2")
    do(*asked)
    assert measured == [0, 2, 1]
    output = capsys.readouterr().out
    path = copied_run / "landscape" / "norms__power_3.csv"
    assert f"Norms: {path}" in output
    rows = list(csv.DictReader(path.open()))
    assert [row["level"] for row in rows] == ["0", "1", "2"]
    for number, row in enumerate(rows):
        expected = norm(copied_run / f"level_{number}", 3)
        assert float(row["norm"]) == pytest.approx(expected, rel=1e-5)
        assert [str(number), f"{expected:.4f}"] in [line.split() for line in output.splitlines()]
    assert (copied_run / "landscape" / "norms__power_3.png").exists()
    do("--experiment=report", f"--run={copied_run}")
    report = copied_run.parent / "report"
    assert {"norms.csv", "norms.png"} <= {file.name for file in report.iterdir()}
    page = (report / "index.html").read_text()
    assert "<h3>Norms of the weights</h3>" in page
    assert "Measured with power 3." in page
    assert 'href="norms.csv"' in page


@pytest.mark.usefixtures("plugin")
def test_its_flags_are_its_own():
    values = parsed()
    assert "--power" in help_text("norms", values)
    assert "Power of --experiment=norms." in help_text(None, values)
    assert "--power" not in help_text("curvature", values)
    assert "norms" in values["experiment"].parser.enum_values
    with pytest.raises(ValueError, match=r"^--power=0.5 is out of range: use 1 or more"):
        do("--experiment=norms", "--run=a", "--power=0.5")
    with pytest.raises(ValueError, match=r"^--power=3.0 is for --experiment=norms, but --exp"):
        do("--experiment=magnitudes", "--run=a", "--power=3")


@pytest.mark.usefixtures("plugin")
def test_a_report_without_the_plugin_names_what_it_leaves_out(copied_run, capsys, monkeypatch):
    run_analysis(copied_run, "norms", [0])
    (copied_run / "landscape" / "mine.csv").write_text("of the user's own\n")
    monkeypatch.setattr("tf_lottery.store.needed_plugins.plugins_of", lambda run: ["not_here"])
    norms = ANALYSES.find("norms")
    ANALYSES.remove("norms")
    capsys.readouterr()
    do("--experiment=report", f"--run={copied_run}")
    said = (
        "What the analysis norms has measured is left out, as no such analysis is known here: give "
        "the plug-in that has it, --plugin=MODULE (the run was made with --plugin=not_here)."
    )
    notes = [line for line in capsys.readouterr().out.splitlines() if "Note" in line]
    assert notes == [f"Note: {said}"]
    assert said in (copied_run.parent / "report" / "index.html").read_text()
    assert not (copied_run.parent / "report" / "norms.csv").exists()
    with pytest.raises(ValueError, match=r"^--experiment=norms is not a known analysis\. .*Known"):
        run_analysis(copied_run, "norms")
    ANALYSES.add("norms", norms, norms.function.__module__)


@pytest.fixture
def analysis_of_texts() -> Iterator[Callable[..., None]]:
    """Returns a function that registers an analysis with a column of texts."""

    def register(**declared: tuple[str, ...]) -> None:
        def draw(measurements):
            assert all(row["optimizer"] for found in measurements for row in found.rows)
            curves = curves_by_density(measurements, {"level": ""})
            return [density_figure(curves, "level", "optimizers", "Optimizers", "By level.")]

        @register_analysis(ResultFile("optimizers", figures=draw, **declared))
        def optimizers(run, levels):
            def measure(analyzed, missing):
                for level in missing:
                    optimizer = f"{run.run.identity.optimizer}, {level}"
                    yield {"level": level, "density": 0.8**level, "optimizer": optimizer}

            def show(rows):
                print(*(f"<{row['optimizer']}>" for row in rows))

            columns = ("level", "density", "optimizer")
            return Rows(run.levels(levels), columns, measure, show, needs_network=False)

    yield register
    ANALYSES.remove("optimizers")


def test_an_analysis_has_columns_of_texts_that_it_declares(copied_run, analysis_of_texts, capsys):
    analysis_of_texts(texts=("optimizer",))
    asked = ("--experiment=optimizers", f"--run={copied_run}")
    do(*asked, "--levels=1")
    do(*asked)
    assert "<adam, 0> <adam, 1> <adam, 2>" in capsys.readouterr().out
    header, *lines = (copied_run / "landscape" / "optimizers.csv").read_text().splitlines()
    assert header == "level,density,optimizer,solutions"
    texts = [line.split(",", 2)[2].rpartition(",")[0] for line in lines]
    assert texts == [f'"adam, {level}"' for level in range(3)]
    do("--experiment=report", f"--run={copied_run}")
    report = copied_run.parent / "report"
    assert {"optimizers.csv", "optimizers.png"} <= {file.name for file in report.iterdir()}
    assert '"adam, 2"' in (report / "optimizers.csv").read_text()
    assert "damaged" not in capsys.readouterr().out
    do("--experiment=verify", f"--run={copied_run}")


def test_levels_that_were_trained_anew_are_measured_anew(
    copied_run, analysis_of_texts, moved_level
):
    """Whatever the analysis: which levels a row is of stands in its file."""
    analysis_of_texts(texts=("optimizer",))
    path = copied_run / "landscape" / "optimizers.csv"
    texts = []
    for change in (None, moved_level, None):
        if change:
            change(copied_run, 1)
        do("--experiment=optimizers", f"--run={copied_run}")
        texts.append([row["solutions"] for row in read_sealed_table(path)])
    assert texts[1] == texts[2]
    same = [one == other for one, other in zip(*texts[:2], strict=True)]
    assert same == [True, False, True]
    ticket = RunFolder.read(copied_run).level(1).ticket()
    assert texts[2][1] == f"level_1:{ticket[:12]}"


def test_a_row_says_its_level_also_where_that_was_a_number_of_numpy(copied_run, analysis_of_texts):
    analysis_of_texts(texts=("optimizer",))
    tf_lottery.run_analysis(copied_run, "optimizers", np.array([1]))
    (row,) = read_sealed_table(copied_run / "landscape" / "optimizers.csv")
    assert row["solutions"] == f"level_1:{RunFolder.read(copied_run).level(1).ticket()[:12]}"


def test_a_column_of_texts_that_is_not_declared_is_named(copied_run, analysis_of_texts):
    analysis_of_texts()
    with pytest.raises(
        ValueError,
        match=r"^--experiment=optimizers yielded .*'optimizer': 'adam, 0' is not a number, and th",
    ):
        do("--experiment=optimizers", f"--run={copied_run}")


def test_the_table_of_an_analysis_without_figures_is_in_the_report(copied_run):
    @register_analysis(ResultFile("halves"))
    def halves(run, levels):
        def measure(analyzed, missing):
            yield from ({"level": level, "half": level / 2} for level in missing)

        return Rows(run.levels(levels), ("level", "half"), measure, print, needs_network=False)

    try:
        do("--experiment=halves", f"--run={copied_run}")
        do("--experiment=report", f"--run={copied_run}")
    finally:
        ANALYSES.remove("halves")
    table = (copied_run.parent / "report" / "halves.csv").read_text().splitlines()
    assert [line.split(",")[:4] for line in table] == [
        ["run", "replicate", "level", "half"],
        *(
            [copied_run.parent.name, "replicate_1", str(level), f"{level / 2}"]
            for level in range(3)
        ),
    ]
    assert 'href="halves.csv"' in (copied_run.parent / "report" / "index.html").read_text()


@pytest.mark.parametrize(
    ("files", "returned", "said"),
    [
        ((ResultFile("odd"),), None, "returned None: return Rows"),
        ((), 1, "returned Rows, for which it has no file: write @register_analysis"),
        ((ResultFile("odd"),), 1, "has measured nothing of 1: yield a row for each of the missing"),
    ],
)
def test_what_an_analysis_returns_is_checked(copied_run, files, returned, said):
    @register_analysis(*files)
    def odd(run, levels):
        def measure(analyzed, missing):
            yield {"level": missing[0]}

        return returned and Rows([0, 1], ("level",), measure, print, needs_network=False)

    try:
        with pytest.raises(ValueError, match=f"^--experiment=odd {re.escape(said)}"):
            run_analysis(copied_run, "odd")
    finally:
        ANALYSES.remove("odd")
