"""Lines between solutions and between levels of run folders, measured anew from the files."""

import csv
import re
import shutil
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import tf_keras as keras

import tf_lottery
from tests.experiments.interrupted import interrupt_when
from tf_lottery.config.lines import Lines
from tf_lottery.data import Split, load_dataset
from tf_lottery.experiments.analyses import interpolate
from tf_lottery.experiments.measuring.analyzed_run import AnalyzedRun
from tf_lottery.experiments.measuring.measured_run import MeasuredRun
from tf_lottery.experiments.measuring.rows import run_analysis
from tf_lottery.models.registry import FAMILIES, register_model
from tf_lottery.report.progress import counting
from tf_lottery.store.csv_files import write_csv
from tf_lottery.store.errors import DamagedFileError
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.sealed_tensors import SealedTensors
from tf_lottery.store.tensors import load_tensors
from tf_lottery.training.network import weights_of

BRANCH = "branches/random_mask/level_1"
OTHER = "../replicate_2/level_1"
SETTINGS = "3_points__union__estimated__test"


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


@pytest.fixture(scope="module")
def digits() -> dict[str, Split]:
    data = load_dataset("digits", validation_examples=200)
    return {"train": data.train, "test": data.test}


def measure(run: Path, solutions: str, **options) -> None:
    run_analysis(run, "interpolate", solutions=solutions, **{"points": 3, **options})


def measure_levels(run: Path, levels=None, **options) -> Path:
    run_analysis(run, "successive_levels", levels, **{"points": 3, **options})
    split = options.get("line_split", "test")
    return run / "landscape" / f"successive_levels__3_points__union__estimated__{split}.csv"


def rows(path: Path) -> list[dict[str, float | None]]:
    with path.open() as file:
        return [
            {name: float(cell) if cell else None for name, cell in row.items()}
            for row in csv.DictReader(file)
        ]


def line(run: Path, ends: str, settings: str = SETTINGS) -> list[dict[str, float]]:
    (path,) = (run / "landscape" / "lines").glob(f"{ends}__{settings}.csv")
    return rows(path)


def recorded(level: Path) -> tuple[float, float]:
    """Test loss and error at the end of a level's training."""
    last = rows(level / "metrics.csv")[-1]
    return last["test_loss"], 1 - last["test_accuracy"]


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


def of_level(level: Path) -> tuple[dict[str, np.ndarray], tf_lottery.Mask]:
    return load_tensors(level / "weights"), tf_lottery.Mask.load(level / "masks.npz")


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


@pytest.mark.slow
def test_every_two_levels_have_the_barrier_and_the_distance_of_their_line(run, pictures, capsys):
    measured = rows(measure_levels(run, line_split="both"))
    pairs = [(row["first_level"], row["second_level"]) for row in measured]
    assert pairs == list(combinations(range(3), 2))
    for row, (first, second) in zip(measured, combinations(range(3), 2), strict=True):
        measure(run, f"level_{first},level_{second}", line_split="both")
        points = line(run, f"level_{first}--level_{second}", "3_points__union__estimated__both")
        for split in ("test", "train"):
            for of in ("error", "loss"):
                values = [point[f"{split}_{of}"] for point in points]
                barrier = max(values) - (values[0] + values[-1]) / 2
                assert row[f"{split}_{of}_barrier"] == pytest.approx(barrier, abs=1e-12)
        ends = (of_level(run / f"level_{level}") for level in (first, second))
        one, other = (
            np.concatenate([weights[name].ravel() for name in mask]).astype(np.float64)
            for weights, mask in ends
        )
        assert row["l2"] == pytest.approx(np.linalg.norm(one - other))
        cosine = one @ other / (np.linalg.norm(one) * np.linalg.norm(other))
        assert row["cosine"] == pytest.approx(cosine)
        for end, level in (("first", first), ("second", second)):
            summary = rows(run / "summary.csv")[level]
            assert row[f"{end}_density"] == summary["density"]
            assert row[f"{end}_test_accuracy"] == summary["test_accuracy"]
    for name in ("successive_levels", "barrier_and_accuracy", "level_matrix"):
        image = (run / "landscape" / f"{name}__3_points__union__estimated__both.png").read_bytes()
        assert image.startswith(b"\x89PNG\r\n\x1a\n")
    barriers = [f"{100 * measured[index]['test_error_barrier']:.2f}" for index in (0, 2)]
    printed = [words.split() for words in capsys.readouterr().out.splitlines()]
    found = [words[5] for words in printed if len(words) == 7 and words[0] in ("1", "2")]
    assert found == barriers


