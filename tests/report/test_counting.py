"""Progress of what is counted, into a file and on a terminal."""

import io

import pytest
from rich.console import Console

from tests.report.clocks import Clock
from tf_lottery.report.progress.counting import CountingProgress


def count_into(console: Console, total: int, seconds: float, what: str = "points") -> None:
    clock = Clock()
    with CountingProgress(what, total, console, clock) as progress:
        for _ in range(total):
            clock.now += seconds
            progress.advance()


def lines_of(file: io.StringIO) -> list[str]:
    """What was written, without the empty line that rich ended with before version 15."""
    return [line for line in file.getvalue().split("\n") if line]


def test_a_file_gets_a_line_every_ten_seconds():
    file = io.StringIO()
    count_into(Console(file=file, width=40), total=12, seconds=4)
    assert lines_of(file) == [f"points: {done} of 12" for done in (3, 6, 9, 12)]


def test_what_is_slow_has_a_line_each_time_and_what_is_fast_none():
    file = io.StringIO()
    count_into(Console(file=file, width=40), total=3, seconds=500)
    count_into(Console(file=file, width=40), total=1000, seconds=0.001)
    count_into(Console(file=file, width=40), total=0, seconds=1)
    assert lines_of(file) == [f"points: {done} of 3" for done in (1, 2, 3)]


def test_steps_show_that_a_slow_one_goes_on():
    file, clock = io.StringIO(), Clock()
    console = Console(file=file, width=60)
    with CountingProgress("parts", 2, console, clock) as progress:
        for _ in range(5):
            clock.now += 4
            progress.step("products")
        progress.advance()
        clock.now += 11
        progress.advance()
    assert lines_of(file) == ["parts: 0 of 2, 3 products", "parts: 2 of 2"]


def test_lines_are_not_broken_and_what_is_counted_is_text():
    file, what = io.StringIO(), "[bold]a thing[/bold] of a long name"
    count_into(Console(file=file, width=20), total=1, seconds=11, what=what)
    assert lines_of(file) == [f"{what}: 1 of 1"]


def test_a_terminal_has_a_bar_and_no_lines():
    file = io.StringIO()
    console = Console(file=file, width=80, force_terminal=True, force_interactive=True)
    count_into(console, total=3, seconds=500, what="[red]points")
    assert "[red]points" in file.getvalue()
    assert "3/3" in file.getvalue()
    assert "of 3" not in file.getvalue()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_the_cursor_is_shown_again_after_an_exception(error):
    file = io.StringIO()
    console = Console(file=file, width=80, force_terminal=True, force_interactive=True)
    with pytest.raises(error), CountingProgress("points", 2, console) as progress:
        progress.advance()
        raise error
    assert file.getvalue().rfind("\x1b[?25h") > file.getvalue().rfind("\x1b[?25l") >= 0
