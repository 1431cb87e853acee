"""Lines between solutions of run folders, measured anew from the files."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import tf_keras as keras

import tf_lottery
from tests.experiments.interrupted import interrupt_when
from tests.experiments.measured_lines import SETTINGS, line, measure, of_level, recorded, rows
from tf_lottery.data import Split
from tf_lottery.experiments.analyses import interpolate
from tf_lottery.models.registry import FAMILIES, register_model
from tf_lottery.store.csv_files import write_csv
from tf_lottery.store.errors import DamagedFileError
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.sealed_tensors import SealedTensors
from tf_lottery.store.tensors import load_tensors

BRANCH = "branches/random_mask/level_1"
OTHER = "../replicate_2/level_1"


@pytest.fixture(scope="module")
def study(finished_run, run_tiny, tmp_path_factory) -> Path:
    """The folder of two replicates, the first with a branch; not to be changed."""
    workdir = tmp_path_factory.mktemp("study")
    shutil.copytree(finished_run, workdir / "tiny" / "replicate_1")
    tf_lottery.run_branch(workdir / "tiny" / "replicate_1", "random_mask", [1])
    run_tiny(workdir, replicate=2, levels=1)
    return workdir / "tiny"


@pytest.fixture
def run(study, tmp_path) -> Path:
    """A copy of the first replicate beside one of the second; its workdir is `tmp_path`."""
    shutil.copytree(study, tmp_path / "tiny")
    return tmp_path / "tiny" / "replicate_1"


def expected(run: Path, weights: Mapping[str, np.ndarray], data: Split) -> tuple[float, float]:
    """Loss and error of a tiny network in float64."""
    details = RunFolder.read(run).details
    pixels = data.images.reshape(len(data), -1).astype(np.float64)
    features = (pixels - details.pixel_mean) / np.sqrt(details.pixel_variance)
    for name in ("dense_1", "dense_2", "output"):
        features = features @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]
        features = features if name == "output" else np.maximum(features, 0)
    losses = np.log(np.exp(features).sum(1)) - features[np.arange(len(data)), data.labels]
    return losses.mean(), np.mean(features.argmax(1) != data.labels)


def test_the_ends_of_lines_have_the_losses_and_errors_of_their_solutions(run, digits):
    measure(run, f"level_0, level_2,{BRANCH},{OTHER},rewind", line_split="both")
    names = ["level_0", "level_2", BRANCH, OTHER, "rewind"]
    other = "replicate_2_level_1_????????"
    slugs = ["level_0", "level_2", "branches_random_mask_level_1", other, "rewind"]
    for position in range(4):
        ends = f"{slugs[position]}--{slugs[position + 1]}"
        measured = line(run, ends, "3_points__union__estimated__both")
        assert [row["position"] for row in measured] == [0, 0.5, 1]
        for row, name in zip((measured[0], measured[-1]), names[position:], strict=False):
            if name == "rewind":
                weights, _ = RunFolder.read(run).rewind.load()
                weights = {key.removeprefix("weights/"): array for key, array in weights.items()}
            else:
                weights, _ = of_level(run / name)
                assert (row["test_loss"], row["test_error"]) == recorded(run / name)
            for split, data in digits.items():
                loss, error = expected(run, weights, data)
                assert row[f"{split}_loss"] == pytest.approx(loss, rel=1e-5)
                assert row[f"{split}_error"] == pytest.approx(error)


def test_a_line_to_another_run_that_is_trained_anew_is_measured_anew(run, run_tiny, tmp_path):
    measure(run, f"level_1,{OTHER}")
    (before,) = (run / "landscape" / "lines").glob("*.csv")
    measure(run, f"level_1,{OTHER}")
    shutil.rmtree(run / "../replicate_2")
    run_tiny(tmp_path, replicate=2, levels=1, init_seed=7)
    measure(run, f"level_1,{OTHER}")
    (path,) = {*(run / "landscape" / "lines").glob("*.csv")} - {before}
    end = rows(path)[-1]
    assert (end["test_loss"], end["test_error"]) == recorded(run / OTHER)
    assert end["test_loss"] != rows(before)[-1]["test_loss"]


def test_a_line_to_a_branch_that_is_trained_anew_is_measured_anew(run):
    """Under the same name: what it holds is in the file."""
    measure(run, f"level_1,{BRANCH}")
    ends = "level_1--branches_random_mask_level_1"
    before = line(run, ends)
    assert before[-1]["test_loss"] == recorded(run / BRANCH)[0]
    shutil.rmtree(run / BRANCH)
    shutil.copytree(run / OTHER, run / BRANCH)
    measure(run, f"level_1,{BRANCH}")
    after = line(run, ends)
    assert (after[-1]["test_loss"], after[-1]["test_error"]) == recorded(run / OTHER)
    assert after[0]["first_solution"] == before[0]["first_solution"]
    assert after[0]["second_solution"] != before[0]["second_solution"]


def test_a_line_of_an_earlier_version_is_read(run):
    """It did not say which solutions its ends are."""
    measure(run, "level_0,level_1")
    (path,) = (run / "landscape" / "lines").glob("*.csv")
    old = [{n: row[n] for n in ("position", "test_loss", "test_error")} for row in rows(path)]
    old[1]["test_loss"] = 0.125  # that nobody would measure
    write_csv(path, list(old[0]), old)
    path.with_name(f"{path.name}.sha256").unlink()
    measure(run, "level_0,level_1")
    assert rows(path) == old


def test_there_is_no_barrier_between_a_level_and_itself(run, capsys):
    measure(run, "level_1,level_1,level_1")
    measured = line(run, "level_1--level_1")
    assert {row["test_error"] for row in measured} == {recorded(run / "level_1")[1]}
    printed = [words.split() for words in capsys.readouterr().out.splitlines()]
    ends = ["level", "1", "level", "1"]
    assert printed.count([*ends, "0.00", "0.0000", "0.00", "1.000"]) == 2


def test_lines_lie_in_the_mask_that_was_asked_for(run, digits):
    (first, first_mask), (second, second_mask) = of_level(run / "level_1"), of_level(run / BRANCH)
    masks = {
        "union": {name: array | second_mask[name] for name, array in first_mask.items()},
        "intersection": {name: array & second_mask[name] for name, array in first_mask.items()},
        "first": dict(first_mask),
        "second": dict(second_mask),
    }
    found = set()
    for name, mask in masks.items():
        measure(run, f"level_1,{BRANCH}", line_mask=name)
        measured = line(
            run, "level_1--branches_random_mask_level_1", f"3_points__{name}__estimated__test"
        )
        for row in measured:
            share = row["position"]
            weights = {
                key: ((1 - share) * array + share * second[key]) * mask.get(key, 1)
                for key, array in first.items()
            }
            loss, error = expected(run, weights, digits["test"])
            assert row["test_loss"] == pytest.approx(loss, rel=1e-5)
            assert row["test_error"] == pytest.approx(error)
        found.add(tuple(row["test_loss"] for row in measured))
    assert len(found) == 4


def test_a_checkpoint_of_a_level_in_training_is_a_solution(run_tiny, half_run, tmp_path):
    moment = "level_2/checkpoint/step_20"
    interrupt_when(half_run / moment, lambda: run_tiny(tmp_path))
    measure(half_run, f"level_1,{moment}", line_mask="second")
    end = line(
        half_run, "level_1--level_2_checkpoint_step_20", "3_points__second__estimated__test"
    )[-1]
    at_step_20 = next(row for row in rows(half_run / "level_2/metrics.csv") if row["step"] == 20)
    assert end["test_loss"] == at_step_20["test_loss"]
    assert end["test_error"] == 1 - at_step_20["test_accuracy"]


@pytest.mark.slow
def test_what_was_measured_is_read_and_what_is_new_is_measured(run, snapshot, capsys):
    measure(run, "level_0,level_1")
    folder = run / "landscape" / "lines"
    before, first = snapshot(folder), capsys.readouterr().out
    assert set(before) == {
        f"level_0--level_1__3_points__union__estimated__test.{suffix}"
        for suffix in ("csv", "csv.sha256", "png")
    }
    measure(run, "level_0,level_1")
    assert capsys.readouterr().out == first
    after = snapshot(folder)
    assert {name: digest for name, (_, digest) in after.items()} == {
        name: digest for name, (_, digest) in before.items()
    }
    csv_file = "level_0--level_1__3_points__union__estimated__test.csv"
    assert after[csv_file] == before[csv_file]
    measure(run, "level_0,level_1,level_2", points=4)
    measure(run, "level_0,level_1,level_2")
    names = {path.name for path in folder.glob("*.csv")}
    settings = {"3_points__union__estimated__test.csv", "4_points__union__estimated__test.csv"}
    pairs = {"level_0--level_1", "level_1--level_2"}
    assert names == {f"{pair}__{setting}" for pair in pairs for setting in settings}
    assert snapshot(folder)[csv_file] == before[csv_file]


def test_the_figure_is_an_image(run, pictures):
    measure(run, f"level_0,{BRANCH}", line_split="train")
    (image,) = (run / "landscape" / "lines").glob("*.png")
    assert (
        image.name == "level_0--branches_random_mask_level_1__3_points__union__estimated__train.png"
    )
    assert image.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.slow
def test_figures_of_other_solutions_between_the_same_ends_are_kept_apart(run, monkeypatch):
    titles, draw = [], interpolate.line_figure
    monkeypatch.setattr(
        interpolate,
        "line_figure",
        lambda curves, title: titles.append(title) or draw(curves, title),
    )
    folder = run / "landscape" / "lines"
    settings = SETTINGS
    for names in ("level_0,level_2", "level_0,level_1,level_2", f"level_0,{BRANCH},level_2"):
        measure(run, names)
    assert {path.name for path in folder.glob("*.png")} == {
        f"level_0--level_2__{settings}.png",
        f"level_0--level_1--level_2__{settings}.png",
        f"level_0--branches_random_mask_level_1--level_2__{settings}.png",
    }
    assert titles[1] == "lines of tiny, replicate_1: level_0, level_1, level_2"
    many = [["level_0", *[middle] * 20, "level_2"] for middle in ("level_1", "level_2")]
    for names in many:
        measure(run, ",".join(names))
    long = [path.name for path in folder.glob("*.png") if len(path.name) > 60]
    assert len([name for name in long if re.match(r"level_0--[0-9a-f]{8}--level_2__", name)]) == 2


def test_a_line_that_was_cut_short_on_the_disk_is_refused(run):
    measure(run, "level_0,level_1")
    (path,) = (run / "landscape" / "lines").glob("*.csv")
    path.write_text(path.read_text()[:-4])
    with pytest.raises(DamagedFileError, match=re.escape(str(path))):
        measure(run, "level_0,level_1")


def test_a_solution_is_aligned_with_its_permuted_self(run, capsys):
    random = np.random.default_rng(0)
    weights = load_tensors(run / "level_1" / "weights")
    orders = {"dense_1": random.permutation(20), "dense_2": random.permutation(10)}
    for layer, after in (("dense_1", "dense_2"), ("dense_2", "output")):
        for name in (f"{layer}/kernel", f"{layer}/bias"):
            weights[name] = weights[name][..., orders[layer]]
        weights[f"{after}/kernel"] = weights[f"{after}/kernel"][orders[layer]]
    tensors = {f"weights/{name}": array for name, array in weights.items()}
    SealedTensors(run / "permuted").save(tensors, {})
    measure(run, "level_1,permuted")
    measure(run, "level_1,permuted", align="weights")
    apart = line(run, "level_1--permuted")
    aligned = line(run, "level_1--permuted", f"{SETTINGS}__aligned_by_weights")
    assert [row["test_error"] for row in aligned] == [recorded(run / "level_1")[1]] * 3
    assert apart[1]["test_loss"] > aligned[1]["test_loss"] + 0.01
    printed = [words.split() for words in capsys.readouterr().out.splitlines()]
    distances = [words[-2:] for words in printed if words[:3] == ["level", "1", "permuted"]]
    assert len(distances) == 2
    assert float(distances[0][0]) > 1
    assert distances[1] == ["0.00", "1.000"]
    images = {path.name for path in (run / "landscape" / "lines").glob("*.png")}
    assert images == {
        f"level_1--permuted__{SETTINGS}.png",
        f"level_1--permuted__{SETTINGS}__aligned_by_weights.png",
    }


@pytest.mark.slow
def test_a_network_whose_units_are_not_known_to_move_is_not_aligned(run_tiny, tmp_path):
    @register_model("normalized_layers", examples=["normalized_layers"])
    def network(inputs, classes):
        features = keras.layers.Dense(8, "relu", name="one")(keras.layers.Flatten()(inputs))
        features = keras.layers.LayerNormalization(name="norm")(features)
        return keras.layers.Dense(classes, name="output")(features)

    try:
        run = run_tiny(tmp_path, model="normalized_layers", levels=1, train_steps="9it")
        with pytest.raises(ValueError, match=r"^--align=weights: .*not known for norm: LayerNorm"):
            measure(run, "level_0,level_1", align="weights")
    finally:
        FAMILIES.remove("normalized_layers")
    assert not (run / "landscape").exists()
