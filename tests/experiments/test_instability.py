"""Instability analysis: what it trains, what it measures, and that it does neither twice."""

import shutil

import numpy as np
import pytest

import tf_lottery
from tf_lottery.analysis_config import AnalysisConfig
from tf_lottery.experiments.analyses import instability
from tf_lottery.experiments.analyses.analyzed_run import AnalyzedRun
from tf_lottery.store.metrics import read_csv
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.tensors import load_tensors

COLUMNS = (
    *("rewind_step", "learning_rate", "warmup_steps", "batch_size"),
    *("level", "density", "random_mask", "copies", "test_accuracy", "l2"),
    *("test_error_barrier", "test_loss_barrier"),
)
SEEDS = (1001, 1002)


@pytest.fixture
def analyze(copied_run):
    def run(levels=(0, 2), **options):
        analyzed = AnalyzedRun(copied_run, {})
        instability.run(analyzed, AnalysisConfig(points=5, **options), levels)
        path = copied_run / "landscape" / "instability,2,5,union,estimated,test.csv"
        return read_csv(path, COLUMNS)

    return run


def test_copies_of_tickets_and_random_masks_are_compared(analyze, copied_run, snapshot, capsys):
    rows = analyze()
    assert [(row["level"], row["random_mask"]) for row in rows] == [(0, 0), (2, 0), (2, 1)]
    assert {row["rewind_step"] for row in rows} == {7}
    assert {row["copies"] for row in rows} == {2}
    for row, branch in zip(rows, ("rewound_dense", "retrain", "random_mask"), strict=True):
        folders = [
            copied_run / "branches" / f"{branch}-data_seed_{seed}" / f"level_{row['level']}"
            for seed in SEEDS
        ]
        one, other = (load_tensors(folder / "weights") for folder in folders)
        masks = [tf_lottery.Mask.load(folder / "masks.npz") for folder in folders]
        assert masks[0] == masks[1], "the copies differ in more than the data order"
        squares = sum(np.sum((one[name] - other[name]).astype(float) ** 2) for name in masks[0])
        assert row["l2"] == pytest.approx(np.sqrt(squares))
        assert row["l2"] > 0
        assert row["density"] == masks[0].density
        assert row["test_loss_barrier"] >= 0
    images = {path.name for path in (copied_run / "landscape").glob("*.png")}
    settings = "2,5,union,estimated,test.png"
    assert images == {f"instability,{settings}", f"instability_accuracy,{settings}"}
    assert "stable" in capsys.readouterr().out
    before = snapshot(copied_run / "branches")
    assert analyze() == rows
    assert snapshot(copied_run / "branches") == before
    assert "training from" not in capsys.readouterr().out
    folders = [RunFolder.read(path) for path in (copied_run / "branches").iterdir()]
    assert folders
    assert all(folder.details["for_analysis"] for folder in folders)


@pytest.mark.slow
def test_what_was_measured_stays_when_other_networks_are_measured(analyze, copied_run):
    (row,) = analyze(levels=[1], random_masks=False)
    assert (row["level"], row["random_mask"]) == (1, 0)
    branches = {path.name for path in (copied_run / "branches").iterdir()}
    assert branches == {f"retrain-data_seed_{seed}" for seed in SEEDS}
    for branch in branches:
        shutil.rmtree(copied_run / "branches" / branch)
    assert analyze(levels=[0, 1], random_masks=False)[1] == row
    branches = {path.name for path in (copied_run / "branches").iterdir()}
    assert branches == {f"rewound_dense-data_seed_{seed}" for seed in SEEDS}


@pytest.mark.slow
def test_the_settings_that_papers_vary_are_numbers_beside_the_results(run_tiny, tmp_path):
    settings = {"learning_rate": 0.002, "batch_size": 50, "warmup_steps": "0.5ep"}
    run = run_tiny(tmp_path, levels=0, rewind_step="20%", **settings)
    instability.run(AnalyzedRun(run, {}), AnalysisConfig(points=3, line_split="both"), None)
    (path,) = (run / "landscape").glob("instability*.csv")
    (row,) = read_csv(path, (*COLUMNS, "train_error_barrier", "train_loss_barrier"))
    # 1237 training examples make 24 batches of 50; training has 45 steps.
    found = {name: row[name] for name in COLUMNS[:4]}
    expected = {"rewind_step": 9, "warmup_steps": 12, "learning_rate": 0.002, "batch_size": 50}
    assert found == expected
    assert row["train_loss_barrier"] != row["test_loss_barrier"]


def test_runs_that_do_not_rewind_their_weights_are_refused(run_tiny, tmp_path):
    run = run_tiny(tmp_path, levels=1, retraining="rewind_learning_rate")
    with pytest.raises(ValueError, match="made with --retraining=rewind_learning_rate"):
        instability.run(AnalyzedRun(run, {}), AnalysisConfig(), None)
    assert not (run / "branches").exists()


@pytest.mark.parametrize("options", [{"copies": 1}, {"stable_below": 0}])
def test_options_out_of_range_are_refused(options):
    (flag,) = options
    with pytest.raises(ValueError, match=f"--{flag}="):
        AnalysisConfig(**options)
