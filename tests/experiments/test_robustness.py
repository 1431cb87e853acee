"""Robustness to moved rewind points: what is trained, what is measured, and neither twice."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import tf_lottery
from tf_lottery.config.analyses import ANALYSES
from tf_lottery.data import Split, load_dataset
from tf_lottery.experiments.measuring.analysis import run_analysis
from tf_lottery.store.csv_files import Row, read_csv
from tf_lottery.store.result_columns import FRESH_NOISE_COLUMNS, ROBUSTNESS_COLUMNS, SOLUTIONS
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.tensors import load_tensors

SETTINGS = {
    "fresh": "__3_points__union__estimated__test__fresh_noise",
    "same": "__3_points__union__estimated__test",
}
COLUMNS = {
    "fresh": (*FRESH_NOISE_COLUMNS, SOLUTIONS),
    "same": (*ROBUSTNESS_COLUMNS, SOLUTIONS),
}
LAYERS = ("dense_1", "dense_2", "output")
# The first copy of the instability analysis has it too.
SEED = 1001


def read(run: Path, noise: str = "fresh") -> list[Row]:
    """All rows of the CSV file of a run."""
    path = run / "landscape" / f"robustness{SETTINGS[noise]}.csv"
    return read_csv(path, COLUMNS[noise], texts=[SOLUTIONS])


def analyze(run: Path, levels=None, noise: str = "fresh", **options) -> list[Row]:
    """Analyzes a run; returns all rows of its CSV file."""
    run_analysis(run, "robustness", levels, points=3, sgd_noise=noise, **options)
    return read(run, noise)


@pytest.fixture(scope="module")
def finished_analysis(finished_run, tmp_path_factory) -> Path:
    """A run whose rewind points were all moved by 1, with fresh noise; not to be changed."""
    run = tmp_path_factory.mktemp("analyzed") / "tiny" / "replicate_1"
    shutil.copytree(finished_run, run)
    analyze(run, perturbations="1")
    return run


@pytest.fixture(scope="module")
def finished_analyses(finished_analysis, tmp_path_factory) -> Path:
    """A run whose rewind points were all moved by 1, both ways; not to be changed."""
    run = tmp_path_factory.mktemp("analyzed_both_ways") / "tiny" / "replicate_1"
    shutil.copytree(finished_analysis, run)
    analyze(run, noise="same", perturbations="1")
    return run


@pytest.fixture
def analyzed_run(finished_analysis, tmp_path) -> Path:
    """A copy of the run with fresh noise that may be changed."""
    return shutil.copytree(finished_analysis, tmp_path / "tiny" / "replicate_1")


def error_and_loss(run: Path, weights: dict[str, np.ndarray], data: Split) -> tuple[float, float]:
    """Of the tiny network, in float64."""
    details = RunFolder.read(run).details
    pixels = data.images.reshape(len(data), -1).astype(np.float64)
    values = (pixels - details.pixel_mean) / np.sqrt(details.pixel_variance)
    for layer in LAYERS:
        values = values @ weights[f"{layer}/kernel"].astype(float) + weights[f"{layer}/bias"]
        logits, values = values, np.maximum(values, 0)
    losses = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(data)), data.labels]
    return float(np.mean(logits.argmax(1) != data.labels)), float(losses.mean())


@pytest.mark.parametrize(
    ("noise", "level", "factor", "branch"),
    [
        pytest.param("same", 0, 1.0, "perturbed", marks=pytest.mark.slow),
        pytest.param("same", 1, 1.0, "perturbed", marks=pytest.mark.slow),
        ("fresh", 0, 0.0, f"perturbed-data_seed_{SEED}-perturbation_0"),
        ("fresh", 0, 1.0, f"perturbed-data_seed_{SEED}"),
        ("fresh", 1, 0.0, f"retrain-data_seed_{SEED}"),
        ("fresh", 1, 1.0, f"perturbed-data_seed_{SEED}"),
    ],
)
def test_rows_are_those_of_the_weights_on_the_disk(request, noise, level, factor, branch):
    run = request.getfixturevalue("finished_analysis" if noise == "fresh" else "finished_analyses")
    (row,) = (row for row in read(run, noise) if (row["level"], row["factor"]) == (level, factor))
    assert row["direction"] == 0
    assert row.get("data_seed") == (SEED if noise == "fresh" else None)
    folders = run, run / "branches" / branch
    mask, following = (
        tf_lottery.Mask.load(run / f"level_{number}" / "masks.npz") for number in (level, level + 1)
    )
    early = load_tensors(run / "rewind" / "tensors")
    gone, kept = (
        np.linalg.norm(np.concatenate([early[f"weights/{n}"][a] for n, a in chosen.items()]))
        for chosen in ({name: a & ~following[name] for name, a in mask.items()}, mask)
    )
    assert row["density"] == mask.density
    assert row["perturbation_l2"] == pytest.approx(factor * gone, rel=1e-5)
    assert row["relative_perturbation"] == pytest.approx(factor * gone / kept, rel=1e-5)
    ends = [load_tensors(folder / f"level_{level}" / "weights") for folder in folders]
    one, two = (np.concatenate([end[n].ravel() for n in mask]).astype(float) for end in ends)
    assert row["l2"] == pytest.approx(np.linalg.norm(one - two))
    assert row["cosine"] == pytest.approx(one @ two / np.linalg.norm(one) / np.linalg.norm(two))
    middle = {name: (array + ends[1][name]) / 2 for name, array in ends[0].items()}
    data = load_dataset("digits", validation_examples=200).test
    measured = [error_and_loss(run, weights, data) for weights in (ends[0], middle, ends[1])]
    errors, losses = zip(*measured, strict=True)
    assert row["unperturbed_test_accuracy"] == pytest.approx(1 - errors[0])
    assert row["test_accuracy"] == pytest.approx(1 - errors[2])
    for barrier, values in ((row["error_barrier"], errors), (row["loss_barrier"], losses)):
        expected = max(values) - (values[0] + values[2]) / 2
        assert barrier == pytest.approx(expected, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    ("fixture", "factors"),
    [
        ("finished_analysis", {"fresh": [0.0, 1.0]}),
        pytest.param(
            "finished_analyses", {"fresh": [0.0, 1.0], "same": [1.0]}, marks=pytest.mark.slow
        ),
    ],
    ids=["fresh", "both"],
)
def test_all_trainings_are_there_and_no_others(request, fixture, factors):
    run = request.getfixturevalue(fixture)
    for noise, of_noise in factors.items():
        found = [(row["level"], row["factor"]) for row in read(run, noise)]
        assert found == [(level, factor) for level in (0, 1) for factor in of_noise]
    trained = {str(path.relative_to(run / "branches")) for path in run.glob("branches/*/level_*")}
    assert trained == {
        *(("perturbed/level_0", "perturbed/level_1") if "same" in factors else ()),
        *(f"perturbed-data_seed_{SEED}/level_{level}" for level in (0, 1)),
        f"perturbed-data_seed_{SEED}-perturbation_0/level_0",
        f"retrain-data_seed_{SEED}/level_1",
    }


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["fresh", "same"])
def test_what_is_there_is_neither_trained_nor_measured_again(
    request, tmp_path, snapshot, capsys, noise
):
    measured = {"fresh": ["fresh"], "same": ["fresh", "same"]}[noise]
    analyzed = "finished_analysis" if noise == "fresh" else "finished_analyses"
    analyzed_run = tmp_path / "tiny" / "replicate_1"
    shutil.copytree(request.getfixturevalue(analyzed), analyzed_run)
    capsys.readouterr()
    csv = analyzed_run / "landscape" / f"robustness{SETTINGS[noise]}.csv"
    content, branches = csv.read_text(), snapshot(analyzed_run / "branches")
    lines = content.splitlines()
    poisoned = lines[1].split(",")
    poisoned[COLUMNS[noise].index("error_barrier")] = "0.9876"  # nobody would measure that
    csv.write_text("\n".join([lines[0], ",".join(poisoned), *lines[2:]]) + "\n")
    csv.with_name(f"{csv.name}.sha256").unlink()  # as a file without a seal
    assert analyze(analyzed_run, noise=noise, perturbations="1")[0]["error_barrier"] == 0.9876
    assert snapshot(analyzed_run / "branches") == branches
    output = capsys.readouterr().out
    assert "98.76" in output
    assert "training from" not in output
    names = {path.name for path in csv.parent.glob("*.png")}
    assert names == {
        f"robustness_{kind}{settings}.png"
        for kind in ("barrier", "accuracy")
        for settings in (SETTINGS[noise] for noise in measured)
    }
    csv.unlink()
    analyze(analyzed_run, noise=noise, perturbations="1")
    assert csv.read_text() == content
    assert "training from" not in capsys.readouterr().out


@pytest.mark.slow
def test_other_directions_are_added(analyzed_run):
    rows = analyze(analyzed_run, [1], perturbations="1", directions=2)
    keys = [(row["level"], row["factor"], row["direction"], row["data_seed"]) for row in rows]
    assert keys == [
        *((0, 0.0, 0, SEED), (0, 1.0, 0, SEED), (1, 0.0, 0, SEED), (1, 0.0, 1, SEED + 1)),
        *((1, 1.0, 0, SEED), (1, 1.0, 1, SEED + 1)),
    ]
    assert rows[4]["perturbation_l2"] == rows[5]["perturbation_l2"]
    assert len({row["l2"] for row in rows[2:]}) == 4
    names = {path.name for path in (analyzed_run / "branches").iterdir()}
    second = SEED + 1
    assert {name for name in names if str(second) in name} == {
        f"retrain-data_seed_{second}",
        f"perturbed-data_seed_{second}-branch_seed_1",
    }


@pytest.mark.slow
def test_a_tiny_move_changes_nothing(copied_run):
    (row,) = analyze(copied_run, [0], "same", perturbations="1e-30")
    assert row["l2"] == row["error_barrier"] == row["loss_barrier"] == 0
    assert row["test_accuracy"] == row["unperturbed_test_accuracy"]
    assert row["cosine"] == pytest.approx(1)


@pytest.mark.slow
@pytest.mark.parametrize("flags", [{}, {"rewind_optimizer": True}], ids=str)
def test_with_fresh_noise_nothing_but_the_move_is_between_the_rows(
    finished_run, run_tiny, tmp_path, flags
):
    run = run_tiny(tmp_path, **flags) if flags else shutil.copytree(finished_run, tmp_path / "run")
    rows = analyze(run, perturbations="1e-30")
    assert [(row["level"], row["factor"]) for row in rows] == [
        *((0, 0.0), (0, 1e-30), (1, 0.0), (1, 1e-30))
    ]
    for unmoved, moved in (rows[:2], rows[2:]):
        of_move = ("factor", "perturbation_l2", "relative_perturbation")
        of_unmoved = {**dict.fromkeys(of_move, 0.0), "solutions": unmoved["solutions"]}
        assert {**moved, **of_unmoved} == unmoved
        # The data order is another than the level's.
        assert unmoved["l2"] > 0


@pytest.mark.slow
def test_unmoved_levels_are_copies_of_the_instability_analysis(copied_run, snapshot):
    tf_lottery.run_branch(copied_run, "retrain", [1], for_analysis=True, data_seed=SEED)
    copy = copied_run / "branches" / f"retrain-data_seed_{SEED}" / "level_1"
    before = snapshot(copy)
    analyze(copied_run, [1], perturbations="1")
    assert snapshot(copy) == before


def test_levels_without_a_next_one_are_refused(copied_run):
    with pytest.raises(ValueError, match=r"^--levels: --branch=perturbed at level 2 needs level 3"):
        analyze(copied_run, [1, 2])
    with pytest.raises(ValueError, match=r"^--levels: level 5 is not finished in"):
        analyze(copied_run, [5])
    shutil.rmtree(copied_run / "level_1")
    with pytest.raises(ValueError, match=r"^--levels: there is none for --branch=perturbed"):
        analyze(copied_run)
    assert not (copied_run / "branches").exists()
    assert not (copied_run / "landscape").exists()


@pytest.mark.parametrize("noise", ["fresh", "same"])
def test_lines_on_both_splits_are_refused_before_anything_is_trained(copied_run, noise):
    with pytest.raises(ValueError, match=r"^--line_split=both is not for .*; use test or train\.$"):
        analyze(copied_run, noise=noise, line_split="both")
    assert not (copied_run / "branches").exists()
    assert not (copied_run / "landscape").exists()


def test_runs_that_do_not_rewind_their_weights_are_refused(made_with):
    run = made_with(retraining="fine_tune")
    with pytest.raises(ValueError, match=r"made with --retraining=fine_tune"):
        analyze(run)
    assert not (run / "branches").exists()
    assert not (run / "landscape").exists()


@pytest.mark.slow
def test_a_training_that_diverges_has_infinite_barriers(analyzed_run, snapshot, capsys):
    # So far away that float32 overflows.
    rows = analyze(analyzed_run, perturbations="1,1e38")
    assert [row["factor"] for row in rows] == [0.0, 1.0, 1e38] * 2
    for row in rows[2::3]:
        assert row["error_barrier"] == row["loss_barrier"] == np.inf
        assert np.isnan([row["test_accuracy"], row["l2"], row["cosine"]]).all()
        assert row["unperturbed_test_accuracy"] > 0
    for row in rows[::3]:
        assert np.isfinite([value for name, value in row.items() if name != "solutions"]).all()
    output = capsys.readouterr().out
    assert output.count("1e_38 diverged, and counts as an infinite barrier: ") == 2
    assert "without an accuracy: training diverged" in " ".join(output.split())
    before = snapshot(analyzed_run / "branches")
    np.testing.assert_equal(analyze(analyzed_run, perturbations="1,1e38"), rows)
    assert snapshot(analyzed_run / "branches") == before


@pytest.mark.parametrize(
    "options",
    [{"directions": 0}, {"perturbations": "1,0"}, {"perturbations": "a"}, {"perturbations": ""}],
    ids=str,
)
def test_options_out_of_range_are_refused(options):
    (flag,) = options
    with pytest.raises(ValueError, match=f"^--{flag}="):
        ANALYSES.find("robustness").checked(options)
