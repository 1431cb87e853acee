"""The figure of lines between solutions."""

import numpy as np
import pytest

from tf_lottery.report.landscape.lines import LineCurves, line_figure

POSITIONS = np.linspace(0, 1, 4)
CAPTION = "Error on the straight line between two solutions."


def curves(first="level_0", second="level_1", splits=("test",), peak=0.5, worst=2.0) -> LineCurves:
    return LineCurves(
        (first, second),
        POSITIONS.copy(),
        {split: np.array([0.1, peak, 0.3, 0.1]) for split in splits},
        {split: np.array([1.0, worst, 1.5, 1.0]) for split in splits},
    )


@pytest.mark.slow
@pytest.mark.usefixtures("pictures")
def test_the_same_lines_give_the_same_bytes():
    once, again, other = (line_figure([curves(peak=peak)], "lines") for peak in (0.5, 0.5, 0.6))
    assert once.png.startswith(b"\x89PNG\r\n\x1a\n")
    assert (once.png, once.svg) == (again.png, again.svg)
    assert once.svg != other.svg
    assert (once.name, once.title, once.caption) == ("lines", "lines", CAPTION)


def test_each_line_and_split_is_drawn_in_percent_and_named():
    figure = line_figure([curves(splits=("test", "train")), curves("a", "b", peak=0.7)], "lines")
    of_test, of_train, other = figure.figure.axes[0].lines
    for line, peak in ((of_test, 50), (of_train, 50), (other, 70)):
        np.testing.assert_allclose(line.get_xdata(), POSITIONS)
        np.testing.assert_allclose(line.get_ydata(), [10, peak, 30, 10])
    assert of_test.get_color() == of_train.get_color() != other.get_color()
    assert of_test.get_linestyle() == other.get_linestyle() != of_train.get_linestyle()
    assert [text.get_text() for text in figure.figure.legends[0].get_texts()] == [
        "level 0 to level 1, test data",
        "level 0 to level 1, train data",
        "a to b, test data",
    ]


def test_the_same_line_may_be_there_twice():
    lines = [curves(), curves("level_1", "level_0"), curves()]
    assert len(line_figure(lines, "lines").figure.axes[0].lines) == 3


def test_losses_that_are_not_finite_are_named_in_the_caption():
    lines = [
        curves(splits=("test", "train"), worst=np.inf),
        curves("level_1", "level_2"),
        curves("level_2", "level_3", worst=np.nan),
    ]
    caption = line_figure(lines, "lines").caption
    named = (
        "level 0 to level 1, test data; level 0 to level 1, train data; "
        "level 2 to level 3, test data"
    )
    assert caption == f"{CAPTION} The loss is not finite somewhere on: {named}."


@pytest.mark.usefixtures("pictures")
def test_names_are_text_whatever_they_contain():
    names = [
        "$x^$",
        r"\frac{1",
        "_hidden",
        "<b>&amp;",
        "ä\N{SNOWMAN}\N{CJK UNIFIED IDEOGRAPH-4E2D}",
    ]
    figures = [line_figure([curves(name, name * 30, worst=np.inf)], name) for name in names]
    for name, figure in zip(names, figures, strict=True):
        assert figure.title == name
        assert f"{name} to {name * 30}, test data" in figure.caption
    assert len({figure.png for figure in figures}) == len(names)
