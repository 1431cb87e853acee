"""Results of analyses of several run folders, joined: as texts, as figures and on the page."""

import csv
import html
import io
import math

import pytest

from tests.report.reported_runs import write_branch, write_replicate
from tf_lottery.config.matching import matching_rule
from tf_lottery.report.landscape.joined import JoinedAnalyses, drawn_files, join_analyses
from tf_lottery.report.method_results import collect_methods
from tf_lottery.report.report import compare_runs
from tf_lottery.report.run_records import read_run
from tf_lottery.store.csv_files import write_csv
from tf_lottery.store.result_columns import (
    FRESH_NOISE_COLUMNS,
    HISTOGRAM_COLUMNS,
    LEVELS_COLUMNS,
    MAGNITUDES_COLUMNS,
    ROBUSTNESS_COLUMNS,
    SOLUTIONS,
)
from tf_lottery.store.result_names import current_stem
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.trained_levels import UNTOLD, levels_text

COLUMNS = (*LEVELS_COLUMNS, "test_error_barrier")
SETTINGS = "30,union,estimated,test"


def pair(barrier: float, first: int = 0) -> dict[str, float]:
    numbers = (first, first + 1, 0.8**first, 0.8 ** (first + 1), 0.9, 0.9, 1.0, 0.5, barrier)
    return dict(zip(COLUMNS, numbers, strict=True))


def write_levels(run, *barriers, settings=SETTINGS, columns=COLUMNS):
    rows = (pair(barrier, first) for first, barrier in enumerate(barriers))
    path = run / "landscape" / f"successive_levels,{settings}.csv"
    write_csv(path, columns, ({name: row[name] for name in columns} for row in rows))
    return path


@pytest.fixture
def runs(tmp_path):
    """Two replicates of one run, and another run."""
    paths = [("one", 1), ("one", 2), ("two", 1)]
    return [
        write_replicate(tmp_path / name / f"replicate_{number}", [0.9, 0.9])
        for name, number in paths
    ]


def join(runs, **options) -> JoinedAnalyses:
    return join_analyses(collect_methods([read_run(run) for run in runs]), **options)


