"""Data sets in tables of numbers: `--dataset=csv:PATH?label=COLUMN`."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import NoReturn

import numpy as np

from tf_lottery.config.data_files import DataFiles
from tf_lottery.data.dataset import Dataset, checked_dataset
from tf_lottery.data.labels import check_known_classes, classes_text
from tf_lottery.data.undivided import chosen_for_test

_ROWS_AT_ONCE = 4096
_MOST_NAMED = 5
_DELIMITERS = (",", ";", "\t")
_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})
_SPLITS = ("train", "test", "validation")
_LARGEST = float(np.finfo(np.float32).max)


def load_csv(files: DataFiles) -> Dataset:
    """Loads tables, each with a row of column names and a row for each example.

    Args:
      files: one table, or a folder with train.csv, test.csv and, if it is to be so, validation.csv.
        Of one table, the option `test` names the table to test on, or the share of each class that
        is tested on, drawn in the same way every time; a fifth, if it is not given.

    Returns:
      The data set. Its examples are flat float32 features, in the order of the columns of the
      training table, which are standardised one by one; the classes are the values of the column
      `label` in the training table, in order, numbers by their size.

    Raises:
      ValueError: if a table cannot be read, lacks a column or cells, has anything but numbers in
        its features, or writes a class in two ways, such as 1 and 1.0; names the table, the row and
        the column.
    """
    label = files.options.get("label")
    paths = _paths(files)
    columns = _header(files, paths["train"])
    if len(columns) == 1:
        raise files.refusal(
            f"{paths['train'].name} has a single column, {columns[0]}; a table has columns of "
            "features and one of classes, separated by commas"
        )
    if label is None:
        _refuse(files, f"say which column has the classes, such as ?label={columns[-1]}", columns)
    dropped = [name for name in files.options.get("drop", "").split(",") if name]
    for name in (label, *dropped):
        if name not in columns:
            _refuse(files, f"{paths['train'].name} has no column {name}", columns)
    if label in dropped:
        _refuse(files, f"{label} has the classes, and cannot be dropped", columns)
    features = [name for name in columns if name not in {label, *dropped}]
    if not features:
        _refuse(files, "no column is left to learn from", columns)
    tables = {split: _Reader(files, path, features, label).read() for split, path in paths.items()}
    names = _class_names(files, tables)
    examples = {
        split: (table.features, table.numbers(files, split, names))
        for split, table in tables.items()
    }
    if "test" not in examples:
        values, labels = examples["train"]
        held = chosen_for_test(files, labels)
        examples = {
            "train": (values[~held], labels[~held]),
            "test": (values[held], labels[held]),
        } | {split: pair for split, pair in examples.items() if split != "train"}
    try:
        check_known_classes({split: own for split, (_, own) in examples.items()}, names)
        dataset = checked_dataset(str(files), len(names), **examples)
    except ValueError as error:
        raise ValueError(f"{files.flag}: {error}") from error
    return replace(
        dataset, class_names=names, by_feature=True, notes=_notes(dataset, features, names)
    )


def _paths(files: DataFiles) -> dict[str, Path]:
    """The tables of the splits; without a test table, the training table is divided."""
    given = {split: files.file_of(split) for split in ("test", "validation")}
    if not files.path.is_dir():
        return {"train": files.path, **{split: path for split, path in given.items() if path}}
    found = {split: files.path / f"{split}.csv" for split in _SPLITS}
    for split in ("train", "test"):
        if not found[split].is_file():
            raise files.refusal(
                f"the folder has no {split}.csv; it needs train.csv and test.csv, and may have "
                "validation.csv"
            )
    for option in ("test", "validation"):
        if option in files.options:
            raise files.refusal(f"{option}= is for one table; leave it out, or name train.csv")
    return {split: path for split, path in found.items() if path.is_file()}


@dataclass(frozen=True)
class _Table:
    """What a table holds.

    Attributes:
      path: the file.
      features: float32, `[rows, features]`.
      labels: the cells of the column of classes, `[rows]`.
    """

    path: Path
    features: np.ndarray
    labels: list[str]

    def numbers(self, files: DataFiles, split: str, names: Sequence[str]) -> np.ndarray:
        """The labels as numbers of classes, int32 `[rows]`."""
        known = {name: number for number, name in enumerate(names)}
        for row, name in enumerate(self.labels, 1):
            if name not in known:
                raise files.refusal(
                    f"{self.path.name}, row {row}: no training example has the class {name}; leave "
                    "such rows out, or train on some"
                )
        return np.array([known[name] for name in self.labels], np.int32)


@dataclass(frozen=True)
class _Reader:
    """Reads one table."""

    files: DataFiles
    path: Path
    features: Sequence[str]
    label: str

    def read(self) -> _Table:
        """Reads all rows; the columns may be in another order than those of the training table."""
        columns = _header(self.files, self.path)
        for name in (*self.features, self.label):
            if name not in columns:
                self._refuse(f"it has no column {name}, which the training table has")
        places = [columns.index(name) for name in self.features]
        place = columns.index(self.label)
        chunks, labels, rows = [], [], []
        for row in _rows(self.files, self.path):
            number = len(labels) + 1
            if len(row) != len(columns):
                self._refuse(
                    f"row {number} has {len(row)} cells, and there are {len(columns)} columns"
                )
            rows.append([row[each] for each in places])
            labels.append(row[place])
            if len(rows) == _ROWS_AT_ONCE:
                chunks.append(self._numbers(rows, number - len(rows)))
                rows = []
        if rows or not chunks:
            chunks.append(self._numbers(rows, len(labels) - len(rows)))
        missing = [number for number, name in enumerate(labels, 1) if not name]
        if missing:
            self._refuse_missing([(number, self.label) for number in missing])
        return _Table(self.path, np.concatenate(chunks), labels)

    def _numbers(self, rows: list[list[str]], before: int) -> np.ndarray:
        if not rows:
            self._refuse("it has no rows below the column names")
        try:
            values = np.array(rows).astype(np.float64)
        except ValueError:
            self._refuse_cells(rows, before)
        if not (np.abs(values) <= _LARGEST).all():
            self._refuse_cells(rows, before)
        return values.astype(np.float32)

    def _refuse_cells(self, rows: list[list[str]], before: int) -> NoReturn:
        cells = [
            (number, name, cell)
            for number, row in enumerate(rows, before + 1)
            for name, cell in zip(self.features, row, strict=True)
        ]
        missing = [(number, name) for number, name, cell in cells if cell.lower() in _MISSING]
        if missing:
            self._refuse_missing(missing)
        number, name, cell = next(each for each in cells if not _is_number(each[2]))
        out = f"or leave the column out with &drop={name}"
        try:
            is_too_large = math.isfinite(float(cell))
        except ValueError:
            is_too_large = False
        if is_too_large:
            self._refuse(
                f"row {number}: {name} is {cell}, which is more than float32 can hold, "
                f"{_LARGEST:.1e}; divide the column by a number, {out}"
            )
        self._refuse(
            f"row {number}: {name} is {cell}, which is no number; features are numbers, so encode "
            f"categories first, {out}"
        )

    def _refuse_missing(self, cells: Sequence[tuple[int, str]]) -> NoReturn:
        named = ", ".join(f"row {number} has no {name}" for number, name in cells[:_MOST_NAMED])
        more = ", and so on" if len(cells) > _MOST_NAMED else ""
        self._refuse(f"{named}{more}; fill such cells, or leave the rows or the column out")

    def _refuse(self, problem: str) -> NoReturn:
        raise self.files.refusal(f"{self.path.name}: {problem}")


def _is_number(cell: str) -> bool:
    try:
        return abs(float(cell)) <= _LARGEST
    except ValueError:
        return False


def _header(files: DataFiles, path: Path) -> list[str]:
    columns = next(_records(files, path), None)
    if not columns:
        raise files.refusal(f"{path.name} is empty; its first row is to have the names of columns")
    for place, name in enumerate(columns, 1):
        if not name:
            raise files.refusal(
                f"{path.name}: column {place} has no name; pandas writes no such column with "
                "to_csv(index=False)"
            )
        if name in columns[: place - 1]:
            raise files.refusal(f"{path.name} has two columns called {name}; rename one")
    return columns


def _rows(files: DataFiles, path: Path) -> Iterator[list[str]]:
    records = _records(files, path)
    next(records, None)
    return records


def _records(files: DataFiles, path: Path) -> Iterator[list[str]]:
    """The rows of a table, without those that are empty; cells without the blanks around them."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            delimiter = max(_DELIMITERS, key=first.count)
            for row in csv.reader(file, delimiter=delimiter, strict=True):
                if row:
                    yield [cell.strip() for cell in row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        remedy = "; save it as UTF-8" if isinstance(error, UnicodeDecodeError) else ""
        raise files.refusal(f"{path.name} cannot be read as a table ({error}){remedy}") from error


def _class_names(files: DataFiles, tables: Mapping[str, _Table]) -> tuple[str, ...]:
    train = tables["train"]
    names = set(train.labels)
    if len(names) > max(2, len(train.labels) / 2):
        raise files.refusal(
            f"the column {files.options['label']} has {len(names)} values in {len(train.labels)} "
            "rows; a class for each example, of which there are several of each, is needed"
        )
    if len(names) < 2:
        raise files.refusal(
            f"all rows of {train.path.name} are of the class {names.pop()}; at least 2 are needed"
        )
    if not all(map(_is_number, names)):
        return tuple(sorted(names))
    _check_written_alike(files, tables)
    # Not float, to which whole numbers of many digits are the same.
    return tuple(sorted(names, key=Decimal))


def _check_written_alike(files: DataFiles, tables: Mapping[str, _Table]) -> None:
    """Refuses classes that are one number, and are written in two ways."""
    first: dict[Decimal, tuple[str, Path]] = {}
    for table in tables.values():
        for name in filter(_is_number, dict.fromkeys(table.labels)):
            known, path = first.setdefault(Decimal(name), (name, table.path))
            if known != name:
                where = "" if path == table.path else f" in {path.name}"
                raise files.refusal(
                    f"{table.path.name} has the class {name}, which is the number {known}{where}; "
                    "write a class in one way, or, if these are two, give them names that are no "
                    "numbers"
                )


def _notes(dataset: Dataset, features: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    notes = [f"{len(features)} features; {classes_text(names)}."]
    train = dataset.train.images
    constant = [
        name for name, same in zip(features, (train == train[0]).all(axis=0), strict=True) if same
    ]
    if constant:
        notes.append(f"the same in all training examples: {', '.join(constant)}.")
    return tuple(notes)


def _refuse(files: DataFiles, problem: str, columns: Sequence[str]) -> NoReturn:
    raise files.refusal(f"{problem}; the columns are {', '.join(columns)}")
