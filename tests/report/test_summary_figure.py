import itertools

import numpy as np
import pytest

from tf_lottery.report.figures.axes import DENSE_LABEL
from tf_lottery.report.figures.summary_figure import (
    EARLY_STOP_LABEL,
    END_LABEL,
    summary_figure,
)

NAN = float("nan")


def accuracy_figure(summaries, title="title"):
    return summary_figure(summaries, title).figure


def lines_by_label(figure):
    (axes,) = figure.axes
    return {line.get_label(): line for line in axes.lines}


def tick_texts(axes):
    return [label.get_text() for label in axes.get_xticklabels()]


def test_lines_hold_percentages_from_dense_to_sparse(make_summary):
    summaries = [
        make_summary(1, 0.91, early_stop_test_accuracy=0.89),
        make_summary(0, 0.9, early_stop_test_accuracy=0.88),
    ]
    lines = lines_by_label(accuracy_figure(summaries))
    np.testing.assert_allclose(lines[END_LABEL].get_xdata(), [100, 80])
    np.testing.assert_allclose(lines[END_LABEL].get_ydata(), [90, 91])
    np.testing.assert_allclose(lines[EARLY_STOP_LABEL].get_ydata(), [88, 89])
    np.testing.assert_allclose(lines[DENSE_LABEL].get_ydata(), [90, 90])


def test_missing_accuracies_are_gaps_and_absent_lines(make_summary):
    summaries = [make_summary(0, None), make_summary(1, NAN), make_summary(2, 0.7)]
    lines = lines_by_label(accuracy_figure(summaries))
    assert set(lines) == {END_LABEL}
    np.testing.assert_allclose(lines[END_LABEL].get_ydata(), [NAN, NAN, 70])


def test_density_axis_is_logarithmic_and_falls_to_the_right(make_summary):
    figure = accuracy_figure([make_summary(level, 0.9) for level in range(16)])
    (axes,) = figure.axes
    left, right = axes.get_xlim()
    assert axes.get_xscale() == "log"
    assert left > 100
    assert right < 100 * 0.8**15


@pytest.mark.parametrize("levels", [1, 2, 5, 16, 30, 60])
def test_tick_labels_are_plain_percentages_that_do_not_touch(make_summary, levels):
    figure = accuracy_figure([make_summary(level, 0.9) for level in range(levels)])
    figure.draw_without_rendering()
    (axes,) = figure.axes
    texts = tick_texts(axes)
    assert texts[0] == "100"
    assert float(texts[-1]) == pytest.approx(100 * 0.8 ** (levels - 1), rel=0.05)
    boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
    gaps = [right.x0 - left.x1 for left, right in itertools.pairwise(boxes)]
    assert all(gap > 4 for gap in gaps)


def test_five_levels_are_all_labelled(make_summary):
    figure = accuracy_figure([make_summary(level, 0.9) for level in range(5)])
    assert tick_texts(figure.axes[0]) == ["100", "80", "64", "51.2", "41"]


def test_accuracy_axis_holds_every_level_of_a_gradual_decline(make_summary):
    accuracies = [0.97, 0.9, 0.8, 0.6, 0.4]
    figure = accuracy_figure([make_summary(*pair) for pair in enumerate(accuracies)])
    bottom, top = figure.axes[0].get_ylim()
    assert bottom < 40
    assert top > 97


def test_a_collapse_leaves_the_axis_and_is_marked(make_summary):
    accuracies = [0.97 + 0.001 * (level % 3) for level in range(14)] + [0.5, 0.1]
    figure = accuracy_figure([make_summary(*pair) for pair in enumerate(accuracies)])
    (axes,) = figure.axes
    bottom, _ = axes.get_ylim()
    assert 95 < bottom < 97
    marks = lines_by_label(figure)["_below the axis"]
    np.testing.assert_allclose(marks.get_xdata(), [100 * 0.8**14, 100 * 0.8**15])
    assert "down to\n10.0%" in [text.get_text() for text in axes.texts]


def test_everything_lies_within_the_figure(make_summary):
    summaries = [make_summary(0, 0.9, early_stop_test_accuracy=0.9), make_summary(1, 0.9)]
    figure = accuracy_figure(summaries, "a $TITLE OF " + 12 * "MANY WORDS " + "and $")
    figure.draw_without_rendering()
    box = figure.axes[0].get_tightbbox()
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= figure.bbox.width
    assert box.y1 <= figure.bbox.height


def test_no_levels_is_an_error():
    with pytest.raises(ValueError, match="summaries is empty"):
        accuracy_figure([])


@pytest.mark.usefixtures("pictures")
def test_the_same_levels_give_the_same_png(make_summary):
    summaries = [make_summary(0, 0.9), make_summary(1, 0.91)]
    once, again = (summary_figure(summaries, "title").png for _ in range(2))
    assert once == again
    assert once.startswith(b"\x89PNG")
    assert b"Matplotlib" not in once


@pytest.mark.usefixtures("pictures")
def test_drawing_leaves_pyplot_alone(make_summary):
    from matplotlib import _pylab_helpers

    accuracy_figure([make_summary(0, 0.9)])
    assert not _pylab_helpers.Gcf.figs
