"""Points in training as iteration numbers."""

import pytest

from tf_lottery.config.steps import known_steps, parse_steps


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0it", 0), ("500it", 500), (500, 500), ("500", 500), (" 7 it ", 7), ("3.0it", 3),
        ("2ep", 938), ("0.5ep", 234), ("1.1ep", 516), ("0ep", 0),
        ("1%", 50), ("0.1%", 5), ("33.3%", 1665), ("100%", 5000),
    ],
)  # fmt: skip
def test_points(text: str | int, expected: int):
    step = parse_steps(text, steps_per_epoch=469, total_steps=5000, argument="rewind_step")
    assert step == expected


def test_rounding_is_exact():
    # 0.29 * 100 is 28.999999999999996 in binary.
    assert parse_steps("0.29ep", steps_per_epoch=100, argument="x") == 29
    assert (
        parse_steps("0.07%", steps_per_epoch=None, total_steps=10**18, argument="x") == 7 * 10**14
    )


@pytest.mark.parametrize(
    "text", ["", "it", "-1it", -1, "1e3it", "5 epochs", "1ep2it", "2 .5ep", "1,5ep", "ten", None]
)
def test_other_texts_are_refused(text):
    with pytest.raises(ValueError, match=r"^rewind_step: .*is not a point in training.*'500it'"):
        parse_steps(text, steps_per_epoch=10, total_steps=100, argument="rewind_step")


def test_iterations_are_whole():
    with pytest.raises(ValueError, match=r"train_steps: '2\.5it'.*whole"):
        parse_steps("2.5it", steps_per_epoch=10, argument="train_steps")


@pytest.mark.parametrize(
    ("text", "epoch", "total", "expected"),
    [
        ("5it", None, None, 5),
        ("2ep", None, 100, None),
        ("2ep", 10, None, 20),
        ("5%", 10, None, None),
        ("5%", None, 100, 5),
    ],
)
def test_what_depends_on_an_unknown_length_is_not_known_yet(text, epoch, total, expected):
    assert (
        known_steps(text, steps_per_epoch=epoch, total_steps=total, argument="--rewind_step")
        == expected
    )


def test_what_is_no_point_is_refused_before_lengths_are_known():
    with pytest.raises(ValueError, match=r"--rewind_step: 'soon' is not a point in training"):
        known_steps("soon", steps_per_epoch=None, argument="--rewind_step")


def test_units_need_their_lengths():
    with pytest.raises(ValueError, match="train_steps: '5%' is a percentage"):
        parse_steps("5%", steps_per_epoch=10, argument="train_steps")
    with pytest.raises(ValueError, match=r"rewind_step: '5ep'.*steps_per_epoch"):
        parse_steps("5ep", steps_per_epoch=None, total_steps=100, argument="rewind_step")
