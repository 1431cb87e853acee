import dataclasses

import pytest

from tf_lottery.report.method_results import LOTTERY, MethodResults
from tf_lottery.report.method_styles import method_styles
from tf_lottery.tickets.branches import known_branches


def styles_of(*methods):
    return method_styles([MethodResults(name, "run", None, name, (), ()) for name in methods])


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
def test_runs_of_the_same_method_share_the_colour_and_differ_otherwise(name):
    styles = styles_of(*[name] * 8)
    assert len({(style.colour, style.marker) for style in styles}) == 1
    assert len({dataclasses.astuple(style) for style in styles}) == 8
    assert styles[0].dash != styles[1].dash
