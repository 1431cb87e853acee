"""Tables as CSV files that a person can open and a program reads back exactly."""

import csv
import io
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tf_lottery.store.atomic import read_text, write_text
from tf_lottery.store.errors import DamagedFileError

# The column says what a cell is: an int, a float or a text, or None where it is empty.
Row = dict[str, Any]

_TEXT = re.compile(r"[^\x00-\x1f]+")
_INTEGER = re.compile(r"[+-]?\d+")


def write_csv(
    path: Path, columns: Sequence[str], rows: Iterable[Mapping], texts: Collection[str] = ()
) -> None:
    """Writes a table atomically, its header first.

    Args:
      path: the file; missing parent folders are made.
      columns: the names of the columns, in order.
      rows: numbers by column name; None or a missing column is an empty cell.
      texts: the columns that hold texts of one line instead, none of them empty.

    Raises:
      ValueError: a row has an unknown column, or a value that is not what its column holds.
      StorageError: the disk is full, read-only, …
    """
    write_text(path, csv_text(columns, rows, texts))


def csv_text(columns: Sequence[str], rows: Iterable[Mapping], texts: Collection[str] = ()) -> str:
    """The text that `write_csv` writes, of the same arguments."""
    return table_text(columns, (_normalized(row, columns, texts) for row in rows))


def table_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Any table as CSV text, texts among its cells.

    Args:
      columns: the names of the columns, in order.
      rows: cells by column name; numbers keep all digits; None or a missing column is an empty
        cell.

    Raises:
      ValueError: a row has an unknown column.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def read_csv(
    path: Path,
    columns: Sequence[str],
    renamed: Mapping[str, str] | None = None,
    texts: Collection[str] = (),
) -> list[Row]:
    """Reads a table that `write_csv` wrote.

    Args:
      path: the file.
      columns: the columns that it must have, in order.
      renamed: names that some of them had in older versions, each with its name of today.
      texts: as of `write_csv`.

    Returns:
      The rows: ints, floats, texts, and None for empty cells.

    Raises:
      DamagedFileError: it is missing, or its header or a row (named by line) is malformed.
    """
    lines = _lines(path, columns, renamed)
    return [_parse(path, line, cells, columns, texts) for line, cells in lines]


def read_table(path: Path, texts: Collection[str] = ()) -> list[Row]:
    """Reads a table that `write_csv` wrote, whatever its columns.

    Args:
      path: the file.
      texts: as of `write_csv`; the table may lack some of these columns.

    Raises:
      DamagedFileError: as `read_csv`.
    """
    try:
        header = next(csv.reader(io.StringIO(read_text(path), newline="")), [])
    except csv.Error as error:
        raise DamagedFileError(path, f"is damaged: line 1 is not CSV ({error})") from error
    if not header or len(set(header)) < len(header):
        raise DamagedFileError(path, "is damaged: line 1 names no column, or one twice")
    return read_csv(path, header, texts=texts)


class MetricsLog:
    """The evaluations of one training, a row for each, kept in memory and in a CSV file.

    Args:
      path: the CSV file; written by `write`.
      columns: the names of the columns, of which the first is "step".
    """

    def __init__(self, path: Path, columns: Sequence[str]):
        if not columns or columns[0] != "step":
            raise ValueError(f'the first column must be "step", not {list(columns)[:1]}')
        self._path = path
        self._columns = tuple(columns)
        self._rows: list[Row] = []

    @classmethod
    def load(
        cls,
        path: Path,
        columns: Sequence[str],
        up_to_step: int | None = None,
        renamed: Mapping[str, str] | None = None,
    ) -> "MetricsLog":
        """Continues the log of an earlier process.

        Args:
          path: the CSV file.
          columns: the columns that it must have, in order.
          up_to_step: the step, in iterations, of the checkpoint that training continues
            from: later rows are dropped, unread. None keeps all rows.
          renamed: as of `read_csv`.

        Returns:
          The log. It is empty when there is no file, unless `up_to_step` says that training
          has been going on.

        Raises:
          DamagedFileError: the header or a kept row (named by line) is malformed, or the file
            is missing although training had passed step 0.
        """
        log = cls(path, columns)
        if not path.exists() and not up_to_step:
            return log
        for line, cells in _lines(path, columns, renamed):
            try:
                step = int(cells[0])
            except (IndexError, ValueError):
                raise DamagedFileError(path, f"is damaged: line {line} has no step") from None
            if up_to_step is None or step <= up_to_step:
                log._rows.append(_parse(path, line, cells, columns))
        return log

    @property
    def rows(self) -> list[Row]:
        """The rows so far, in order."""
        return [dict(row) for row in self._rows]

    def append(self, row: Mapping) -> None:
        """Adds a row, in memory only.

        Args:
          row: numbers by column name; "step" is an int, other columns may be missing or None.

        Raises:
          ValueError: the step is not an int, a column is unknown, or a value not a number.
        """
        normalized = _normalized(row, self._columns)
        if not isinstance(normalized["step"], int):
            raise ValueError(f"step must be an int, not {row.get('step')!r}")
        self._rows.append(normalized)

    def write(self) -> None:
        """Writes the whole table to the file, atomically.

        Raises:
          StorageError: the disk is full, read-only, …
        """
        write_csv(self._path, self._columns, self._rows)


def _normalized(row: Mapping, columns: Sequence[str], texts: Collection[str] = ()) -> Row:
    if unknown := set(row) - set(columns):
        raise ValueError(f"unknown columns {sorted(unknown)}; the table has {list(columns)}")
    return {
        column: _as_text(column, row.get(column))
        if column in texts
        else _as_number(column, row.get(column))
        for column in columns
    }


def _as_text(column: str, value: Any) -> str:
    if isinstance(value, str) and _TEXT.fullmatch(value):
        return value
    raise ValueError(f"column {column!r}: {value!r} is not a text of one line")


def _as_number(column: str, value: Any) -> int | float | None:
    if value is None:
        return None
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value)
    is_text = isinstance(value, str)
    undeclared = ", and the column is not declared as one of texts" if is_text else ""
    raise ValueError(f"column {column!r}: {value!r} is not a number{undeclared}")


def _lines(
    path: Path, columns: Sequence[str], renamed: Mapping[str, str] | None = None
) -> Iterator[tuple[int, list[str]]]:
    """Yields the line number and the cells of every row, after checking the header."""
    text = read_text(path)
    if not text.endswith("\n"):
        raise DamagedFileError(path, "is damaged: it ends in the middle of a line")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader)
        if [(renamed or {}).get(name, name) for name in header] != list(columns):
            raise DamagedFileError(
                path, f"is damaged: line 1 is {','.join(header)}, not {','.join(columns)}"
            )
        for cells in reader:
            yield reader.line_num, cells
    except csv.Error as error:
        raise DamagedFileError(
            path, f"is damaged: line {reader.line_num} is not CSV ({error})"
        ) from error


def _parse(
    path: Path, line: int, cells: list[str], columns: Sequence[str], texts: Collection[str] = ()
) -> Row:
    if len(cells) != len(columns):
        raise DamagedFileError(
            path, f"is damaged: line {line} has {len(cells)} cells, not {len(columns)}"
        )
    try:
        pairs = zip(columns, cells, strict=True)
        return {
            column: _as_text(column, cell) if column in texts else _number(cell)
            for column, cell in pairs
        }
    except ValueError as error:
        raise DamagedFileError(path, f"is damaged: line {line}: {error}") from error


def _number(cell: str) -> int | float | None:
    if not cell:
        return None
    return int(cell) if _INTEGER.fullmatch(cell) else float(cell)
