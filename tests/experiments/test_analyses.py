"""Analyses of run folders as commands: what they refuse, what they leave alone."""

import csv
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import tensorflow_datasets as tfds

import tf_lottery
from tests.command_line import run_command_of as command
from tests.documents import ROOT
from tf_lottery.data import load_dataset
from tf_lottery.experiments.measuring.analysis import run_analysis
from tf_lottery.experiments.measuring.analyzed_run import AnalyzedRun
from tf_lottery.store.errors import DamagedFileError, RunFolderError, RunFolderMismatchError

# Few and small, for each analysis that takes levels or solutions.
COMMANDS = {
    "interpolate": ("--solutions=level_0,level_1", "--points=3"),
    "successive_levels": ("--points=3",),
    "same_region": ("--points=3",),
    "curvature": ("--curvature_examples=20", "--eigenvalues=1"),
    "magnitudes": (),
}


def analyze(run: Path, analysis: str, *more: str) -> None:
    command(f"--experiment={analysis}", f"--run={run}", *COMMANDS[analysis], *more)


def rows(path: Path) -> list[dict[str, float | None]]:
    with path.open() as file:
        read = list(csv.DictReader(file))
    return [
        {key: float(cell) if cell else None for key, cell in row.items() if key != "solutions"}
        for row in read
    ]


@pytest.fixture
def study(copied_run, run_tiny) -> Path:
    """The folder of two replicates, the second with one level less."""
    run_tiny(copied_run.parents[1], replicate=2, levels=1)
    return copied_run.parent


@pytest.mark.slow
def test_all_replicates_are_analyzed_unless_some_are_chosen(study, capsys):
    for analysis in COMMANDS:
        analyze(study, analysis)
    output = capsys.readouterr().out
    for number in (1, 2):
        run = study / f"replicate_{number}"
        assert f"curvature of {run}" in output
        left = {path.stem.partition("__")[0] for path in (run / "landscape").rglob("*.csv")}
        names = {"level_0--level_1", "magnitude_histograms", *COMMANDS} - {"interpolate"}
        assert left == names
        shutil.rmtree(run / "landscape")
    assert f"\nFor the figures of all: main.py --experiment=report --run={study}\n" in output
    analyze(study, "magnitudes", "--replicates=2")
    assert "For the figures" not in capsys.readouterr().out
    assert [(run / "landscape").exists() for run in sorted(study.iterdir())] == [False, True]
    with pytest.raises(ValueError, match=r"^--run=.* has no replicate_3, but replicate_1"):
        analyze(study, "magnitudes", "--replicates=2-3")


@pytest.mark.slow
def test_main_does_it_in_a_process_of_its_own(start_main, copied_run, tmp_path):
    flags_given = ("--experiment=successive_levels", f"--run={copied_run}", "--points=3")
    elsewhere = {"workdir": tmp_path / "elsewhere", "script": ROOT / "main.py"}
    process = start_main(*flags_given, "--levels=0-1", **elsewhere)
    assert process.wait() == 0, process.output
    (path,) = (copied_run / "landscape").glob("*.csv")
    assert f"Pairs of levels: {path}" in process.output.replace("\n", "")
    process = start_main(*flags_given, "--levels=0-7", **elsewhere)
    assert process.wait() == 1
    assert "Error: --levels: level 3 is not finished in" in process.output
    assert "Traceback" not in process.output
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.slow
def test_a_branch_is_analyzed_as_a_run_is(copied_run):
    tf_lottery.run_branch(copied_run, "random_mask", [1, 2])
    branch = copied_run / "branches" / "random_mask"
    analyze(branch, "interpolate", "--solutions=level_1,level_2,../../level_1")
    analyze(branch, "successive_levels")
    last = rows(branch / "level_2" / "metrics.csv")[-1]
    (path,) = (branch / "landscape" / "lines").glob("level_1--level_2*.csv")
    assert rows(path)[-1]["test_loss"] == last["test_loss"]
    (path,) = (branch / "landscape").glob("successive_levels*.csv")
    assert [(row["first_level"], row["second_level"]) for row in rows(path)] == [(1, 2)]
    assert not (copied_run / "landscape").exists()


