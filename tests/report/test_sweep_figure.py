"""The figure of a sweep: which runs it is of, what it draws, and its numbers."""

import csv
import io

import pytest

from tests.report.reported_runs import write_branch, write_replicate
from tf_lottery.report.figures.sweep_figure import sweep_files
from tf_lottery.report.method_results import collect_methods
from tf_lottery.report.missing_data import missing_data
from tf_lottery.report.report import compare_runs
from tf_lottery.report.run_records import read_run
from tf_lottery.report.swept_runs import find_sweeps, not_in_sweeps


def write_sweep(folder, flag, values, accuracies=(0.9, 0.8, 0.7), replicates=1, **identity):
    """Makes the runs of a sweep; each replicate is a point better than the one before."""
    return [
        write_replicate(
            folder / f"study_{flag}_{value}" / f"replicate_{number}",
            [accuracy and accuracy + 0.01 * (number - 1) for accuracy in accuracies],
            identity={flag: value, "replicate": number, **identity},
        )
        for value in values
        for number in range(1, replicates + 1)
    ]


def methods_of(runs):
    return collect_methods([read_run(run) for run in runs])


def axes_of(runs):
    (files,) = sweep_files(find_sweeps(methods_of(runs)))
    return files.figures[0].figure.axes[0]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_line_for_each_level_and_the_dense_network_against_the_values(tmp_path):
    runs = write_sweep(tmp_path, "rewind_step", ["0it", "500it", "10it"], replicates=2)
    (files,) = sweep_files(find_sweeps(methods_of(runs)))
    figure = files.figures[0]
    assert (figure.name, figure.title) == ("sweep_of_rewind_step", "Sweep of the rewind step")
    assert legend(figure.figure) == [
        "dense network",
        "80.0% of the weights",
        "64.0% of the weights",
    ]
    (axes,) = figure.figure.axes
    lines = [line for line in axes.lines if len(line.get_xdata()) == 3]
    assert [line.get_xdata().tolist() for line in lines] == [[0, 10, 500]] * 3
    assert [line.get_ydata()[0] for line in lines] == pytest.approx([90.5, 80.5, 70.5])
    assert len({line.get_color() for line in lines}) == 3
    assert (axes.get_xscale(), axes.get_xlabel()) == ("symlog", "rewind step (iterations)")
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0", "10", "500"]
    assert "bands: from the least to the largest" in figure.caption


def test_the_table_has_mean_and_range_of_each_value_and_level(tmp_path):
    runs = write_sweep(tmp_path, "learning_rate", [0.1, 0.01], [0.9, None], replicates=2)
    (files,) = sweep_files(find_sweeps(methods_of(runs)))
    rows = list(csv.DictReader(io.StringIO(files.table)))
    assert [(row["value"], row["level"]) for row in rows] == [
        ("0.01", "0"),
        ("0.01", "1"),
        ("0.1", "0"),
        ("0.1", "1"),
    ]
    numbers = [float(rows[0][f"{name}_accuracy"]) for name in ("least", "mean", "largest")]
    assert numbers == pytest.approx([0.9, 0.905, 0.91])
    assert (rows[0]["flag"], rows[0]["replicates"]) == ("learning_rate", "2")
    assert (rows[1]["mean_accuracy"], rows[1]["replicates"]) == ("", "0")


def test_replicates_are_compared_with_their_own_dense_networks(tmp_path):
    runs = [
        write_replicate(
            tmp_path / f"study_rewind_step_{value}" / f"replicate_{number}",
            [dense, dense + lead],
            identity={"rewind_step": value, "replicate": number},
        )
        for value, leads in (("0it", (-0.03, -0.01)), ("9it", (0.01, 0.02)))
        for number, dense, lead in zip((1, 2), (0.7, 0.9), leads, strict=True)
    ]
    (files,) = sweep_files(find_sweeps(methods_of(runs)))
    _, figure = files.figures
    assert figure.name == "sweep_of_rewind_step_against_dense"
    assert legend(figure.figure) == ["80.0% of the weights"]
    (axes,) = figure.figure.axes
    assert axes.get_ylabel() == "test accuracy\nvs. dense (points)"
    line, zero = axes.lines
    assert line.get_ydata().tolist() == pytest.approx([-2, 1.5])
    assert set(zero.get_ydata()) == {0}
    edges = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (edges.min(), edges.max()) == pytest.approx((-3, 2))
    rows = list(csv.DictReader(io.StringIO(files.table)))
    assert [row["against_dense"] != "" for row in rows] == [False, True] * 2
    names = ("least_against_dense", "against_dense", "largest_against_dense")
    assert [float(rows[1][name]) for name in names] == pytest.approx([-0.03, -0.02, -0.01])


