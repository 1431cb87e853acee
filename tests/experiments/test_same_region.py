"""The same region: solutions that levels are compared with, and the numbers, measured anew."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from absl import flags

import tf_lottery
from tests.edited_config import edit_config
from tf_lottery.cli.command_flags import define_flags
from tf_lottery.cli.commands import command_from_flags
from tf_lottery.data import checked_dataset, load_dataset
from tf_lottery.experiments.measuring.analysis import run_analysis
from tf_lottery.store.csv_files import Row
from tf_lottery.store.result_columns import COMPARISONS
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.sealed_table import read_sealed_table
from tf_lottery.store.tensors import load_tensors

FILE = "same_region__3_points__union__estimated__test"


@pytest.fixture(scope="module")
def study(finished_run, run_tiny, tmp_path_factory) -> Path:
    """The folder of three replicates, the first with copies; not to be changed."""
    workdir = tmp_path_factory.mktemp("study")
    shutil.copytree(finished_run, workdir / "tiny" / "replicate_1")
    for replicate in (2, 3):
        run_tiny(workdir, replicate=replicate)
    tf_lottery.run_branch(workdir / "tiny" / "replicate_1", "retrain", [2], data_seed=1001)
    return workdir / "tiny"


@pytest.fixture
def run(study, tmp_path) -> Path:
    """A copy of the first replicate beside the others; the second lacks level 2."""
    shutil.copytree(study, tmp_path / "tiny")
    shutil.rmtree(tmp_path / "tiny" / "replicate_2" / "level_2")
    return tmp_path / "tiny" / "replicate_1"


def measure(run: Path, levels=None, other_run=None, **options) -> list[Row]:
    here = {} if other_run is None else {"other_run": str(other_run)}
    options = {"points": 3, "line_mask": "union", "line_split": "test", **options}
    run_analysis(run, "same_region", levels, here=here, **options)
    other = "" if other_run is None else f"__{beside(other_run)}"
    settings = f"3_points__{options['line_mask']}__estimated__{options['line_split']}"
    return read_sealed_table(run / "landscape" / f"same_region__{settings}{other}.csv")


def beside(other_run: Path) -> str:
    """What the names of files have of another run."""
    digest = RunFolder.read(other_run).level(1).ticket()[:8]
    return f"beside_{'_'.join(other_run.absolute().parts[-2:])}_{digest}"


def kinds(row: Row) -> list[str]:
    return [kind for kind in COMPARISONS if row[kind]]


def softmax(run: Path, level: Path) -> np.ndarray:
    """Test outputs of a tiny network in float64."""
    details, weights = RunFolder.read(run).details, load_tensors(level / "weights")
    images = load_dataset("digits", validation_examples=200).test.images
    features = images.reshape(len(images), -1).astype(np.float64)
    features = (features - details.pixel_mean) / np.sqrt(details.pixel_variance)
    for name in ("dense_1", "dense_2", "output"):
        features = features @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]
        features = features if name == "output" else np.maximum(features, 0)
    outputs = np.exp(features)
    return outputs / outputs.sum(axis=1, keepdims=True)


@pytest.mark.slow
def test_levels_are_compared_with_all_that_there_is(run, capsys):
    # The copy of the lowest seed is taken, whichever was trained first.
    tf_lottery.run_branch(run, "retrain", [2], data_seed=1000)
    capsys.readouterr()
    rows = measure(run)
    seeds = [(row["other_level"], row["other_init_seed"], row["other_data_seed"]) for row in rows]
    found = [(row["level"], kinds(row), of) for row, of in zip(rows, seeds, strict=True)]
    assert found == [
        (1, ["pruned_from", "dense"], (0, 1, 1)),
        (1, ["independent"], (1, 2, 2)),
        (2, ["pruned_from"], (1, 1, 1)),
        (2, ["dense"], (0, 1, 1)),
        (2, ["independent"], (2, 3, 3)),
        (2, ["noise"], (2, 1, 1000)),
    ]
    output = capsys.readouterr().out
    assert "no other replicate" not in output
    printed = [line.split()[:4] for line in output.splitlines()]
    assert ["1", "80.0%", "pruned", "from"] in printed
    assert ["2", "64.0%", "other", "data"] in printed
    images = {path.name for path in (run / "landscape").glob("*.png")}
    names = ("barrier", "agreement", "gain")
    assert images == {f"same_region_{name}__3_points__union__estimated__test.png" for name in names}


def test_numbers_are_those_of_the_solutions_on_the_disk(run):
    others = {
        "pruned_from": "level_1",
        "dense": "level_0",
        "independent": "../replicate_3/level_2",
        "noise": "branches/retrain-data_seed_1001/level_2",
    }
    labels = load_dataset("digits", validation_examples=200).test.labels
    probabilities = softmax(run, run / "level_2")
    mask = tf_lottery.Mask.load(run / "level_2" / "masks.npz")
    own = load_tensors(run / "level_2" / "weights")
    rows = measure(run, [2])
    assert [kinds(row) for row in rows] == [[kind] for kind in others]
    to_all = ",".join(f"level_2,{name}" for name in others.values())
    run_analysis(run, "interpolate", points=3, solutions=to_all)
    for row, name in zip(rows, others.values(), strict=True):
        other = softmax(run, run / name)
        answers = probabilities.argmax(1), other.argmax(1)
        wrong = [answer != labels for answer in answers]
        either = wrong[0] | wrong[1]
        same = answers[0] == answers[1]
        average = np.mean((probabilities + other).argmax(1) == labels)
        assert row["density"] == mask.density
        assert row["test_accuracy"] == pytest.approx(1 - wrong[0].mean())
        assert row["other_test_accuracy"] == pytest.approx(1 - wrong[1].mean())
        assert row["ensemble_accuracy"] == pytest.approx(average)
        gain = average - 1 + (wrong[0].mean() + wrong[1].mean()) / 2
        assert row["gain"] == pytest.approx(gain, abs=1e-12)
        assert row["agreement"] == pytest.approx(same.mean())
        assert row["agreement_on_errors"] == pytest.approx(same[either].mean())
        assert row["error_overlap"] == pytest.approx((wrong[0] & wrong[1]).sum() / either.sum())
        weights = load_tensors(run / name / "weights")
        squares = sum(np.sum((own[kernel] - weights[kernel]).astype(float) ** 2) for kernel in mask)
        assert row["l2"] == pytest.approx(np.sqrt(squares))
        end = name.replace("../", "").replace("/", "_")
        # The weights of another run's solution are told in its name.
        digits = "_????????" if name.startswith("../") else ""
        (path,) = (run / "landscape" / "lines").glob(f"level_2--{end}{digits}__*.csv")
        points = read_sealed_table(path)
        for of in ("error", "loss"):
            values = [point[f"test_{of}"] for point in points]
            barrier = max(values) - (values[0] + values[-1]) / 2
            assert row[f"test_{of}_barrier"] == pytest.approx(barrier, abs=1e-12)


@pytest.mark.slow
def test_lines_to_aligned_solutions_are_kept_apart_and_answers_are_the_same(run):
    as_trained = measure(run, [2])
    measure(run, [2], align="weights")
    aligned = read_sealed_table(run / "landscape" / f"{FILE}__aligned_by_weights.csv")
    assert read_sealed_table(run / "landscape" / f"{FILE}.csv") == as_trained
    of_lines = {"l2", "cosine", "test_error_barrier", "test_loss_barrier"}
    for row, before in zip(aligned, as_trained, strict=True):
        of_others = row.keys() - of_lines
        assert {name: row[name] for name in of_others} == {name: before[name] for name in of_others}
    shorter = {
        kind: row["l2"] < 0.95 * before["l2"]
        for row, before in zip(aligned, as_trained, strict=True)
        for kind in kinds(row)
    }
    assert shorter == {"pruned_from": False, "dense": False, "independent": True, "noise": False}
    for image in ("barrier", "agreement", "gain"):
        name = f"same_region_{image}{FILE.removeprefix('same_region')}__aligned_by_weights.png"
        assert (run / "landscape" / name).exists()


@pytest.mark.slow
def test_only_what_is_missing_or_of_another_run_now_is_measured(run, study):
    assert [row["level"] for row in measure(run, [2])] == [2] * 4
    path = run / "landscape" / f"{FILE}.csv"
    header, first, *_, last = path.read_text().splitlines()
    cells = first.split(",")
    cells[header.split(",").index("agreement")] = "0.125"  # that nobody would measure
    path.write_text("\n".join([header, ",".join(cells), last, ""]))
    path.with_name(f"{path.name}.sha256").unlink()  # as a file without a seal
    again = measure(run, [2])
    assert [kinds(row) for row in again] == [[kind] for kind in COMPARISONS]
    assert [row["agreement"] == 0.125 for row in again] == [True, False, False, False]
    written = path.stat().st_mtime_ns
    assert measure(run, [2]) == again
    assert path.stat().st_mtime_ns == written
    shutil.copytree(study / "replicate_2" / "level_2", run.parent / "replicate_2" / "level_2")
    now = measure(run)
    assert [row["level"] for row in now] == [1, 1, 2, 2, 2, 2]
    assert [row["other_init_seed"] for row in now[2:]] == [1, 1, 2, 1]
    assert [now[2 + index] == again[index] for index in range(4)] == [True, True, False, True]


def test_that_a_run_is_alone_is_said_once(copied_run, command, tmp_path, capsys):
    command(
        "--experiment=same_region", f"--run={copied_run}", "--points=3", "--levels=1",
        workdir=tmp_path,
    )  # fmt: skip
    assert capsys.readouterr().out.count("no other replicate with other seeds") == 1


def test_a_run_that_is_alone_is_compared_with_itself_and_says_so(copied_run, capsys):
    rows = measure(copied_run)
    found = [(row["level"], kinds(row)) for row in rows]
    assert found == [(1, ["pruned_from", "dense"]), (2, ["pruned_from"]), (2, ["dense"])]
    output = capsys.readouterr().out
    assert f"Level 1, 2: no other replicate with other seeds beside {copied_run}" in output
    renamed = copied_run.parent / "first"
    copied_run.rename(renamed)
    assert measure(renamed) == rows


def test_a_copy_of_the_run_is_no_independent_one(copied_run, capsys):
    copied_run = copied_run.rename(copied_run.with_name("replicate_1"))
    copy = copied_run.with_name("replicate_2")
    shutil.copytree(copied_run, copy)
    assert not any(row["independent"] for row in measure(copied_run, [1]))
    said = " ".join(capsys.readouterr().out.split())
    assert said.count(f"{copy} is left out: its config.json says replicate 1, as that of rep") == 1


@pytest.mark.slow
def test_another_run_is_compared_with_if_it_is_given(run, study, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere" / "third"
    shutil.copytree(study / "replicate_3", elsewhere)
    monkeypatch.chdir(tmp_path)
    given = Path("elsewhere/third")
    rows = measure(run, [1], given)
    assert [row["other_init_seed"] for row in rows] == [1, 3]
    assert beside(given).startswith("beside_elsewhere_third_")
    values = flags.FlagValues()
    define_flags(values)
    command = ("--experiment=same_region", f"--run={run}", f"--other_run={given}", "--levels=1")
    values(["main.py", *command, "--points=3", "--line_split=both"])
    tf_lottery.run_command(command_from_flags(values))
    name = f"{FILE.replace('__test', '__both')}__{beside(given)}.csv"
    of_both = read_sealed_table(run / "landscape" / name)
    assert {"test_error_barrier", "train_loss_barrier"} <= set(of_both[0])
    assert [row["test_loss_barrier"] for row in of_both] == [r["test_loss_barrier"] for r in rows]


@pytest.mark.slow
def test_other_runs_in_folders_of_the_same_name_are_told_apart(run, study, tmp_path):
    others = [tmp_path / name / "x" / "replicate_1" for name in ("one", "two")]
    for number, other in enumerate(others, 2):
        shutil.copytree(study / f"replicate_{number}", other)
    # As if both had been made with the same seeds.
    edit_config(others[1], details={"init_seed": 2, "data_seed": 2})
    rows = [measure(run, [1], other)[-1] for other in others]
    tickets = [RunFolder.read(other).level(1).ticket()[:12] for other in others]
    assert [f"{row['other_ticket']:012x}" for row in rows] == tickets
    assert rows[0]["l2"] != rows[1]["l2"]
    assert measure(run, [1], others[0])[-1] == rows[0]


def test_a_solution_that_was_trained_anew_is_measured_anew(run, study, tmp_path, moved_level):
    other = tmp_path / "x" / "replicate_1"
    shutil.copytree(study / "replicate_3", other)
    before = measure(run, [2], other)
    moved_level(other, 2)
    after = measure(run, [2], other)
    pairs = zip(before, after, strict=True)
    changed = [kinds(row) for row, now in pairs if row["l2"] != now["l2"]]
    assert changed == [["independent"]]


@pytest.mark.slow
def test_one_shot_levels_are_compared_with_the_dense_network_alone(run_tiny, tmp_path):
    run = run_tiny(tmp_path, prune_from="dense", train_steps="9it")
    rows = measure(run)
    assert [(row["level"], row["other_level"]) for row in rows] == [(1, 0), (2, 0)]
    assert [kinds(row) for row in rows] == [["pruned_from", "dense"]] * 2


@pytest.mark.slow
def test_networks_that_never_err_have_no_errors_to_share(run_tiny, tmp_path):
    labels = np.arange(40) % 2
    images = np.broadcast_to(255 * labels[:, None, None], (40, 8, 8)).astype(np.uint8)
    data = checked_dataset("two", 2, (images, labels), (images, labels))
    run = run_tiny(tmp_path, data, levels=1, batch_size=20, validation_examples=0)
    run_analysis(run, "same_region", dataset=data, points=3)
    (row,) = read_sealed_table(run / "landscape" / f"{FILE}.csv")
    assert (row["test_accuracy"], row["other_test_accuracy"], row["agreement"]) == (1, 1, 1)
    assert row["error_overlap"] is None
    assert row["agreement_on_errors"] is None


@pytest.mark.slow
def test_runs_that_cannot_be_compared_are_refused_before_anything_is_measured(
    run, run_tiny, tmp_path
):
    half, split = (
        shutil.copytree(run.parent / "replicate_3", tmp_path / name / "replicate_4")
        for name in ("half", "split")
    )
    edit_config(half, details={"data_seed": 1})
    edit_config(split, details={"data_sha256": "0" * 64})
    wide = run_tiny(
        tmp_path, name="wide", replicate=6, model="lenet_24_10", levels=1, train_steps="9it"
    )
    for other, message in (
        (tmp_path, "is not a run folder"),
        (run, "--init_seed=1 is that of .* a run is independent if both"),
        (half, "--data_seed=1 is that of"),
        (split, "it was made with other data than"),
        (run.parent / "replicate_2", "level 2 is not finished there"),
    ):
        with pytest.raises(ValueError, match=f"^--other_run={re.escape(str(other))}: .*{message}"):
            measure(run, [2], other)
    with pytest.raises(ValueError, match=r"different networks: .*dense_1/kernel"):
        measure(run, [1], wide)
    for levels, message in (([0], "level 0 is not pruned"), ([3], "level 3 is not finished")):
        with pytest.raises(ValueError, match=f"^--levels: {message}"):
            measure(run, levels)
    branch = run / "branches" / "retrain-data_seed_1001"
    with pytest.raises(ValueError, match=r"^--run=.*is a branch"):
        measure(branch)
    shutil.rmtree(run / "level_1")
    with pytest.raises(ValueError, match=r"^--levels: level 1 is not finished in"):
        measure(run, [2])
    assert not list(tmp_path.rglob("landscape"))


@pytest.mark.slow
def test_runs_that_prune_before_training_and_streamed_data_are_refused(run_tiny, tmp_path):
    run = run_tiny(tmp_path, prune_from="rewind_step", levels=1, train_steps="9it")
    with pytest.raises(ValueError, match=r"made with --prune_from=rewind_step, before training"):
        measure(run)
    small = {"model": "lenet_20_10", "image_size": 8, "batch_size": 4, "validation_examples": 2}
    short = {"levels": 1, "train_steps": "2it", "evaluate_every": "1it", "rewind_step": "0it"}
    streamed = tf_lottery.config_from_values(
        {
            "dataset": "imagenet2012",
            "workdir": str(tmp_path),
            "jit_compile": "off",
            **small,
            **short,
        }
    )
    with tfds.testing.mock_data(num_examples=12):
        tf_lottery.run_experiment(streamed)
        with pytest.raises(ValueError, match=r"^--experiment=same_region needs test data .*memory"):
            measure(streamed.run_path)