@pytest.mark.slow
def test_the_files_of_the_run_stay_and_it_goes_on_and_is_reported(
    half_run, run_tiny, finished_run, snapshot, outcome_of, tmp_path, capsys
):
    before = snapshot(half_run)
    for analysis in COMMANDS:
        analyze(half_run, analysis)
    after = snapshot(half_run)
    new = {name for name in after if name.startswith("landscape/")}
    assert {name: after[name] for name in set(after) - new} == before
    run_tiny(tmp_path)
    assert {name: digest for name, digest in snapshot(half_run).items() if name in new} == {
        name: after[name] for name in new
    }
    outcome = outcome_of(half_run)
    own = {name: bits for name, bits in outcome.items() if not name.startswith("landscape/")}
    assert own == outcome_of(finished_run)
    capsys.readouterr()
    outputs = {}
    for place in ("with", "without"):
        command("--experiment=list", f"--workdir={tmp_path}")
        command(
            "--experiment=report", f"--run={half_run.parent}", f"--report_dir={tmp_path / place}"
        )
        outputs[place] = capsys.readouterr().out.replace(str(tmp_path / place), "")
        shutil.rmtree(half_run / "landscape", ignore_errors=True)
    assert "landscape" not in outputs["with"]
    assert outputs["with"] == outputs["without"]
    pages = [(tmp_path / place / "report.csv").read_bytes() for place in outputs]
    assert pages[0] == pages[1]


@pytest.mark.parametrize(
    ("analysis", "flag", "message"),
    [
        ("interpolate", "--solutions=level_0", r"^--solutions=level_0: name two or more"),
        ("interpolate", "--solutions=level_0,level_9", "^--solutions: level_9 is not finished"),
        ("interpolate", "--solutions=level_0,leve_1", "^--solutions: there is no leve_1 in "),
        ("interpolate", "--solutions=level_0,branches/x/level_1", "x is not a run folder"),
        ("interpolate", "--levels=1", "^--levels is not for --experiment=interpolate; .*--solut"),
        ("interpolate", "--points=2", "^--points=2 is out of range: use 3 to 10000, both ends"),
        (
            "successive_levels",
            "--points=2",
            "^--points=2 is out of range: use 3 to 10000, both ends",
        ),
        ("successive_levels", "--levels=1", "^--levels: a line takes two levels, but level 1 "),
        ("successive_levels", "--levels=0-3", "^--levels: level 3 is not finished .* 0, 1, 2"),
        ("successive_levels", "--solutions=level_0,level_1", "^--solutions=.* is for --exp.*inte"),
        ("curvature", "--levels=3", "^--levels: level 3 is not finished in .*; finished are 0,"),
        ("curvature", "--eigenvalues=101", "^--eigenvalues=101 is out of range: use 1 to 100"),
        ("curvature", "--points=3", "^--points=3 is for --experiment=interpolate or "),
        (
            "curvature",
            "--learning_rate=0.5",
            "^--learning_rate=0.5: .*replicate_1 was made with .*=0.",
        ),
        (
            "magnitudes",
            "--pruning_rate=auto",
            "^--pruning_rate=auto: .* made with --pruning_rate=0.2",
        ),
        (
            "successive_levels",
            "--rewind_step=30it",
            "^--rewind_step=30it: .* is rewound to iteration 7; .*step:7it,30it",
        ),
        ("magnitudes", "--rewind_step=7 it later", "^--rewind_step: '7 it later' is not a point"),
        ("magnitudes", "--levels=1-4", "^--levels: level 3 is not finished in"),
        ("magnitudes", "--solutions=level_0,level_1", "^--solutions=.* is for --experiment=inte"),
    ],
)
def test_refused_before_anything_is_measured(copied_run, snapshot, analysis, flag, message):
    before = snapshot(copied_run)
    with pytest.raises(ValueError, match=message):
        analyze(copied_run, analysis, flag)
    assert snapshot(copied_run) == before


def test_flags_that_the_run_was_made_with_may_be_given_again(copied_run):
    analyze(copied_run, "magnitudes", "--rewind_step=7it", "--pruning_rate=0.2", "--levels=1")
    assert (copied_run / "landscape" / "magnitudes.csv").exists()


