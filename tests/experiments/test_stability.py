"""Stability to pruning and to the data order, recomputed from the weights on the disk."""

import shutil
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tf_lottery
from tf_lottery.experiments.measuring.analysis import run_analysis
from tf_lottery.pruning.plan import PruningPlan
from tf_lottery.store.csv_files import Row, read_csv, read_table
from tf_lottery.store.sealed_table import read_sealed_table
from tf_lottery.store.tensors import load_tensors
from tf_lottery.store.trained_levels import UNTOLD

KERNELS = ("dense_1/kernel", "dense_2/kernel", "output/kernel")
KEY = (
    *("rewind_step", "learning_rate", "warmup_steps", "batch_size"),
    *("level", "density", "network", "copies"),
)
SEEDS = (1001, 1002, 1003)
DISTANCES = ("pruning_l2", "pruning_cosine", "data_order_l2", "data_order_cosine")
BRANCHES = {
    (2, "ticket"): "retrain",
    (2, "random_mask"): "random_mask",
    (2, "random_reinitialization"): "random_reinitialization",
}


def analyze(run: Path, levels: Sequence[int] | None = None, **options) -> list[Row]:
    run_analysis(run, "stability", levels, **options)
    path = run / "landscape" / f"stability__{options.get('copies', 2)}_copies.csv"
    return read_csv(
        path, (*KEY, "test_accuracy", *DISTANCES, "solutions"), texts=["network", "solutions"]
    )


def layers(run: Path) -> list[Row]:
    (path,) = (run / "landscape").glob("stability_layers__*.csv")
    return read_csv(path, (*KEY, "layer", *DISTANCES), texts=["network"])


def vector(level: Path, kernels: Sequence[str], mask: tf_lottery.Mask) -> np.ndarray:
    weights = load_tensors(level / "weights")
    return np.concatenate([weights[name][mask[name]] for name in kernels]).astype(np.float64)


