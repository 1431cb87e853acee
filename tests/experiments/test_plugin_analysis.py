"""An analysis of a plug-in: one function in one file is a command with flags, files and figures."""

import csv
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from absl import flags

import tf_lottery
from tf_lottery.cli.commands import command_from_flags, define_flags
from tf_lottery.cli.help_page import help_text
from tf_lottery.config.analyses import ANALYSES
from tf_lottery.experiments.measuring.rows import run_analysis
from tf_lottery.store.tensors import load_tensors

_PLUGIN = """
from typing import Annotated

from rich.console import Console

from tf_lottery import plugins


def draw(measurements):
    curves = plugins.curves_by_density(measurements, {"norm": ""})
    figure = plugins.density_figure(curves, "norm", "norms", "Norms of the weights", "Of levels.")
    return [] if figure is None else [figure]


def show(rows):
    table = plugins.table_of_numbers(["level", "norm"])
    for row in rows:
        table.add_row(str(row["level"]), f"{row['norm']:.4f}")
    Console().print(table)


@plugins.register_analysis(plugins.ResultFile("norms", ("power_{}",), draw, title="All norms"))
def norms(
    run: plugins.MeasuredRun,
    levels,
    *,
    power: Annotated[
        float, plugins.Parameter("Power of the norm.", within=plugins.at_least(1))
    ] = 2.0,
) -> plugins.Rows:
    def measure(analyzed, missing):
        print("measured:", *missing)
        for level in missing:
            solution = analyzed.level(level)
            total = sum((abs(solution.weights[name]) ** power).sum() for name in solution.mask)
            density = solution.mask.density
            yield {"level": level, "density": density, "norm": float(total) ** (1 / power)}

    return plugins.Rows(run.levels(levels), ("level", "density", "norm"), measure, show, (power,))
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch) -> Iterator[str]:
    """The name of the plug-in, which is imported."""
    name = "plugin_of_norms"
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / f"{name}.py").write_text(_PLUGIN)
    monkeypatch.syspath_prepend(tmp_path / "plugins")
    importlib.import_module(name)
    yield name
    ANALYSES.remove("norms")
    del sys.modules[name]


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
def test_an_analysis_of_a_plugin_measures_shows_and_is_reported(copied_run, capsys):
    asked = ("--experiment=norms", f"--run={copied_run}", "--power=3")
    do(*asked, "--levels=0,2")
    do(*asked)
    output = capsys.readouterr().out
    path = copied_run / "landscape" / "norms__power_3.csv"
    assert [line for line in output.splitlines() if line.startswith("measured:")] == [
        "measured: 0 2",
        "measured: 1",
    ]
    assert f"All norms: {path}" in output
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
    assert "Power of the norm." in help_text(None, values)
    assert "--power" not in help_text("curvature", values)
    assert "norms" in values["experiment"].parser.enum_values
    with pytest.raises(ValueError, match=r"^--power=0.5 is out of range: use 1 or more"):
        do("--experiment=norms", "--run=a", "--power=0.5")
    with pytest.raises(ValueError, match=r"^--power=3.0 is for --experiment=norms, but --exp"):
        do("--experiment=magnitudes", "--run=a", "--power=3")


@pytest.mark.usefixtures("plugin")
def test_a_report_without_the_plugin_leaves_its_files_alone(copied_run):
    run_analysis(copied_run, "norms", [0])
    norms = ANALYSES.find("norms")
    ANALYSES.remove("norms")
    do("--experiment=report", f"--run={copied_run}")
    assert not (copied_run.parent / "report" / "norms.csv").exists()
    with pytest.raises(ValueError, match=r"^--experiment=norms is not a known analysis\. .*Known"):
        run_analysis(copied_run, "norms")
    ANALYSES.add("norms", norms, norms.function.__module__)