def test_without_pruned_levels_nothing_is_compared_with_the_dense_network(tmp_path):
    runs = write_sweep(tmp_path, "learning_rate", [0.1, 0.01], [0.9])
    (files,) = sweep_files(find_sweeps(methods_of(runs)))
    assert [figure.name for figure in files.figures] == ["sweep_of_learning_rate"]


def test_values_that_are_no_numbers_stand_side_by_side(tmp_path):
    axes = axes_of(write_sweep(tmp_path, "optimizer", ["sgd", "adam", "lion"]))
    assert axes.get_xscale() == "linear"
    assert [text.get_text() for text in axes.get_xticklabels()] == ["sgd", "adam", "lion"]


def test_positive_numbers_over_decades_have_a_logarithmic_axis(tmp_path):
    axes = axes_of(write_sweep(tmp_path, "learning_rate", [0.001, 0.1, 0.01]))
    assert axes.get_xscale() == "log"
    assert axes.lines[0].get_xdata().tolist() == [0.001, 0.01, 0.1]


def test_steps_in_several_units_are_compared_as_iterations(tmp_path):
    runs = [
        write_replicate(
            tmp_path / f"study_rewind_step_{value}" / "replicate_1",
            [0.9, 0.8],
            identity={"rewind_step": value},
            details={"rewind_step": step},
        )
        for value, step in (("2ep", 20), ("5it", 5))
    ]
    axes = axes_of(runs)
    assert axes.lines[0].get_xdata().tolist() == [5, 20]
    assert axes.get_xlabel() == "rewind step (iterations)"


def test_plain_numbers_of_a_point_in_training_are_iterations(tmp_path):
    axes = axes_of(write_sweep(tmp_path, "rewind_step", ["0", "5", "20it"]))
    assert axes.lines[0].get_xdata().tolist() == [0, 5, 20]
    assert axes.get_xlabel() == "rewind step (iterations)"


def test_plain_numbers_of_other_texts_stand_side_by_side(tmp_path):
    axes = axes_of(write_sweep(tmp_path, "exclude", ["0", "5", "20"]))
    assert axes.lines[0].get_xdata().tolist() == [0, 1, 2]
    assert axes.get_xlabel() == "exclude"


def test_a_single_milestone_is_a_number_with_a_unit(tmp_path):
    axes = axes_of(write_sweep(tmp_path, "lr_milestones", ["5ep", "20ep"]))
    assert axes.lines[0].get_xdata().tolist() == [5, 20]
    assert axes.get_xlabel() == "lr milestones (epochs)"


@pytest.mark.parametrize(
    ("flag", "values", "recorded"),
    [
        ("learning_rate", ["0.001", "0.0010", "0.1"], [0.001, 0.001, 0.1]),
        ("learning_rate", ["1", "1.0", "10"], [1, 1.0, 10]),
        ("rewind_step", ["5", "5it", "20it"], ["5", "5it", "20it"]),
    ],
)
def test_of_runs_with_the_same_value_one_is_drawn_and_the_others_are_named(
    tmp_path, flag, values, recorded
):
    runs = [
        write_replicate(tmp_path / f"s_{flag}_{name}/replicate_1", [0.9, 0.8], identity={flag: one})
        for name, one in zip(values, recorded, strict=True)
    ]
    (sweep,) = find_sweeps(methods_of(runs))
    assert [run.results.run for run in sweep.runs] == [f"s_{flag}_{values[i]}" for i in (0, 2)]
    assert not_in_sweeps(methods_of(runs)) == [
        f"s_{flag}_{values[1]} is not in the figure of the sweep: s_{flag}_{values[0]} has the "
        f"same --{flag}."
    ]
    assert not_in_sweeps(methods_of(runs))[0] in missing_data(methods_of(runs))