def l2_and_cosine(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    lengths = np.linalg.norm(one) * np.linalg.norm(other)
    return np.linalg.norm(one - other), one @ other / lengths


@pytest.fixture(scope="module")
def analyzed(finished_run, tmp_path_factory) -> Path:
    """The folder of a run whose stability was measured with three copies; not to be changed."""
    run = tmp_path_factory.mktemp("stability") / "tiny" / "replicate_1"
    shutil.copytree(finished_run, run)
    analyze(run, [2], copies=3)
    return run


@pytest.fixture(scope="module")
def ticket_analyzed(finished_run, tmp_path_factory) -> Path:
    """The same of the ticket alone, which trains a third of the copies."""
    run = tmp_path_factory.mktemp("stability_of_ticket") / "tiny" / "replicate_1"
    shutil.copytree(finished_run, run)
    analyze(run, [2], copies=3, baselines="")
    return run


# The fixture, and the networks that it has measured.
NETWORKS = pytest.mark.parametrize(
    ("fixture", "networks"),
    [
        ("ticket_analyzed", [(2, "ticket")]),
        pytest.param("analyzed", list(BRANCHES), marks=pytest.mark.slow),
    ],
    ids=["ticket", "with baselines"],
)


def expected(run: Path, key: tuple[int, str], kernels: Sequence[str]) -> list[float]:
    """The four distances of a network, over some of its kernels."""
    level, _ = key
    same_order, *copies = (
        run / "branches" / f"{BRANCHES[key]}-{change}" / f"level_{level}"
        for change in ("same_data_order_True", *(f"data_seed_{seed}" for seed in SEEDS))
    )
    mask = tf_lottery.Mask.load(same_order / "masks.npz")
    pairs = combinations([vector(copy, kernels, mask) for copy in copies], 2)
    between = np.mean([l2_and_cosine(*pair) for pair in pairs], axis=0)
    ends = [vector(folder, kernels, mask) for folder in (same_order, run / "level_0")]
    return [*l2_and_cosine(*ends), *between]


@NETWORKS
def test_distances_are_those_of_the_weights_on_the_disk(request, fixture, networks):
    analyzed = request.getfixturevalue(fixture)
    rows = read_sealed_table(analyzed / "landscape" / "stability__3_copies.csv")
    assert [(row["level"], row["network"]) for row in rows] == networks
    of_layers = iter(layers(analyzed))
    for row, key in zip(rows, networks, strict=True):
        found = [row[name] for name in DISTANCES]
        assert found == pytest.approx(expected(analyzed, key, KERNELS))
        for number, kernel in enumerate(KERNELS, 1):
            layer = next(of_layers)
            assert layer["layer"] == number
            assert [layer[name] for name in KEY] == [row[name] for name in KEY]
            found = [layer[name] for name in DISTANCES]
            assert found == pytest.approx(expected(analyzed, key, [kernel]))


@NETWORKS
def test_accuracies_are_those_in_the_data_order_of_the_dense_network(request, fixture, networks):
    analyzed = request.getfixturevalue(fixture)
    rows = read_sealed_table(analyzed / "landscape" / "stability__3_copies.csv")
    recorded = [
        read_table(
            analyzed
            / "branches"
            / f"{BRANCHES[network]}-same_data_order_True"
            / "level_2"
            / "metrics.csv"
        )[-1]["test_accuracy"]
        for network in networks
    ]
    assert [row["test_accuracy"] for row in rows] == recorded


@pytest.mark.slow
@pytest.mark.parametrize("same_data_order", [False, True])
def test_a_pruning_that_removes_nothing_changes_nothing(
    run_tiny, tmp_path, same_data_order, monkeypatch
):
    # So small a rate is rounded away, which is refused elsewhere; sgd has no slots that would start
    # fresh.
    monkeypatch.setattr(PruningPlan, "check", lambda plan, levels, prefix: None)
    nothing = {"pruning_rate": 1e-6, "levels": 1, "optimizer": "sgd", "learning_rate": 0.1}
    run = run_tiny(tmp_path, same_data_order=same_data_order, **nothing)
    dense = read_table(run / "summary.csv")[0]
    for row in analyze(run, [1], baselines=""):
        assert row["density"] == 1
        assert row["pruning_l2"] == 0
        assert row["pruning_cosine"] == pytest.approx(1)
        assert row["data_order_l2"] > 0
        assert row["test_accuracy"] == dense["test_accuracy"]
    branches = {path.name for path in (run / "branches").iterdir()}
    copies = {f"retrain-data_seed_{seed}" for seed in SEEDS[:2]}
    # Where all levels have the same order already, the level itself is the ticket.
    assert branches - copies == (set() if same_data_order else {"retrain-same_data_order_True"})


@pytest.mark.slow
def test_what_was_measured_is_neither_trained_nor_measured_again(analyzed, tmp_path, capsys):
    run = tmp_path / "tiny" / "replicate_1"
    shutil.copytree(analyzed, run)
    shutil.rmtree(run / "branches")
    results = run / "landscape" / "stability__3_copies.csv"
    before, of_layers = read_sealed_table(results), layers(run)
    ticket = before[0]
    assert analyze(run, [2], copies=3, baselines="") == before
    assert not (run / "branches").exists()
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    accuracy = f"{100 * ticket['test_accuracy']:.2f}%"
    numbers = [
        f"{ticket[name]:.3f}" if name.endswith("cosine") else f"{ticket[name]:.2f}"
        for name in DISTANCES
    ]
    shown = ["7", "2", f"{100 * ticket['density']:.1f}%", "ticket", accuracy, *numbers]
    assert shown in printed
    assert [words[:2] for words in printed if words and words[0] in ("1", "2", "3")] == [
        [str(number), kernel] for number, kernel in enumerate(KERNELS, 1)
    ]
    dense, *others = analyze(run, [0, 2], copies=3, baselines="")
    assert others == before
    assert layers(run)[3:] == of_layers
    assert (dense["level"], dense["pruning_l2"], dense["pruning_cosine"]) == (0, None, None)
    assert dense["data_order_l2"] > 0
    branches = {path.name for path in (run / "branches").iterdir()}
    assert branches == {f"rewound_dense-data_seed_{seed}" for seed in SEEDS}


@pytest.mark.slow
def test_files_of_earlier_versions_are_read_and_continued(analyzed, tmp_path, capsys):
    run = tmp_path / "tiny" / "replicate_1"
    shutil.copytree(analyzed, run)
    paths = [
        run / "landscape" / f"{name}__3_copies.csv" for name in ("stability", "stability_layers")
    ]
    written = [pd.read_csv(path) for path in paths]
    for path, table in zip(paths, written, strict=True):
        # They did not say which solutions a row is of.
        text = table.drop(columns="solutions", errors="ignore").to_csv(index=False)
        kept = [line for line in text.splitlines(True) if "random_reinitialization" not in line]
        header = kept[0].replace("network", "random_mask")
        rows = "".join(kept[1:]).replace("ticket", "0").replace("random_mask", "1")
        path.write_text(header + rows)
        path.with_name(f"{path.name}.sha256").unlink()  # as a file without a seal
    old = [path.read_text() for path in paths]
    for branch in ("retrain", "random_mask"):
        for folder in (run / "branches").glob(f"{branch}-*"):
            shutil.rmtree(folder)
    run_analysis(run, "stability", [2], copies=3, baselines="random_mask")
    assert [path.read_text() for path in paths] == old, "nothing new was measured"
    analyze(run, [2], copies=3)
    is_old = written[0].network != "random_reinitialization"
    written[0].loc[is_old, "solutions"] = UNTOLD
    for path, table in zip(paths, written, strict=True):
        pd.testing.assert_frame_equal(pd.read_csv(path), table)
    assert "training from" not in capsys.readouterr().out


def test_figures_are_beside_the_numbers(ticket_analyzed):
    images = {path.name for path in (ticket_analyzed / "landscape").glob("*.png")}
    assert images == {
        f"stability_{change}_{measure}__3_copies.png"
        for change in ("pruning", "data_order")
        for measure in ("l2", "cosine")
    }


def test_runs_that_do_not_rewind_their_weights_are_refused(made_with):
    run = made_with(retraining="fine_tune")
    message = "^--experiment=stability trains from .* made with --retraining=fine_tune"
    with pytest.raises(ValueError, match=message):
        analyze(run)
    assert not (run / "branches").exists()


def test_bad_input_is_refused_before_anything_is_trained(copied_run, snapshot):
    tf_lottery.run_branch(copied_run, "random_mask", [1])
    branch = copied_run / "branches" / "random_mask"
    before = snapshot(copied_run)
    with pytest.raises(ValueError, match=r"^--run=.*random_mask is a branch itself"):
        analyze(branch)
    with pytest.raises(ValueError, match=r"^--levels: level 3 is not finished in .* 0, 1, 2"):
        analyze(copied_run, [1, 3])
    with pytest.raises(ValueError, match=r"^--copies=1 is out of range"):
        analyze(copied_run, copies=1)
    assert snapshot(copied_run) == before
    (copied_run / "level_0" / "level.json").unlink()
    with pytest.raises(ValueError, match=r"^--levels: level 0 is not finished in "):
        analyze(copied_run, [1])
