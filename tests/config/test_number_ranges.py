"""Sets of numbers as people write them."""

import pytest

from tf_lottery.config.number_ranges import parse_ranges


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("7", [7]),
        ("0", [0]),
        ("0-3", [0, 1, 2, 3]),
        ("4-4", [4]),
        ("0-2,8", [0, 1, 2, 8]),
        ("8,1-2", [1, 2, 8]),
        ("1-3,2-5,3", [1, 2, 3, 4, 5]),
        (" 1 - 2 , 10 ", [1, 2, 10]),
        ("9-11", [9, 10, 11]),
        ("007", [7]),
    ],
)
def test_numbers_come_in_rising_order_and_once(text: str, numbers: list[int]):
    assert parse_ranges(text, "--levels") == numbers


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", ""), (" ", ""), ("1,", ""), (",1", ""), ("1,,2", ""),
        ("1-2-3", "1-2-3"), ("1-", "1-"), ("0-5,b", "b"), ("1.5", "1.5"), ("1 2", "1 2"),
        ("1..3", "1..3"), ("all", "all"), ("1;2", "1;2"), ("+1", "+1"),
    ],
)  # fmt: skip
def test_what_is_no_set_is_refused_with_the_part_that_is_wrong(text: str, part: str):
    with pytest.raises(ValueError, match=r"^--levels=") as error:
        parse_ranges(text, "--levels")
    assert str(error.value).startswith(f"--levels={text}: {part!r} is neither a number nor a range")
    assert "'0-5,8'" in str(error.value)


def test_a_range_that_ends_before_it_begins_is_turned_round():
    with pytest.raises(ValueError, match=r"^--levels=0,3-1: the range '3-1' ends .* '1-3'"):
        parse_ranges("0,3-1", "--levels")


@pytest.mark.parametrize("text", ["-1", "0,-1", "2, - 1"])
def test_numbers_below_0_are_said_to_be_so(text: str):
    with pytest.raises(ValueError, match=rf"^--levels={text}: '- ?1' is negative; write a number"):
        parse_ranges(text, "--levels")
