"""The tables that end an export on the terminal."""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from tf_lottery.report.console import default_console
from tf_lottery.report.formats import MISSING, format_accuracy, format_count
from tf_lottery.report.table import table_of_numbers

Row = Mapping[str, str]
# Column of the CSV file, header, and how its numbers are written.
_Column = tuple[str, str, Callable[[str], str]]

_OF_TIMES = "Times are medians of calls with 1 and with 32 examples, on 1 thread and on all."
_MORE = "More is in export.csv; how to load the files is in README.md."
_ACCURACY = "accuracy"
_UNLIMITED = 100_000


def print_export(folder: Path, console: Console | None = None) -> None:
    """Prints the files of an export, then the formats that were skipped, with the reasons.

    Args:
      folder: of the export, with its export.csv.
      console: where to print; standard output by default.
    """
    console = console or default_console()
    rows = _read(folder / "export.csv")
    written = [row for row in rows if row["file"]]
    _print_table(console, written, _file_columns(rows))
    _print_times(console, written)
    measured = any(row.get("ms_batch_1_one_thread") for row in written)
    notes = [_OF_TIMES, _MORE] if measured else [_MORE]
    for sentence in [*_findings(folder, rows), *_fastest(rows), *_peculiarities(rows), *notes]:
        console.print(sentence, highlight=False, markup=False)


def format_bytes(count: int) -> str:
    """Writes a number of bytes with three digits, for example "1.77 MB"; 1 kB is 1000 bytes."""
    size, unit = float(count), "B"
    for larger in ("kB", "MB", "GB"):
        # What rounds to 1000 has the next unit.
        if size < 999.5:
            break
        size, unit = size / 1000, larger
    if unit == "B":
        return f"{count} B"
    decimals = 2 if size < 9.995 else 1 if size < 99.95 else 0
    return f"{size:.{decimals}f} {unit}"


def _read(path: Path) -> list[dict[str, str]]:
    """Reads a table, with the size of each file as a fraction of the dense network's."""
    with path.open(encoding="utf-8", newline="") as file:
        rows: list[dict[str, str]] = list(csv.DictReader(file))
    for row in rows:
        for column in ("bytes", "compressed_bytes"):
            size, dense = row.get(column), row.get(f"dense_{column}")
            row[f"{column}_ratio"] = str(int(size) / int(dense)) if size and dense else ""
    return rows


def _file_columns(rows: Sequence[Row]) -> list[_Column]:
    outputs = [name for name in rows[0] if name.startswith(f"{_ACCURACY}_")]
    accuracies = [(name, f"test acc.\n{name[len(_ACCURACY) + 1 :]}", _percent) for name in outputs]
    return [
        ("bytes", "size", _bytes),
        ("bytes_ratio", "times\ndense", _ratio),
        ("compressed_bytes", "gzip -9", _bytes),
        ("compressed_bytes_ratio", "times\ndense", _ratio),
        *([] if accuracies else [(_ACCURACY, "test\nacc.", _percent)]),
        *accuracies,
        ("largest_difference", "largest\ndiff.", _difference),
        ("peak_memory_bytes", "peak\nmemory", _bytes),
    ]


def _time_columns(threads: str, shown: str) -> list[_Column]:
    columns = []
    for batch_size in (1, 32):
        where = f"batch_{batch_size}_{threads}"
        columns.append((f"ms_{where}", f"ms,\nof {batch_size},\n{shown}", _milliseconds))
        columns.append((f"ratio_{where}", "times\ndense", _ratio))
    return columns


def _print_times(console: Console, rows: Sequence[Row]) -> None:
    one, all_of_them = (
        _time_columns(*threads)
        for threads in (("one_thread", "1 thr."), ("all_threads", "all th."))
    )
    unlimited = console.options.update(max_width=_UNLIMITED)
    together = _table(rows, one + all_of_them)
    fits = console.measure(together, options=unlimited).maximum <= console.width
    for columns in [one + all_of_them] if fits else [one, all_of_them]:
        _print_table(console, rows, columns)


def _print_table(console: Console, rows: Sequence[Row], columns: Sequence[_Column]) -> None:
    table = _table(rows, columns)
    if len(table.columns) > 1:
        console.print(table)
        console.print()


def _table(rows: Sequence[Row], columns: Sequence[_Column]) -> Table:
    """The columns in which there is anything."""
    known = [column for column in columns if any(row.get(column[0]) for row in rows)]
    table = table_of_numbers(["format", *(header for _, header, _ in known)])
    table.columns[0].justify = "left"
    for row in rows:
        cells = [write(row[name]) if row.get(name) else MISSING for name, _, write in known]
        table.add_row(row["format"], *cells)
    return table


def _findings(folder: Path, rows: Sequence[Row]) -> list[str]:
    found = []
    row = rows[0]
    examples = f"{format_count(int(row['examples']))} test examples" if row.get("examples") else ""
    if row.get("network_accuracy"):
        dense = row.get("dense_accuracy")
        beside = f", of the dense network {_percent(dense)}" if dense else ""
        accuracy = _percent(row["network_accuracy"])
        found.append(f"Accuracy of the ticket {accuracy}{beside}, on {examples}.")
    compaction = folder / "compaction.csv"
    if compaction.exists():
        layers = _read(compaction)
        before, after = (
            format_count(sum(int(layer[column]) for layer in layers))
            for column in ("parameters_before", "parameters")
        )
        found.append(
            f"Units without effect were removed: of {before} parameters {after} are left. Layers "
            "are in compaction.csv."
        )
    return found


def _fastest(rows: Sequence[Row]) -> list[str]:
    """Sentences about the files that are fastest, by batch size and threads."""
    columns = [name for name in rows[0] if name.startswith("fastest_")]
    return [row[column] for column in columns for row in rows if row[column]]


def _peculiarities(rows: Sequence[Row]) -> list[str]:
    """Sentences about what is particular to files, and why others are missing."""
    sentences = []
    for column, one, several in (
        ("remark", ": ", ": "),
        ("skipped", " was not written: ", " were not written: "),
    ):
        formats: dict[str, list[str]] = {}
        for row in rows:
            if row.get(column):
                formats.setdefault(row[column], []).append(row["format"])
        for text, names in formats.items():
            sentences.append(f"{', '.join(names)}{one if len(names) == 1 else several}{text}.")
    return sentences


def _bytes(text: str) -> str:
    return format_bytes(int(text))


def _percent(text: str) -> str:
    return format_accuracy(float(text))


def _difference(text: str) -> str:
    return f"{float(text):.1g}"


def _milliseconds(text: str) -> str:
    return np.format_float_positional(float(text), 3, unique=False, fractional=False, trim="-")


def _ratio(text: str) -> str:
    return f"{float(text):.2f}"
