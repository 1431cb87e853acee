"""Lines between the levels of a run, measured anew from the files."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from tests.experiments.measured_lines import line, measure, of_level, rows
from tf_lottery.experiments.measuring.analysis import run_analysis
from tf_lottery.report.progress import counting


@pytest.fixture
def run(copied_run) -> Path:
    """A finished run that may be changed."""
    return copied_run


def measure_levels(run: Path, levels=None, **options) -> Path:
    run_analysis(run, "successive_levels", levels, **{"points": 3, **options})
    split = options.get("line_split", "test")
    return run / "landscape" / f"successive_levels__3_points__union__estimated__{split}.csv"


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