@pytest.mark.slow
def test_only_pairs_that_are_missing_are_measured(run):
    path = measure_levels(run)
    complete = path.read_text()
    header, first, second, third = complete.splitlines()
    kept = first.split(",")
    kept[-2] = "0.75"  # a barrier that nobody would measure
    path.write_text("\n".join([header, ",".join(kept), third, ""]))
    path.with_name(f"{path.name}.sha256").unlink()  # as a file without a seal
    assert measure_levels(run) == path
    assert path.read_text().splitlines() == [header, ",".join(kept), second, third]


@pytest.mark.slow
def test_only_neighbours_are_measured_if_only_they_are_wanted(run, capsys):
    everything = {line[:4]: line for line in measure_levels(run).read_text().splitlines()}
    path = run / "landscape" / "successive_levels__3_points__union__estimated__test.csv"
    path.unlink()
    capsys.readouterr()
    assert measure_levels(run, pairs="successive") == path
    assert path.read_text().splitlines()[1:] == [everything["0,1,"], everything["1,2,"]]
    printed = [words.split() for words in capsys.readouterr().out.splitlines()]
    assert [words[0] for words in printed if len(words) == 7 and words[0] in "012"] == list("012")
    path.unlink()
    measure_levels(run, [0, 2], pairs="successive")
    assert path.read_text().splitlines()[1:] == [everything["0,2,"]]
    measure_levels(run)
    assert path.read_text().splitlines() == list(everything.values())


@pytest.mark.slow
def test_levels_that_are_chosen_are_measured_and_the_others_later(run, monkeypatch, capsys):
    monkeypatch.setattr(counting, "SECONDS_BETWEEN_LOG_LINES", 0)
    path = measure_levels(run, [0, 2])
    # Of a large network one line takes minutes.
    assert "points on lines: 1 of 3\n" in capsys.readouterr().out
    assert [(row["first_level"], row["second_level"]) for row in rows(path)] == [(0, 2)]
    measure_levels(run, [2, 1])
    assert [(row["first_level"], row["second_level"]) for row in rows(path)] == [(0, 2), (1, 2)]
    chosen = path.read_text()
    path.unlink()
    measure_levels(run)
    everything = path.read_text().splitlines()
    assert [line for line in everything if not line.startswith("0,1,")] == chosen.splitlines()


@pytest.mark.slow
def test_levels_match_within_the_tolerance_that_was_chosen(run, capsys):
    accuracies = [row["test_accuracy"] for row in rows(run / "summary.csv")]
    lacking = [100 * (accuracies[0] - accuracy) for accuracy in accuracies]
    for tolerance in (0.0, abs(lacking[1]) + 0.01, max(abs(lacking[2]) - 0.01, 0), 100.0):
        measure_levels(run, matching_tolerance=tolerance)
        printed = [words.split() for words in capsys.readouterr().out.splitlines()]
        found = {words[0]: words[4] for words in printed if len(words) == 7 and words[0] in "012"}
        matching = ["yes" if points <= tolerance else "no" for points in lacking[1:]]
        assert found == {"0": "-", "1": matching[0], "2": matching[1]}


@pytest.fixture(scope="module")
def normalized_run(run_tiny, tmp_path_factory) -> Path:
    """A run of a network with batch normalization, all training examples in one batch."""
    return run_tiny(
        tmp_path_factory.mktemp("normalized"),
        model="wideresnet_10_1",
        batch_size=1237,
        train_steps="2it",
        rewind_step="0it",
        evaluate_every="1it",
        levels=1,
    )


