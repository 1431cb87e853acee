"""Magnitudes of a run's levels, counted anew from the files."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

import tf_lottery
from tests.command_line import run_command_of
from tf_lottery.experiments.measuring.analysis import run_analysis
from tf_lottery.report.report import compare_runs
from tf_lottery.store.tensors import load_tensors

KERNELS = ("dense_1/kernel", "dense_2/kernel", "output/kernel")


def measure(run: Path, levels=None) -> None:
    run_analysis(run, "magnitudes", levels)


def rows(path: Path) -> list[dict[str, float | None]]:
    with path.open() as file:
        read = list(csv.DictReader(file))
    return [
        {key: float(cell) if cell else None for key, cell in row.items() if key != "solutions"}
        for row in read
    ]


def kernels_of(level: Path) -> tuple[np.ndarray, np.ndarray]:
    """Magnitudes of all prunable weights of a level, and which of them remain."""
    mask, weights = tf_lottery.Mask.load(level / "masks.npz"), load_tensors(level / "weights")
    flat = [
        np.concatenate([arrays[name].ravel() for name in KERNELS]) for arrays in (weights, mask)
    ]
    return np.abs(flat[0]), flat[1]


def test_magnitudes_are_those_of_the_weights_on_the_disk(copied_run):
    measure(copied_run)
    first, second = rows(copied_run / "landscape" / "magnitudes.csv")
    (dense, _), (one, left), (two, last) = (
        kernels_of(copied_run / f"level_{level}") for level in range(3)
    )
    assert (first["level"], first["density"]) == (1, 0.8)
    assert first["threshold"] == pytest.approx(dense[~left].max())
    assert first["below_threshold"] == pytest.approx(np.mean(one[left] < dense[~left].max()))
    assert first["median_before"] == pytest.approx(np.median(dense[left]))
    assert first["median_after"] == pytest.approx(np.median(one[left]))
    gone = left & ~last
    assert first["pruned_next"] == pytest.approx(gone.sum() / left.sum())
    limits = np.quantile(dense[left], [0.25, 0.5, 0.75])
    shares = np.bincount(np.searchsorted(limits, dense[gone]), minlength=4) / gone.sum()
    found = [first[f"pruned_next_quarter_{number}"] for number in (1, 2, 3, 4)]
    assert found == pytest.approx(shares, abs=1.01 / gone.sum())
    assert second["threshold"] == pytest.approx(one[gone].max())
    assert second["median_after"] == pytest.approx(np.median(two[last]))
    assert second["pruned_next"] is None
    assert second["pruned_next_quarter_1"] is None


@pytest.mark.slow
def test_levels_to_make_which_nothing_was_pruned_are_left_out(run_tiny, tmp_path, capsys):
    flags = {"structure": "units", "pruning_rate": 0.02, "compact_training": False}
    run = run_tiny(tmp_path, levels=3, train_steps="12it", rewind_step="2it", **flags)
    densities = [row["density"] for row in rows(run / "summary.csv")]
    pruned = [level for level in (1, 2, 3) if densities[level] < densities[level - 1]]
    assert 0 < len(pruned) < 3
    measure(run)
    assert [row["level"] for row in rows(run / "landscape" / "magnitudes.csv")] == pruned
    same = {1, 2, 3} - {*pruned}
    said = "Left out, as nothing was pruned to make it: level "
    assert said + ", ".join(map(str, sorted(same))) in capsys.readouterr().out
    with pytest.raises(ValueError, match="none is chosen to make which anything was pruned"):
        measure(run, [*same])


def test_histograms_are_those_of_the_weights_on_the_disk(copied_run):
    measure(copied_run)
    table = rows(copied_run / "landscape" / "magnitude_histograms.csv")
    for level in (1, 2):
        bins = [row for row in table if row["level"] == level]
        edges = np.array([bins[0]["lower"], *(row["upper"] for row in bins)])
        assert edges[:3] == pytest.approx([0, 1e-6, 10**-5.9])
        assert [row["lower"] for row in bins] == edges[:-1].tolist()
        (before, had), (after, has) = (
            kernels_of(copied_run / f"level_{number}") for number in (level - 1, level)
        )
        for column, found in (
            ("before", before[had]),
            ("pruned", before[had & ~has]),
            ("after", after[has]),
        ):
            counts = [row[column] for row in bins]
            assert counts == np.histogram(found, edges)[0].tolist()
            assert sum(counts) == found.size
        assert [row["density"] for row in bins] == pytest.approx([has.mean()] * len(bins))


@pytest.mark.slow
def test_magnitudes_have_figures_in_the_run_folder_and_in_a_report(copied_run, run_tiny):
    study = copied_run.parent
    run_tiny(study.parent, replicate=2, levels=1)
    for number in (1, 2):
        measure(study / f"replicate_{number}")
    images = {path.name for path in (study / "replicate_1" / "landscape").glob("*.png")}
    assert images == {"magnitudes.png", "magnitudes_of_level_1.png", "magnitudes_of_level_2.png"}
    compare_runs([study])
    report = {path.name for path in (study / "report").iterdir()}
    assert images | {"magnitudes.csv", "magnitude_histograms.csv"} <= report
    joined = (study / "report" / "magnitudes.csv").read_text().splitlines()
    assert [line.split(",")[1:3] for line in joined[1:]] == [
        ["replicate_1", "1"],
        ["replicate_1", "2"],
        ["replicate_2", "1"],
    ]


def test_magnitudes_of_some_levels(copied_run):
    measure(copied_run, [2])
    assert [row["level"] for row in rows(copied_run / "landscape" / "magnitudes.csv")] == [2]
    with pytest.raises(
        ValueError, match=r"^--levels: none is chosen that follows a finished.* are 0, 1, 2\."
    ):
        measure(copied_run, [0])


@pytest.mark.parametrize("prune_from", ["dense", "rewind_step"])
def test_levels_that_were_not_pruned_from_the_level_before_are_refused(made_with, prune_from):
    run = made_with(prune_from=prune_from)
    shutil.rmtree(run / "level_0")
    with pytest.raises(ValueError, match=rf"but {run} was made with --prune_from={prune_from}\.$"):
        measure(run)
    assert not (run / "landscape").exists()


def test_branches_whose_masks_are_those_of_the_run_or_others_are_refused(made_with):
    run = made_with(branch="one_shot")
    with pytest.raises(ValueError, match=rf"^--run={run} is a branch; name the run"):
        measure(run)


def test_it_trains_nothing_that_could_be_logged(copied_run, capsys):
    ask = ("--experiment=magnitudes", f"--run={copied_run}", "--jobs=1")
    for flags, notes in (
        (("--log_to=",), 1),
        ((f"--flagfile={copied_run / 'flags.cfg'}",), 0),
    ):
        run_command_of(*flags, *ask)
        said = "Note: --log_to= has no effect: --experiment=magnitudes trains nothing here"
        assert capsys.readouterr().out.count(said) == notes