def cells(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def names(analyses: JoinedAnalyses) -> list[str]:
    return [figure.name for figure in analyses.figures]


def test_replicates_are_joined_under_the_label_of_their_run(runs):
    for run, barrier in zip(runs, (0.01, 0.03, 0.07), strict=True):
        write_levels(run, barrier)
    analyses = join(runs)
    assert names(analyses) == ["successive_levels", "barrier_and_accuracy"]
    figure = analyses.figures[0].figure
    lines = figure.axes[0].lines
    assert [line.get_ydata().tolist() for line in lines] == [[pytest.approx(2)], [pytest.approx(7)]]
    texts = figure.legends[0].get_texts()
    assert [text.get_text() for text in texts] == ["one", "two"]
    source = (
        "Measured with 30 points on a line, weights of either solution, batch statistics estimated "
        "anew, test data."
    )
    assert all(figure.caption.endswith(source) for figure in analyses.figures)
    assert analyses.problems == ()


def test_files_of_older_versions_are_joined_with_those_of_today(runs):
    write_levels(runs[0], 0.01)
    path = write_levels(runs[1], 0.03)
    path.rename(path.parent / f"{current_stem(path.stem)}.csv")
    # Measured before and after an update: the newer name counts.
    write_levels(runs[1], 0.99)
    analyses = join(runs)
    assert names(analyses) == ["successive_levels", "barrier_and_accuracy"]
    rows = cells(analyses.tables["successive_levels.csv"])
    assert [float(row["test_error_barrier"]) for row in rows] == [0.01, 0.03]


def test_titles_tell_the_settings_that_differ(runs):
    write_levels(runs[0], 0.01)
    write_levels(runs[0], 0.01, settings=SETTINGS.replace("30", "5"))
    titles = [figure.title for figure in join(runs).figures]
    assert titles[0] == "Barriers between levels (30 points on a line)"
    assert titles[2] == "Barriers between levels (5 points on a line)"


def test_the_table_has_all_digits_of_all_files(runs):
    write_levels(runs[0], 1 / 3, math.inf)
    write_levels(runs[2], math.nan)
    analyses = join(runs)
    assert list(analyses.tables) == ["successive_levels.csv"]
    rows = cells(analyses.tables["successive_levels.csv"])
    assert list(rows[0]) == ["run", "replicate", *COLUMNS]
    found = [(row["run"], row["replicate"], row["first_level"]) for row in rows]
    assert found == [
        ("one", "replicate_1", "0"),
        ("one", "replicate_1", "1"),
        ("two", "replicate_1", "0"),
    ]
    assert [row["test_error_barrier"] for row in rows] == [repr(1 / 3), "inf", "nan"]
    assert float(rows[1]["second_density"]) == 0.8**2


def test_files_without_rows_give_a_table_without_rows(runs):
    write_levels(runs[0])
    analyses = join(runs)
    assert analyses.tables == {"successive_levels.csv": "run,replicate\n"}
    assert analyses.figures == analyses.problems == ()


def test_what_a_killed_process_left_of_a_file_is_no_file(runs):
    left = write_levels(runs[0], 0.02)
    left.rename(left.with_name(f"{left.name}.tmp-0123456789ab.csv"))
    assert join(runs) == JoinedAnalyses((), {}, ())


def test_a_damaged_file_is_named_and_the_others_are_joined(runs):
    paths = [write_levels(run, 0.01) for run in runs]
    paths[1].write_text(paths[1].read_text()[:-4])
    analyses = join(runs)
    (problem,) = analyses.problems
    assert problem.startswith(f"{paths[1]} is damaged")
    rows = cells(analyses.tables["successive_levels.csv"])
    assert [(row["run"], row["replicate"]) for row in rows] == [
        ("one", "replicate_1"),
        ("two", "replicate_1"),
    ]


def test_rows_of_networks_that_were_trained_anew_are_left_out_and_told_of(runs):
    """Until they are measured; a branch that was removed since says nothing against its row."""
    run = RunFolder.read(runs[0])
    texts = [levels_text(run.path, [run.level(1)]), f"level_0:{'0' * 12}", UNTOLD]
    texts += [f"level_1:{'0' * 12} branches/retrain/level_1:{'1' * 12}"]
    texts += [f"branches/retrain/level_1:{'1' * 12}"]
    rows = [{**pair(0.01, first), SOLUTIONS: text} for first, text in enumerate(texts)]
    path = run.path / "landscape" / "successive_levels__3_points__union__estimated__test.csv"
    write_csv(path, (*COLUMNS, SOLUTIONS), rows, texts=[SOLUTIONS])
    analyses = join(runs)
    kept = cells(analyses.tables["successive_levels.csv"])
    assert [row["first_level"] for row in kept] == ["0", "2", "4"]
    sentence = (
        f"one: 2 of 5 rows of landscape/{path.name} of replicate_1 are of networks that were "
        "trained anew since; the same analysis, started again, measures them."
    )
    assert (analyses.problems, analyses.missing) == ((), (sentence,))
    page = compare_runs(runs).page.read_text()
    assert sentence in html.unescape(page)


@pytest.mark.parametrize("lacking", ["second_density", "test_error_barrier"])
def test_a_file_of_another_version_is_named_and_the_others_are_joined(runs, lacking):
    write_levels(runs[0], 0.01, columns=[name for name in COLUMNS if name != lacking])
    write_levels(runs[1], 0.01)
    analyses = join(runs)
    assert analyses.problems == (
        f"landscape/successive_levels,{SETTINGS}.csv of one, replicate_1 has no column {lacking}, "
        "which its figures take; it may be of another version.",
    )
    assert names(analyses) == ["successive_levels", "barrier_and_accuracy"]
    (row,) = cells(analyses.tables["successive_levels.csv"])
    assert row["replicate"] == "replicate_2"


def test_if_all_files_are_of_another_version_nothing_is_drawn(runs):
    for run in runs:
        write_levels(run, 0.01, columns=("first_level", "second_level"))
    analyses = join(runs)
    assert len(analyses.problems) == 3
    assert (analyses.figures, analyses.tables) == ((), {})


def write_networks(run, level, *names, old=False):
    column = "random_mask" if old else "network"
    columns = ("rewind_step", "learning_rate", "warmup_steps", "batch_size", "level", "density")
    columns += (column, "copies", "test_accuracy", "l2", "test_error_barrier", "test_loss_barrier")
    numbers = dict.fromkeys(columns, 1) | {"level": level, "density": 0.5**level}
    rows = [{**numbers, column: int(name == "random_mask") if old else name} for name in names]
    path = run / "landscape" / "instability,2,3,union,estimated,test.csv"
    write_csv(path, columns, rows, texts=["network"])


def test_networks_of_earlier_versions_are_joined_with_those_of_this_one(runs):
    write_networks(runs[0], 3, "ticket", "random_mask", old=True)
    write_networks(runs[1], 3, "ticket", "random_mask", "random_reinitialization")
    write_networks(runs[2], 0, "dense", old=True)
    analyses = join(runs)
    assert names(analyses) == ["instability", "instability_accuracy"]
    assert analyses.problems == ()
    (table,) = analyses.tables.values()
    found = [(row["run"], row["replicate"][-1], row["network"]) for row in cells(table)]
    assert found == [
        *(("one", "1", "ticket"), ("one", "1", "random_mask")),
        *(("one", "2", "ticket"), ("one", "2", "random_mask")),
        *(("one", "2", "random_reinitialization"), ("two", "1", "dense")),
    ]
    assert "random_mask" not in table.splitlines()[0]


def test_trainings_in_the_same_and_in_fresh_data_orders_are_in_figures_of_their_own(runs):
    for run, columns, kind in (
        (runs[0], ROBUSTNESS_COLUMNS, ""),
        (runs[1], FRESH_NOISE_COLUMNS, ",fresh"),
        (runs[2], FRESH_NOISE_COLUMNS, ",fresh"),
    ):
        path = run / "landscape" / f"robustness,30,union,estimated,test{kind}.csv"
        write_csv(path, columns, [dict.fromkeys(columns, number) for number in (0, 1)])
    analyses = join(runs)
    assert [(figure.name, figure.title.split(", ")[-1]) for figure in analyses.figures] == [
        ("robustness_barrier_1", "same data order"),
        ("robustness_accuracy_1", "same data order"),
        ("robustness_barrier_2", "fresh SGD noise"),
        ("robustness_accuracy_2", "fresh SGD noise"),
    ]
    replicates = [
        [(row["run"], row["replicate"]) for row in cells(table)][::2]
        for table in analyses.tables.values()
    ]
    assert replicates == [
        [("one", "replicate_1")],
        [("one", "replicate_2"), ("two", "replicate_1")],
    ]


def test_other_settings_are_other_figures_and_tables(runs):
    write_levels(runs[0], 0.01)
    write_levels(runs[0], 0.02, settings="5,union,estimated,test")
    write_levels(runs[1], 0.03)
    analyses = join(runs)
    figures = ["successive_levels", "barrier_and_accuracy"]
    assert names(analyses) == [f"{name}_{number}" for number in (1, 2) for name in figures]
    tables = [cells(text) for text in analyses.tables.values()]
    assert list(analyses.tables) == ["successive_levels_1.csv", "successive_levels_2.csv"]
    assert [[row["test_error_barrier"] for row in rows] for rows in tables] == [
        ["0.01", "0.03"],
        ["0.02"],
    ]
    assert "Measured with 5 points on a line" in analyses.figures[2].caption


def test_analyses_of_branches_and_files_of_others_are_left_alone(runs):
    branch = write_branch(runs[0], "random_mask", {1: 0.5})
    write_levels(branch, 0.01)
    for name in ("successive.csv", "curvatures,1.csv", "notes.txt"):
        (runs[0] / "landscape").mkdir(exist_ok=True)
        (runs[0] / "landscape" / name).write_text("?")
    assert join(runs) == JoinedAnalyses((), {}, ())


def test_figures_of_all_analyses_have_names_of_their_own(runs):
    write_levels(runs[0], 0.01)
    magnitudes = dict.fromkeys(MAGNITUDES_COLUMNS, 0.5) | {"level": 1}
    write_csv(runs[0] / "landscape" / "magnitudes.csv", MAGNITUDES_COLUMNS, [magnitudes])
    histogram = dict(zip(HISTOGRAM_COLUMNS, (1, 0.8, 0.0, 1e-6, 5, 1, 4), strict=True))
    write_csv(runs[0] / "landscape" / "magnitude_histograms.csv", HISTOGRAM_COLUMNS, [histogram])
    found = names(join(runs))
    assert len(set(found)) == len(found) == 4
    assert {"successive_levels", "curvature", "magnitudes"} <= set(drawn_files(0.005))


@pytest.mark.usefixtures("pictures")
def test_figures_and_tables_are_on_the_page_and_files(runs, tmp_path):
    for run in runs:
        write_levels(run, 0.01)
    damaged = write_levels(runs[0], 0.01, settings="<b>")
    damaged.write_text("?")
    page = compare_runs(runs, tmp_path / "report").page
    text = page.read_text()
    assert "<h2>Landscape</h2>" in text
    assert "<h3>Barriers between levels</h3>" in text
    assert 'href="successive_levels.csv"' in text
    assert text.count("<svg") == len(list(page.parent.glob("*.svg")))
    assert html.escape(str(damaged), quote=False) in text
    assert "<b>" not in text
    for name in ("successive_levels.png", "successive_levels.svg", "successive_levels.csv"):
        assert (page.parent / name).stat().st_size > 0
    assert len(cells((page.parent / "successive_levels.csv").read_text())) == 3
    for run in runs:
        for path in (run / "landscape").iterdir():
            path.unlink()
    assert "Landscape" not in compare_runs(runs, tmp_path / "report").page.read_text()
    assert not (page.parent / "successive_levels.csv").exists()


def test_the_figure_of_matching_levels_is_drawn_with_the_tolerance_of_the_report(runs):
    write_levels(runs[0], 0.01)
    for options, tolerance in (({}, 0.005), ({"tolerance": 0.02}, 0.02)):
        captions = {figure.name: figure.caption for figure in join(runs, **options).figures}
        assert matching_rule(tolerance) in captions["barrier_and_accuracy"]
    page = compare_runs([runs[0]], matching_tolerance=3).page.read_text()
    assert html.escape(matching_rule(0.03)) in page


@pytest.mark.slow
@pytest.mark.usefixtures("pictures")
def test_the_same_results_give_the_same_bytes(runs, tmp_path):
    for run in runs:
        write_levels(run, 0.01, 0.02)
    first, second = (
        {
            path.name: path.read_bytes()
            for path in compare_runs(runs, tmp_path / name).page.parent.iterdir()
        }
        for name in ("first", "second")
    )
    assert first == second
