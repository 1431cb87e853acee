"""Analyses and exports of finished runs: from flags to commands."""

from pathlib import Path

import pytest
from absl import flags

from tests.command_line import command_alone, experiments
from tests.command_line import command_of as command
from tf_lottery.cli.commands import (
    Analyze,
    ExportTickets,
)
from tf_lottery.config.analyses import ANALYSES, analysis_names
from tf_lottery.config.export import ExportConfig
from tf_lottery.config.trained_copies import Copies


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("random_reinitialization, random_mask", ("random_mask", "random_reinitialization")),
        ("random_reinitialization", ("random_reinitialization",)),
        ("", ()),
    ],
)
def test_baselines_are_chosen_by_their_names(text, chosen):
    needed = ("--experiment=stability", "--run=a")
    options = command(*needed, f"--baselines={text}").options
    assert Copies(**options).chosen_baselines == chosen
    both = ("random_mask", "random_reinitialization")
    assert Copies(**command(*needed).options).chosen_baselines == both


@pytest.mark.parametrize("analysis", analysis_names())
def test_analyses_take_all_levels_and_replicates_of_their_runs_unless_told(analysis: str):
    needed = (f"--experiment={analysis}", "--run=~/a", "--run=b/replicate_1")
    runs = (Path.home() / "a", Path("b/replicate_1"))
    options = ANALYSES.find(analysis).defaults
    assert command_alone(*needed) == Analyze(analysis, runs, None, None, options, {})
    chosen = command_alone(*needed, "--levels=4,0-2", "--replicates=3,1")
    assert chosen == Analyze(analysis, runs, (1, 3), (0, 1, 2, 4), options, {})
    one = command_alone(*needed, "--levels=3", "--replicate=2")
    assert one == Analyze(analysis, runs, (2,), (3,), options, {})


@pytest.mark.parametrize(
    ("analysis", "options"),
    [
        (
            "interpolate",
            {"solutions": "level_0,../replicate_2/level_1", "points": 3, "line_mask": "first"},
        ),
        ("interpolate", {"line_statistics": "interpolated", "line_split": "both"}),
        ("same_region", {"points": 5, "align": "weights"}),
        ("successive_levels", {"points": 4, "line_split": "train", "matching_tolerance": 1.5}),
        (
            "curvature",
            {"curvature_examples": 5, "eigenvalues": 2, "loss_rise": 0.2, "curvature_seed": 3},
        ),
    ],
)
def test_options_of_analyses_are_flags(analysis: str, options: dict):
    given = [f"--{name}={value}" for name, value in options.items()]
    asked = command_alone(f"--experiment={analysis}", "--run=a", *given)
    defaults = ANALYSES.find(analysis).defaults
    assert asked == Analyze(analysis, (Path("a"),), None, None, {**defaults, **options}, {})
    assert asked.options != defaults


def test_analyses_take_where_the_data_are_and_nothing_else_of_an_experiment():
    where = {"data_dir": "sets", "manual_dir": "archives"}
    given = [f"--{name}={value}" for name, value in where.items()]
    asked = command("--experiment=curvature", "--run=a", *given, "--learning_rate=1")
    assert asked.here == where


@pytest.mark.parametrize("flag", ["line_mask", "line_statistics", "line_split", "align"])
def test_options_of_analyses_that_are_not_known_are_errors_of_absl(flag: str):
    with pytest.raises(flags.Error, match=f"--{flag}=some"):
        command("--experiment=interpolate", "--run=a", f"--{flag}=some")
    with pytest.raises(ValueError, match=rf"^--{flag}=some is out of range: use one of "):
        ANALYSES.find("interpolate").checked({flag: "some"})


def test_exports_take_one_level_and_where_the_data_are():
    needed = ("--experiment=export", "--run=~/a", "--run=b/replicate_1")
    runs = (Path.home() / "a", Path("b/replicate_1"))
    assert command(*needed) == ExportTickets(runs, None, None, None, ExportConfig(), {}, {})
    asked = command(
        *(*needed, "--levels=4", "--replicates=1-2", "--export_dir=~/out", "--overwrite"),
        *("--formats=tflite, keras", "--compact=off", "--nomeasure", "--data_dir=sets"),
        "--learning_rate=1",
    )
    options = ExportConfig(formats="tflite, keras", compact="off", measure=False, overwrite=True)
    here = {"data_dir": "sets", "export_dir": "~/out"}
    folder = Path.home() / "out"
    assert asked == ExportTickets(runs, (1, 2), 4, folder, options, here, {"learning_rate": 1.0})
    assert (options.format_names, options.compacts) == (("tflite", "keras"), False)
    assert (ExportConfig().format_names, ExportConfig().compacts) == (None, None)
    assert ExportConfig(compact="on").compacts is True
    assert command(*needed, "--levels=0").level == 0


def test_exports_of_several_levels_or_no_run_are_refused():
    with pytest.raises(
        ValueError, match=r"^--levels=1-3 names 3 levels, but one ticket .*name one"
    ):
        command("--experiment=export", "--run=a", "--levels=1-3")
    with pytest.raises(ValueError, match=r"^--experiment=export needs --run=WORKDIR/NAME"):
        command("--experiment=export")
    with pytest.raises(flags.Error, match="--compact=maybe"):
        command("--experiment=export", "--run=a", "--compact=maybe")


def test_a_folder_for_the_export_still_ends_an_experiment():
    (config,) = experiments("--export_dir=out", "--levels=3")
    assert config.run.export_dir == "out"
    assert command("--export_dir=out").overwrite is False
    assert command("--export_ticket", "--replicates=1-2", "--overwrite").overwrite is True