def test_what_is_no_run_folder_or_has_no_level_is_refused(copied_run, tmp_path):
    with pytest.raises(RunFolderError, match="neither a run folder"):
        analyze(tmp_path, "magnitudes")
    for level in range(3):
        (copied_run / f"level_{level}" / "level.json").unlink()
    for analysis in ("successive_levels", "curvature", "magnitudes"):
        with pytest.raises(ValueError, match=r"^--levels: no level is finished in"):
            analyze(copied_run, analysis)
    assert not (copied_run / "landscape").exists()


@pytest.mark.parametrize("analysis", COMMANDS)
@pytest.mark.parametrize("file", ["masks.npz", "weights.data-00000-of-00001"])
def test_a_damaged_level_is_refused_before_anything_is_measured(copied_run, analysis, file):
    path = copied_run / "level_2" / file
    path.write_bytes(path.read_bytes()[:-5])
    more = ["--solutions=level_0,level_1,level_2"] if analysis == "interpolate" else []
    with pytest.raises(DamagedFileError, match=str(path)):
        analyze(copied_run, analysis, *more)
    assert not (copied_run / "landscape").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "kernel"),
    [
        ("lenet_24_10", "dense_1/kernel"),
        pytest.param("lenet_20_10_10", "output/kernel|dense_3", marks=pytest.mark.slow),
    ],
    ids=["wide", "deep"],
)
def test_solutions_of_another_network_are_refused_before_anything_is_measured(
    copied_run, run_tiny, tmp_path, model, kernel
):
    run_tiny(tmp_path, name="other", model=model, levels=0, train_steps="8it")
    level, rewind = (f"../../other/replicate_1/{name}" for name in ("level_0", "rewind"))
    for first, solutions in (
        (level, f"level_0,level_1,{level}"),
        (rewind, f"level_0,level_1,{rewind}"),
        (level, f"{level},{rewind}"),
    ):
        with pytest.raises(ValueError, match=f"{first} are .*different net.*: .*{kernel}"):
            analyze(copied_run, "interpolate", f"--solutions={solutions}")
    assert not (copied_run / "landscape").exists()


def test_other_data_are_refused(copied_run, snapshot):
    before = snapshot(copied_run)
    digits = load_dataset("digits", validation_examples=200)
    assert AnalyzedRun(copied_run, {}, digits).levels([2, 1]) == [1, 2]
    digits.train.images[0, 0, 0] += 1
    with pytest.raises(RunFolderMismatchError, match="dataset=digits: the examples are not"):
        AnalyzedRun(copied_run, {}, digits)
    assert snapshot(copied_run) == before


@pytest.fixture
def of_streamed_data(tmp_path) -> Iterator[Callable[..., None]]:
    """Yields a function that analyzes a run whose training data are streamed."""
    small = {"model": "lenet_20_10", "image_size": 8, "batch_size": 4, "jit_compile": "off"}
    small["validation_examples"] = 2
    short = {"levels": 0, "train_steps": "2it", "evaluate_every": "1it", "rewind_step": "0it"}
    config = tf_lottery.config_from_values(
        {"dataset": "imagenet2012", "name": "tiny", "workdir": str(tmp_path), **small, **short}
    )
    with tfds.testing.mock_data(num_examples=12):
        tf_lottery.run_experiment(config)
        yield partial(run_analysis, config.run_path)


@pytest.mark.slow
def test_streamed_data_are_measured_where_that_is_possible(of_streamed_data, tmp_path):
    line = {"solutions": "level_0,rewind", "points": 3}
    with pytest.raises(ValueError, match=r"^--experiment=curvature needs training data .* memory"):
        of_streamed_data("curvature")
    with pytest.raises(ValueError, match=r"^--line_statistics=estimated needs .*; use interpol"):
        of_streamed_data("interpolate", **line)
    line["line_statistics"] = "interpolated"
    with pytest.raises(ValueError, match=r"^--line_split: the train data are streamed"):
        of_streamed_data("interpolate", **line, line_split="both")
    assert not list(tmp_path.rglob("landscape"))
    of_streamed_data("interpolate", **line)
    (path,) = tmp_path.rglob("landscape/lines/*.csv")
    last = rows(tmp_path / "tiny" / "replicate_1" / "level_0" / "metrics.csv")[-1]
    assert rows(path)[0]["test_loss"] == last["test_loss"]
