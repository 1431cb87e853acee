import dataclasses
import itertools
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from tests.report.reported_runs import write_branch, write_replicate
from tf_lottery.report.figures import method_styles
from tf_lottery.report.figures.layer_figure import layer_figure, shares_layers
from tf_lottery.report.figures.learning_curves import learning_curves, levels_to_show
from tf_lottery.report.figures.level_figures import level_figures
from tf_lottery.report.method_results import LevelStatistics, MethodResults, collect_methods
from tf_lottery.report.run_records import read_run


@pytest.fixture
def methods(tmp_path):
    def collect(early=None):
        paths = []
        for number, accuracies in enumerate([[0.9, 0.8, 0.7], [0.8, 0.7, 0.6]], 1):
            path = tmp_path / "m" / f"replicate_{number}"
            paths.append(write_replicate(path, accuracies, early=early))
            write_branch(paths[-1], "random_mask", {2: 0.5}, early=early)
        return collect_methods([read_run(path) for path in paths])

    return collect


def styles_of(methods):
    return method_styles.styles_of([method.method for method in methods])


def lines(figure):
    return [line for line in figure.axes[0].lines if not str(line.get_label()).startswith("_b")]


def legend_texts(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def level(number, layers):
    return LevelStatistics(number, 0.8**number, 1, 1, None, None, None, layers)


def method_with_levels(*levels):
    return MethodResults("lottery ticket", "m", None, "lottery_ticket", (), levels)


def test_lines_are_means_and_bands_reach_from_least_to_largest(methods):
    found = methods()
    (figure_file,) = level_figures(found, styles_of(found))
    figure = figure_file.figure
    run, branch, dense = lines(figure)
    np.testing.assert_allclose(run.get_xdata(), [100, 80, 64])
    np.testing.assert_allclose(run.get_ydata(), [85, 75, 65])
    np.testing.assert_allclose(branch.get_xdata(), [64])
    np.testing.assert_allclose(dense.get_ydata(), [85, 85])
    band = figure.axes[0].collections[0].get_paths()[0].vertices
    assert {tuple(point) for point in band.round(6)} >= {(100, 80), (100, 90), (64, 60), (64, 70)}
    bottom, top = figure.axes[0].get_ylim()
    assert bottom < 60 < 90 < top
    assert legend_texts(figure) == ["lottery ticket", "random mask"]
    assert figure_file.name == "accuracy_at_end"
    assert "bands" in figure_file.caption


def test_early_stopping_has_its_figures_where_there_is_validation_data(methods):
    found = methods(early={0: (30, 0.5), 1: (20, 0.4)})
    files = level_figures(found, styles_of(found))
    assert [file.name for file in files] == [
        "accuracy_at_end",
        "accuracy_at_early_stop",
        "early_stop_iteration",
    ]
    np.testing.assert_allclose(lines(files[1].figure)[0].get_ydata(), [50, 40])
    np.testing.assert_allclose(lines(files[2].figure)[0].get_ydata(), [30, 20])
    assert files[2].figure.axes[0].get_ylim()[0] == 0
    # The branch has level 2 only, which has no early stopping.
    assert legend_texts(files[2].figure) == ["lottery ticket"]


def test_styles_are_those_of_the_methods(methods):
    found = methods()
    styles = styles_of(found)
    (file,) = level_figures(found, styles)
    for line, style in zip(lines(file.figure)[:2], styles, strict=True):
        assert (line.get_color(), line.get_marker()) == (style.colour, style.marker)


def test_without_any_number_there_is_no_figure():
    empty = method_with_levels()
    assert level_figures([empty], styles_of([empty])) == []
    assert learning_curves(empty, "name", None) is None
    assert layer_figure(empty, "name") is None


@pytest.mark.usefixtures("pictures")
def test_drawings_in_a_page_have_names_of_their_own_and_load_nothing(methods):
    found = methods(early={0: (30, 0.5)})
    files = level_figures(found, styles_of(found))
    names = [
        {element.get("id") for element in ElementTree.fromstring(file.inline_svg).iter()} - {None}
        for file in files
    ]
    assert all(names)
    for one, other in itertools.combinations(names, 2):
        assert one.isdisjoint(other)
    for file, own in zip(files, names, strict=True):
        references = {
            value.strip("url()#")
            for element in ElementTree.fromstring(file.inline_svg).iter()
            for value in element.attrib.values()
            if value.startswith((f"#{file.name}", "url("))
        }
        assert references
        assert references <= own
        assert "http" not in file.inline_svg


@pytest.mark.slow
@pytest.mark.usefixtures("pictures")
def test_the_same_numbers_give_the_same_bytes(methods):
    found = methods(early={0: (30, 0.5)})
    styles = styles_of(found)
    first, second = level_figures(found, styles), level_figures(found, styles)
    assert [(file.png, file.svg) for file in first] == [(file.png, file.svg) for file in second]
    assert b"Matplotlib" not in first[0].png
    assert "<dc:date>" not in first[0].svg


def test_learning_curves_are_means_of_percentages(methods):
    found = methods()
    file = learning_curves(found[0], "curves", None)
    assert [line.get_ydata()[-1] for line in lines(file.figure)] == pytest.approx([85, 75, 65])
    assert legend_texts(file.figure) == [
        f"{share} of the weights" for share in ("100%", "80.0%", "64.0%")
    ]
    assert file.caption == (
        "Test accuracy during training, mean over replicates. All 3 levels, labelled by the "
        "weights that remain; darker lines are denser."
    )


@pytest.mark.parametrize(
    ("accuracies", "shown"),
    [
        ([0.9], "The only level, labelled by the weights that remain."),
        ([0.9] * 2, "All 2 levels, labelled by the weights that remain; darker lines are denser."),
        (
            [0.9] * 9,
            "6 of 9 levels, labelled by the weights that remain; darker lines are denser.",
        ),
    ],
)
def test_the_caption_of_one_replicate_speaks_of_no_mean(tmp_path, accuracies, shown):
    run = write_replicate(tmp_path / "m/replicate_1", accuracies)
    (method,) = collect_methods([read_run(run)])
    caption = learning_curves(method, "curves", None).caption
    assert caption == f"Test accuracy during training. {shown}"


def test_a_level_in_training_has_a_dotted_curve(tmp_path):
    run = write_replicate(tmp_path / "replicate_1", [0.9], in_training={1: [0.1, 0.3]})
    (method,) = collect_methods([read_run(run)])
    file = learning_curves(method, "curves", None)
    assert legend_texts(file.figure) == ["100% of the weights", "level 1, in training"]
    assert [line.get_linestyle() for line in lines(file.figure)] == ["-", ":"]


def test_long_curves_are_thinned_to_their_ends(tmp_path):
    curve = [0.001 * at for at in range(900)]
    run = write_replicate(tmp_path / "replicate_1", [0.9], curves={0: curve})
    (method,) = collect_methods([read_run(run)])
    file = learning_curves(method, "curves", None)
    (line,) = lines(file.figure)
    assert len(line.get_xdata()) == 300
    assert (line.get_xdata()[0], line.get_xdata()[-1]) == (0, 8990)


def test_few_levels_are_all_shown_and_many_are_spread_evenly():
    assert levels_to_show([0, 1, 2], 1) == [0, 1, 2]
    assert levels_to_show(range(16), None) == [0, 3, 6, 9, 12, 15]
    assert levels_to_show(range(16), 10) == [0, 3, 6, 10, 12, 15]
    assert levels_to_show(range(16), 15) == [0, 3, 6, 9, 12, 15]
    assert levels_to_show(range(16), 14) == [0, 3, 6, 9, 14, 15]


def test_few_layers_are_lines_and_a_layer_without_weights_is_a_gap():
    levels = [level(0, {"a": 1.0, "b": 1.0}), level(1, {"a": 0.75, "b": 0.0})]
    file = layer_figure(method_with_levels(*levels), "layers")
    _, first, second = lines(file.figure)
    np.testing.assert_allclose(first.get_ydata(), [100, 75])
    np.testing.assert_allclose(second.get_ydata(), [100, np.nan])
    assert legend_texts(file.figure) == ["a", "b", "all layers alike"]


def test_many_layers_are_a_map_from_the_first_at_the_top():
    names = [f"layer_{number}/kernel" for number in range(54)]
    levels = [level(n, dict.fromkeys(names, 0.8**n)) for n in range(17)]
    figure = layer_figure(method_with_levels(*levels), "layers").figure
    axes = figure.axes[0]
    assert axes.collections[0].get_array().shape == (54, 17)
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    figure.draw_without_rendering()
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()[::-1]):
        boxes = [label.get_window_extent() for label in labels]
        pairs = list(itertools.pairwise(boxes))
        assert all(b.x0 > a.x1 or b.y0 >= a.y1 - 1 for a, b in pairs)
    assert axes.get_yticklabels()[0].get_text() == "layer_0"


@pytest.mark.usefixtures("pictures")
def test_a_map_of_layers_that_nothing_was_pruned_from_can_be_drawn():
    names = [f"layer_{number}" for number in range(9)]
    figure = layer_figure(method_with_levels(level(0, dict.fromkeys(names, 1.0))), "layers")
    assert figure.png.startswith(b"\x89PNG")


def test_a_branch_shares_the_layers_of_its_run_or_not(methods):
    run, branch = methods()
    assert shares_layers(branch, run)
    (record,) = (record for record in branch.records if record.replicate == "replicate_1")
    layers = {"dense/kernel": (500, 900), "dense_1/kernel": (140, 100)}
    level_2 = dataclasses.replace(record.levels[2], layers=layers)
    other = dataclasses.replace(record, levels={2: level_2})
    assert not shares_layers(dataclasses.replace(branch, records=(other,)), run)