def test_runs_of_a_sweep_that_versions_of_other_flags_made_belong_together(tmp_path):
    runs = write_sweep(tmp_path, "rewind_step", ["0it"])
    runs += write_sweep(tmp_path, "rewind_step", ["9it"], clip_norm=None)
    (sweep,) = find_sweeps(methods_of(runs))
    assert [run.value for run in sweep.runs] == ["0it", "9it"]


def test_a_value_that_was_the_default_before_there_was_the_flag_is_one_of_the_sweep(tmp_path):
    runs = write_sweep(tmp_path, "clip_norm", [1.0, 2.0])
    runs.append(write_replicate(tmp_path / "study_clip_norm_None/replicate_1", [0.9, 0.8]))
    (sweep,) = find_sweeps(methods_of(runs))
    assert [run.value for run in sweep.runs] == ["1.0", "2.0", "unset"]


def test_replicates_with_chosen_rates_have_no_figure_of_their_sweep_and_that_is_said(tmp_path):
    adaptive = {"pruning_rate": "auto"}
    runs = write_sweep(tmp_path, "rewind_step", ["0it", "9it"], replicates=2, **adaptive)
    assert find_sweeps(methods_of(runs)) == []
    (sentence,) = not_in_sweeps(methods_of(runs))
    assert sentence == (
        "The sweep of --rewind_step has no figure: replicates whose pruning rates were chosen "
        "(--pruning_rate=auto) have no densities in common to take means at."
    )
    assert sentence in missing_data(methods_of(runs))
    alone = [run for run in runs if run.name == "replicate_1"]
    assert len(find_sweeps(methods_of(alone))) == 1
    assert not_in_sweeps(methods_of(alone)) == []


def test_sweeps_of_two_flags_have_a_figure_for_each_value_of_the_other(tmp_path):
    runs = [
        write_replicate(
            tmp_path / f"study_learning_rate_{rate}_rewind_step_{step}" / "replicate_1",
            [0.9, 0.8],
            identity={"learning_rate": rate, "rewind_step": step},
        )
        for rate in (0.1, 0.2)
        for step in ("0it", "9it")
    ]
    figures = [files.figures[0] for files in sweep_files(find_sweeps(methods_of(runs)))]
    assert [(figure.name, figure.title) for figure in figures] == [
        ("sweep_of_learning_rate_1", "Sweep of the learning rate (rewind step 0it)"),
        ("sweep_of_learning_rate_2", "Sweep of the learning rate (rewind step 9it)"),
        ("sweep_of_rewind_step_1", "Sweep of the rewind step (learning rate 0.1)"),
        ("sweep_of_rewind_step_2", "Sweep of the rewind step (learning rate 0.2)"),
    ]


def test_other_runs_are_no_sweep(tmp_path):
    different = [
        write_replicate(tmp_path / name / "replicate_1", [0.9], identity={"learning_rate": rate})
        for name, rate in (("one", 0.1), ("two", 0.2))
    ]
    assert find_sweeps(methods_of(different)) == []
    confused = write_sweep(tmp_path, "rewind_step", ["0it"])
    confused += write_sweep(tmp_path, "rewind_step", ["9it"], model="resnet_20")
    write_branch(confused[0], "random_mask", {1: 0.5})
    assert find_sweeps(methods_of(confused)) == []


@pytest.mark.slow
@pytest.mark.usefixtures("pictures")
def test_the_report_shows_and_links_it(tmp_path):
    runs = write_sweep(tmp_path, "rewind_step", ["0it", "9it"])
    page = compare_runs(runs, tmp_path / "report").page
    text = page.read_text()
    assert "<h3>Sweep of the rewind step</h3>" in text
    assert 'href="sweep_of_rewind_step.csv"' in text
    for suffix in ("csv", "png", "svg"):
        assert (page.parent / f"sweep_of_rewind_step.{suffix}").exists()
