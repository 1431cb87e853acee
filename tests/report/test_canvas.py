"""What all figures are drawn on: legends, texts and files."""

import xml.etree.ElementTree as ElementTree

import matplotlib as mpl
import numpy as np
import pytest

from tf_lottery.report.figures.canvas import WIDTH_INCHES, Canvas, drawable

STRANGE_LABELS = [
    "_hidden",
    "<b>&amp;</b>",
    "$\\alpha$ $",
    '"quoted" \'',
    "漢字\x1b",
    "--><script>",
]


def legend_texts(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def drawn(labels, **sizes):
    """A canvas with a line for each label, and its figure."""
    canvas = Canvas(labels, **sizes)
    canvas.legend([canvas.axes.plot([0, 1], [0, 1])[0] for _ in labels])
    canvas.axes.set_xlabel("x")
    return canvas, canvas.figure("name", "title", "caption")


@pytest.mark.parametrize(
    "labels",
    [["a", "b", "c"], ["a long label " * 4, "b"], ["x" * 300, "y"], ["W" * 90], ["W" * 20] * 4],
)
def test_the_legend_covers_no_data_and_lies_within_the_figure(labels):
    canvas, file = drawn(labels)
    figure, axes = file.figure, canvas.axes
    figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent()
    assert legend.y1 <= axes.get_tightbbox().y0 + 1
    assert legend.x0 >= 0
    assert legend.x1 <= figure.bbox.width
    assert legend.y0 >= -1
    assert axes.bbox.height > 0.5 * 3 * figure.dpi


def test_figures_are_narrow_enough_for_a_telephone():
    canvas, file = drawn(["a", "b"])
    assert WIDTH_INCHES <= 4.8
    assert file.figure.get_figwidth() == WIDTH_INCHES
    assert canvas.axes.xaxis.label.get_fontsize() >= 9
    texts = [*file.figure.legends[0].get_texts(), *canvas.axes.get_xticklabels()]
    assert min(text.get_fontsize() for text in texts) >= 9


@pytest.mark.usefixtures("pictures")
def test_any_label_can_be_drawn_and_stays_text():
    _, file = drawn(STRANGE_LABELS)
    assert legend_texts(file.figure)[:3] == STRANGE_LABELS[:3]
    assert legend_texts(file.figure)[4] == "???"
    root = ElementTree.fromstring(file.svg)
    assert not [element for element in root.iter() if str(element.tag).endswith(("}b", "}script"))]
    assert "<script" not in file.inline_svg


def with_all_kinds_of_texts(labels=("a", "b")):
    canvas, _ = drawn(labels)
    canvas.axes.set_xticks([0, 0.5, 1], ["0", "half", "1"])
    canvas.axes.set_ylabel("y")
    colours = canvas.axes.pcolormesh(np.eye(3))
    canvas.colour_bar(colours, "colours")
    return canvas.figure("name", "title", "caption")


@pytest.mark.usefixtures("pictures")
def test_settings_of_the_user_change_no_text():
    before = with_all_kinds_of_texts().png
    sizes = dict.fromkeys(("font.size", "xtick.labelsize", "ytick.labelsize", "axes.labelsize"), 15)
    with mpl.rc_context({"font.family": "monospace", **sizes}):
        figure = with_all_kinds_of_texts()
        assert figure.png == before
    assert with_all_kinds_of_texts().png == before


@pytest.mark.usefixtures("pictures")
def test_files_are_the_same_whichever_is_asked_for_first():
    one, other = with_all_kinds_of_texts(), with_all_kinds_of_texts()
    assert (one.png, one.svg) == tuple(reversed((other.svg, other.png)))
    assert one.png is one.png


def test_the_caption_ends_in_what_was_noted_while_drawing():
    canvas = Canvas()
    canvas.note("Second.", "")
    canvas.note("Third.")
    assert canvas.figure("name", "title", "First.", "").caption == "First. Second. Third."


def test_without_labels_there_is_no_legend():
    _, file = drawn([])
    assert not file.figure.legends


def test_characters_that_the_font_lacks_become_question_marks():
    assert drawable("aé漢\n\ud800") == "aé???"
