"""Tables on the terminal, of columns that say how to write a cell of any row."""

import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tf_lottery.report.console import default_console

# A space at which no line is broken.
NO_BREAK = "\N{NO-BREAK SPACE}"
_UNLIMITED = 100_000
Row_contra = TypeVar("Row_contra", contravariant=True)


@dataclass(frozen=True)
class Column(Generic[Row_contra]):
    """A column of a table.

    Attributes:
      header: may have several lines.
      cell: writes what the column says of a row.
      holds_names: whether the cells are names, which are flush left, and broken only between words
        if the table is too wide; numbers are flush right.
    """

    header: str
    cell: Callable[[Row_contra], str]
    holds_names: bool = False


def table_of(
    columns: Sequence[Column],
    rows: Iterable[Any],
    style: Callable[[Any], str | None] = lambda row: None,
    gap: int = 1,
) -> Table:
    """Lays out a table.

    Args:
      columns: from left to right.
      rows: what the columns write cells of.
      style: of the line of a row, such as "bold".
      gap: spaces between columns, beside the one that is always there.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, gap, 0, 0))
    for column in columns:
        justify = "left" if column.holds_names else "right"
        # "fold" breaks a text that is too wide where the default would cut it short.
        table.add_column(column.header, justify=justify, vertical="bottom", overflow="fold")
    for row in rows:
        # Names are text, whatever they contain, and never markup.
        table.add_row(*(Text(column.cell(row)) for column in columns), style=style(row))
    return table


def print_table(
    columns: Sequence[Column], rows: Iterable[Any], console: Console | None = None
) -> None:
    """Prints a table; if it is too wide, names get narrower before numbers do.

    Args:
      columns: from left to right.
      rows: what the columns write cells of.
      console: where to print; standard output by default.
    """
    console = console or default_console()
    table = table_of(columns, rows)
    named = [of for of, column in zip(table.columns, columns, strict=True) if column.holds_names]
    # Rich would make them equally narrow, and break words of one where another has room.
    excess = natural_width(table, console) - console.width
    texts = [[str(cell) for cell in (column.header, *column.cells)] for column in named]
    widths = [max(len(line) for text in cells for line in text.split("\n")) for cells in texts]
    least = [max(len(word) for text in cells for word in text.split()) for cells in texts]
    while excess > 0 and any(width > word for width, word in zip(widths, least, strict=True)):
        place = max(range(len(named)), key=lambda at: (widths[at] > least[at], widths[at]))
        widths[place], excess = widths[place] - 1, excess - 1
        named[place].width = widths[place]
    show_table(table, console)


def show_table(table: Table, console: Console) -> None:
    """Shows a table without spaces at the ends of its lines.

    Args:
      table: any.
      console: where to show it.
    """
    with console.capture() as captured:
        console.print(table, crop=False)
    for line in captured.get().splitlines():
        console.out(line.rstrip(), highlight=False)


def natural_width(table: Table, console: Console) -> int:
    """The width, in characters, that a table has where there is room for it."""
    options = console.options.update(max_width=_UNLIMITED)
    return console.measure(table, options=options).maximum


def print_sentences(sentences: Iterable[str], console: Console | None = None) -> None:
    """Prints sentences, each from a new line; they are not broken at non-breaking spaces.

    Args:
      sentences: any text.
      console: where to print; standard output by default.
    """
    console = console or default_console()
    for sentence in sentences:
        lines = [
            textwrap.fill(line, console.width, break_long_words=False, break_on_hyphens=False)
            for line in sentence.split("\n")
        ]
        # Not every terminal has the spaces themselves.
        text = "\n".join(lines).replace(NO_BREAK, " ")
        console.print(text, highlight=False, markup=False)
