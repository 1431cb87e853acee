"""Instability analysis: what it trains, what it measures, and that it does neither twice."""

import numpy as np
import pytest

import tf_lottery
from tf_lottery.analysis_config import AnalysisConfig
from tf_lottery.experiments.analyses import instability
from tf_lottery.experiments.analyses.analyzed_run import AnalyzedRun
from tf_lottery.store.metrics import read_csv
from tf_lottery.store.tensors import load_tensors

COLUMNS = (
    *("rewind_step", "level", "density", "random_mask", "copies"),
    *("test_accuracy", "error_barrier", "loss_barrier", "l2"),
)
SEEDS = (1001, 1002)


@pytest.fixture
def analyze(copied_run):
    def run(levels=(0, 2), **options):
        analyzed = AnalyzedRun(copied_run, {})
        instability.run(analyzed, AnalysisConfig(points=5, **options), levels)
        return read_csv(copied_run / "landscape" / "instability,2,5,test.csv", COLUMNS)

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
        assert row["loss_barrier"] >= 0
    assert "stable" in capsys.readouterr().out
    before = snapshot(copied_run / "branches")
    assert analyze() == rows
    after = snapshot(copied_run / "branches")
    assert {name: content for name, (_, content) in after.items()} == {
        name: content for name, (_, content) in before.items()
    }
    assert "training from" not in capsys.readouterr().out


def test_random_masks_can_be_left_out(analyze, copied_run):
    assert [row["level"] for row in analyze(levels=[1], random_masks=False)] == [1]
    assert {path.name for path in (copied_run / "branches").iterdir()} == {
        f"retrain-data_seed_{seed}" for seed in SEEDS
    }


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