@pytest.mark.slow
def test_statistics_are_those_of_the_line_or_estimated_anew(normalized_run, digits):
    for statistics in ("interpolated", "estimated"):
        measure(normalized_run, "level_0,level_1", line_statistics=statistics, line_split="both")
    stored = line(normalized_run, "level_0--level_1", "3_points__union__interpolated__both")
    estimated = line(
        normalized_run, "level_0--level_1", "3_points__union__estimated_at_random__both"
    )
    for level in (0, 1):
        found = stored[-level]["test_loss"], stored[-level]["test_error"]
        assert found == recorded(normalized_run / f"level_{level}")
        model, data = tf_lottery.load_ticket(normalized_run, level), digits["train"]
        # Estimated on one batch of all examples: as if that batch were trained on.
        logits = model(data.images.astype(np.float32), training=True).numpy().astype(np.float64)
        losses = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(data)), data.labels]
        assert estimated[-level]["train_loss"] == pytest.approx(losses.mean(), rel=1e-3)
        assert stored[-level]["train_loss"] != pytest.approx(losses.mean(), rel=1e-2)


@pytest.fixture
def sorted_run(run_tiny, tmp_path) -> Iterator[tuple[Path, tf_lottery.Dataset]]:
    """A run of a small network with batch normalization on data that are stored by class."""

    @register_model("one_normalization", examples=["one_normalization"])
    def network(inputs, classes):
        features = keras.layers.Dense(8, name="one")(keras.layers.Flatten()(inputs))
        features = keras.layers.BatchNormalization(momentum=0.9, name="norm")(features)
        features = keras.layers.ReLU()(features)
        return keras.layers.Dense(classes, name="output")(features)

    random, labels = np.random.default_rng(0), np.repeat(np.arange(4), 200)
    images = random.normal(60 * labels[:, None, None, None], 20, (800, 4, 4, 1))
    data = (images.clip(0, 255).astype(np.uint8), labels)
    dataset = tf_lottery.from_arrays(data, data, name="sorted")
    short = {"levels": 1, "train_steps": "60it", "evaluate_every": "20it", "batch_size": 10}
    try:
        yield run_tiny(tmp_path, dataset, model="one_normalization", **short), dataset
    finally:
        FAMILIES.remove("network")


def test_statistics_are_those_of_all_classes_though_data_are_stored_by_class(sorted_run):
    run, dataset = sorted_run
    analyzed = AnalyzedRun(run, dataset=dataset)
    weights = analyzed.level(0).weights
    analyzed.evaluator(Lines())(weights)
    found = weights_of(analyzed.experiment.network.model)
    details = RunFolder.read(run).details
    pixels = (dataset.train.images - details.pixel_mean) / np.sqrt(details.pixel_variance)
    features = pixels.reshape(len(pixels), -1) @ weights["one/kernel"] + weights["one/bias"]
    np.testing.assert_allclose(found["norm/moving_mean"], features.mean(axis=0), atol=1e-3)
    # Random batches of 10 hold nine tenths of the variance.
    ratio = found["norm/moving_variance"] / features.var(axis=0)
    assert ((ratio > 0.85) & (ratio < 0.95)).all()


@pytest.mark.slow
def test_what_earlier_versions_measured_with_other_statistics_stays_in_its_own_files(sorted_run):
    run, dataset = sorted_run
    names = {
        way: (
            f"lines/level_0--level_1__3_points__union__{way}__test.csv",
            f"successive_levels__3_points__union__{way}__test.csv",
        )
        for way in ("estimated", "estimated_at_random")
    }
    old = [run / "landscape" / name for name in names["estimated"]]
    for path in old:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("of an earlier version")
    run_analysis(run, "interpolate", solutions="level_0,level_1", points=3, dataset=dataset)
    run_analysis(run, "successive_levels", points=3, dataset=dataset)
    assert {path.read_text() for path in old} == {"of an earlier version"}
    points, (pair,) = (rows(run / "landscape" / name) for name in names["estimated_at_random"])
    errors = [row["test_error"] for row in points]
    assert pair["test_error_barrier"] == max(errors) - (errors[0] + errors[2]) / 2
    # The ends of the line are as good as the levels.
    for end, level in ((0, 0), (2, 1)):
        assert errors[end] == pytest.approx(recorded(run / f"level_{level}")[1], abs=0.03)
    measured = MeasuredRun(run)
    assert measured.line_settings(Lines()) == (30, "union", "estimated_at_random", "test")
    given = measured.line_settings(Lines(line_statistics="interpolated"))
    assert given == (30, "union", "interpolated", "test")


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
        FAMILIES.remove("network")
    assert not (run / "landscape").exists()
