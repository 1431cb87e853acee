"""Colours, markers and dashes that tell lines apart."""

from itertools import pairwise

from matplotlib.colors import to_rgb

from tf_lottery.report.figures.palette import COLOURS, shades, style_of_line


def lightness(colour: str) -> float:
    red, green, blue = to_rgb(colour)
    return 0.3 * red + 0.59 * green + 0.11 * blue


def test_neighbours_differ_in_colour_marker_and_dash():
    styles = [style_of_line(index) for index in range(30)]
    for one, other in pairwise(styles):
        assert one.colour != other.colour
        assert one.marker != other.marker
        assert one.dash != other.dash
    assert len({style.colour for style in styles[:12]}) == 12
    assert len({(style.colour, style.filled) for style in styles[:24]}) == 24


def test_hollow_markers_are_white_inside():
    assert style_of_line(0).options()["markerfacecolor"] == COLOURS["blue"]
    assert style_of_line(12).options() == style_of_line(0).options() | {"markerfacecolor": "white"}


def test_shades_go_from_dark_to_light_and_stay_visible_on_white():
    found = [lightness(shade) for shade in shades(6)]
    assert found == sorted(found)
    assert len(set(found)) == 6
    assert found[-1] < 0.85
