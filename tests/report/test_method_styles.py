import dataclasses

import pytest

from tf_lottery.report.figures import method_styles
from tf_lottery.report.method_results import LOTTERY
from tf_lottery.tickets.branches import known_branches


def styles_of(*methods):
    return method_styles.styles_of(methods)


def test_all_known_methods_look_different():
    names = [LOTTERY, *known_branches()]
    styles = styles_of(*names)
    assert len({(style.colour, style.marker) for style in styles}) == len(names)
    assert len({(style.colour, style.dash) for style in styles}) == len(names)


def test_a_method_looks_the_same_whatever_else_is_shown():
    names = [LOTTERY, "random_mask", "one_shot", "something_new"]
    for name, style in zip(names, styles_of(*names), strict=True):
        assert styles_of(name) == [style]


def test_an_unknown_method_never_looks_like_a_known_one():
    known = {(style.colour, style.marker) for style in styles_of(LOTTERY, *known_branches())}
    unknown = [styles_of(f"method_{number}")[0] for number in range(100)]
    assert known.isdisjoint((style.colour, style.marker) for style in unknown)
    assert len(set(unknown)) > 10


@pytest.mark.parametrize("name", [LOTTERY, "random_mask_uniform", "something_new"])
def test_runs_of_the_same_method_share_the_marker_and_differ_in_colour(name):
    styles = styles_of(*[name] * 12)
    assert len({style.marker for style in styles}) == 1
    assert len({style.colour for style in styles}) == 12
    assert styles[0].dash != styles[1].dash
    more = styles_of(*[name] * 30)
    assert more[:12] == styles
    assert len({dataclasses.astuple(style) for style in more}) == 30


def test_further_runs_take_no_colour_of_another_method():
    names = [LOTTERY, "random_mask", LOTTERY, "random_mask", "one_shot"]
    assert len({style.colour for style in styles_of(*names)}) == len(names)
