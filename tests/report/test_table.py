"""Tables of columns that write their cells."""

import io

import pytest
from rich.console import Console

from tf_lottery.report.table import Column, print_table, table_of

NAME = Column("name", lambda row: row[0], holds_names=True)
NUMBER = Column("the\nnumber", lambda row: f"{row[1]:.1f}")


def printed(columns, rows, width=80) -> list[str]:
    file = io.StringIO()
    print_table(columns, rows, Console(file=file, width=width))
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_names_are_flush_left_and_numbers_flush_right_below_their_headers():
    assert printed([NAME, NUMBER], [("a name", 1), ("b", 123.45)]) == [
        "           the",
        "name    number",
        "──────────────",
        "a name     1.0",
        "b        123.5",
    ]


def test_cells_are_text_whatever_they_contain():
    names = ["[bold]x[/bold]", ":smile:", "[red]"]
    lines = printed([NAME], [(name, 0) for name in names])
    assert lines[2:] == names


@pytest.mark.parametrize("width", [46, 60])
def test_names_are_broken_between_words_before_numbers_are(width):
    second = Column("other", lambda row: row[2], holds_names=True)
    row = ("long name of reinitialization", 1234567.8, "short words here")
    lines = printed([NAME, second, NUMBER, NUMBER], [row], width)
    assert max(map(len, lines)) <= width
    words = " ".join(lines).split()
    assert words.count("1234567.8") == 2
    assert {"long", "name", "of", "reinitialization", "short", "words", "here"} <= set(words)


def test_rows_may_be_bold():
    table = table_of([NAME], [("a", 0), ("b", 1)], style=lambda row: "bold" if row[1] else None)
    assert [row.style for row in table.rows] == [None, "bold"]
