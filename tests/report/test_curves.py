"""Lines with bands, and figures of them against the weights that remain."""

import math

import numpy as np
import pytest

from tf_lottery.report.figures.curves import Curve, canvas_of, caption_of_curves, evenly_spread
from tf_lottery.report.landscape.density_figure import curves_by_density, density_figure
from tf_lottery.report.landscape.measurements import Measurement, first_middle_last
from tf_lottery.report.method_results import Spread


def spread(*values: float) -> Spread:
    return Spread.of(values)


def drawn_lines(axes, marker: str) -> list:
    return [line for line in axes.lines if line.get_marker() == marker]


def test_a_line_of_means_a_band_and_a_cross_where_the_mean_is_infinite():
    curve = Curve.of("x", {3: spread(0.2, 0.4), 1: spread(0.1), 2: spread(0.1, math.inf)})
    canvas = canvas_of([curve], factor=100)
    (line,), (cross,) = drawn_lines(canvas.axes, "o"), drawn_lines(canvas.axes, "x")
    np.testing.assert_allclose(line.get_xydata(), [[1, 10], [3, 30]])
    band = canvas.axes.collections[0].get_paths()[0].vertices
    assert {tuple(point) for point in band.round(6)} == {(1, 10), (3, 20), (3, 40)}
    assert cross.get_xdata().tolist() == [2]
    # Of the height of the axes, whatever their limits.
    assert cross.get_transform() == canvas.axes.get_xaxis_transform()
    assert 0.9 < cross.get_ydata()[0] < 1
    assert canvas.figure("name", "title", "Lines of x.", "").caption == (
        "Lines of x. "
        "Lines: means over replicates; bands: from the least to the largest. "
        "Crosses at the top: not finite."
    )


def test_nothing_is_said_of_bands_and_crosses_that_are_not_there():
    assert caption_of_curves([Curve.of("x", {1: spread(0.1), 2: spread(0.3, 0.3)})]) == ""
    assert caption_of_curves([]) == ""


def test_a_logarithmic_axis_leaves_out_what_is_not_positive():
    curve = Curve.of("x", {1: spread(-1.0), 2: spread(0.0), 3: spread(10.0), 4: spread(-1.0, 3.0)})
    axes = canvas_of([curve], logarithmic=True).axes
    assert axes.get_yscale() == "log"
    assert axes.lines[0].get_xdata().tolist() == [3, 4]
    axes.figure.draw_without_rendering()
    assert 0 < axes.get_ylim()[0] < 1
    assert caption_of_curves([curve], logarithmic=True).endswith("0 or below are not drawn.")
    assert "not drawn" not in caption_of_curves([curve])


def test_many_lines_never_look_the_same():
    curves = [Curve.of(str(number), {1: spread(number)}) for number in range(14)]
    looks = {
        (line.get_color(), line.get_marker(), line.get_markerfacecolor())
        for line in canvas_of(curves).axes.lines
    }
    assert len(looks) == 14


def test_curves_without_a_label_are_in_no_legend():
    curves = [Curve.of(label, {1: spread(1.0)}) for label in ("", "x")]
    for shown, with_legend, labels in (
        (curves, True, ["x"]),
        (curves, False, []),
        (curves[:1], True, []),
    ):
        legends = canvas_of(shown, with_legend=with_legend).axes.figure.legends
        assert [text.get_text() for one in legends for text in one.get_texts()] == labels


def test_some_of_many_are_spread_evenly_from_the_first_to_the_last():
    assert evenly_spread(range(3), 6) == [0, 1, 2]
    assert evenly_spread("abcdefghijk", 3) == ["a", "f", "k"]
    assert evenly_spread([], 3) == []


def measured(run: str, *rows: tuple) -> Measurement:
    names = ("level", "density", "a", "b")
    return Measurement(
        run, "replicate_1", tuple(dict(zip(names, row, strict=True)) for row in rows)
    )


def test_there_is_a_curve_for_each_run_and_column_that_has_numbers():
    one = measured("one", (0, 1.0, 5, None), (1, 0.8, 6, math.nan))
    two = measured("two", (0, 1.0, 7, 1.5), (1, 0.8, None, 2.5))
    labels = {"a": "A", "b": ""}
    curves = curves_by_density([one, two], labels)
    assert [curve.label for curve in curves] == ["one: A", "two: A", "two"]
    assert [list(curve.positions) for curve in curves] == [[80, 100], [100], [80, 100]]
    assert [curve.label for curve in curves_by_density([two], labels)] == ["A", ""]
    assert curves_by_density([measured("one")], labels) == []


def test_replicates_of_the_same_density_are_one_point():
    curves = curves_by_density(
        [measured("m", (1, 0.8, 5, 0)), measured("m", (1, 0.8, 8, 0))], {"a": ""}
    )
    (curve,) = curves
    assert list(curve.spreads) == [Spread(6.5, 5, 8, 2)]


def test_replicates_of_a_level_are_one_point_at_the_mean_of_their_densities():
    one = measured("m", (0, 1.0, 4, 0), (1, 0.78, 5, 0), (2, 0.62, None, 0))
    two = measured("m", (0, 1.0, 6, 0), (1, 0.82, 8, 0), (2, 0.66, 9, 0))
    (curve,) = curves_by_density([one, two], {"a": ""})
    assert list(curve.positions) == pytest.approx([64, 80, 100])
    assert list(curve.spreads) == [Spread(9, 9, 9, 1), Spread(6.5, 5, 8, 2), Spread(5, 4, 6, 2)]


def test_rows_without_a_level_are_told_apart_by_their_densities():
    rows = tuple({"density": density, "a": 1.0} for density in (1.0, 0.5))
    (curve,) = curves_by_density([Measurement("m", "replicate_1", rows)], {"a": ""})
    assert list(curve.positions) == [50, 100]


@pytest.mark.parametrize("logarithmic", [False, True])
@pytest.mark.parametrize("value", [0.0, -1.0, 2.0, math.inf])
@pytest.mark.usefixtures("pictures")
def test_a_single_point_of_any_value_can_be_drawn(value, logarithmic):
    curves = [Curve.of("", {80.0: spread(value)})]
    figure = density_figure(curves, "y", "n", "t", "c", logarithmic=logarithmic, level=3)
    assert figure.png.startswith(b"\x89PNG\r\n\x1a\n")


def test_without_curves_there_is_no_figure():
    assert density_figure([], "y", "name", "title", "caption") is None


def test_three_levels_stand_for_many():
    def levels(*numbers):
        return measured("m", *((number, 1.0, 0, 0) for number in numbers))

    assert first_middle_last([levels(*range(19))]) == [0, 9, 18]
    assert first_middle_last([levels(1, 2), levels(2, 3)]) == [1, 2, 3]
    assert first_middle_last([levels(4, 7)]) == [4, 7]
    assert first_middle_last([levels(4)]) == [4]
    assert first_middle_last([levels()]) == []
