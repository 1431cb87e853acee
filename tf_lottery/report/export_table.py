"""The tables that end an export on the terminal."""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from tf_lottery.report.console import default_console
from tf_lottery.report.formats import MISSING, format_accuracy, format_count
from tf_lottery.report.table import Column, natural_width, print_sentences, show_table, table_of

_Row = Mapping[str, str]

# What the headers of columns mean, by a column that there has to be.
_ABOUT = {
    "bytes_ratio": (
        'Columns "times dense" divide by what the dense network takes in the same format.'
    ),
    "largest_difference": "The largest difference is that of an output from the ticket's own.",
    "peak_memory_bytes": (
        "Peak memory is that of the whole process: Python, what loads the file (tflite: LiteRT, "
        "onnx: ONNX Runtime, others: TensorFlow), and the file."
    ),
    "ms_batch_1_one_thread": (
        "Times are medians of calls with 1 and with 32 examples, on 1 thread and on all."
    ),
}
_MORE = "All numbers are in the folder's export.csv; its README.md says how to load each file."
_ACCURACY = "accuracy"


@dataclass(frozen=True)
class _Number:
    """A column of the CSV file, its header, and how its numbers are written."""

    name: str
    header: str
    write: Callable[[str], str]

    def column(self) -> Column[_Row]:
        return Column(
            self.header,
            lambda row: self.write(row[self.name]) if row.get(self.name) else MISSING,
        )


def print_export(folder: Path, console: Console | None = None) -> None:
    """Prints the files of an export, then the formats that were skipped, with the reasons.

    Args:
      folder: of the export, with its export.csv.
      console: where to print; standard output by default.
    """
    console = console or default_console()
    rows = _read(folder / "export.csv")
    written = [row for row in rows if row["file"]]
    _print_numbers(console, written, _of_files(rows))
    one, on_all = _of_times("one_thread", "1 thr."), _of_times("all_threads", "all th.")
    together = table_of(_known(written, one + on_all), written)
    fits = natural_width(together, console) <= console.width
    for numbers in [one + on_all] if fits else [one, on_all]:
        _print_numbers(console, written, numbers)
    notes = [text for name, text in _ABOUT.items() if any(row.get(name) for row in written)]
    sentences = [*_findings(folder, rows), *_fastest(rows), *_peculiarities(rows), *notes, _MORE]
    print_sentences(sentences, console)


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


def _ratio(name: str) -> _Number:
    return _Number(name, "times\ndense", lambda text: f"{float(text):.2f}")


def _of_files(rows: Sequence[_Row]) -> list[_Number]:
    outputs = [name for name in rows[0] if name.startswith(f"{_ACCURACY}_")]
    accuracies = [
        _Number(name, f"test acc.\n{name[len(_ACCURACY) + 1 :]}", _percent) for name in outputs
    ]
    return [
        _Number("bytes", "size", lambda text: format_bytes(int(text))),
        _ratio("bytes_ratio"),
        _Number("compressed_bytes", "gzip -9", lambda text: format_bytes(int(text))),
        _ratio("compressed_bytes_ratio"),
        *(accuracies or [_Number(_ACCURACY, "test\nacc.", _percent)]),
        _Number("largest_difference", "largest\ndiff.", lambda text: f"{float(text):.2g}"),
        _Number("peak_memory_bytes", "peak\nmemory", lambda text: format_bytes(int(text))),
    ]


def _of_times(threads: str, shown: str) -> list[_Number]:
    return [
        number
        for batch_size in (1, 32)
        for number in (
            _Number(
                f"ms_batch_{batch_size}_{threads}",
                f"ms,\nof {batch_size},\n{shown}",
                _milliseconds,
            ),
            _ratio(f"ratio_batch_{batch_size}_{threads}"),
        )
    ]


def _known(rows: Sequence[_Row], numbers: Sequence[_Number]) -> list[Column[_Row]]:
    """The format, and the columns in which there is anything."""
    known = [number for number in numbers if any(row.get(number.name) for row in rows)]
    formats = Column[_Row]("format", lambda row: row["format"], holds_names=True)
    return [formats, *(number.column() for number in known)]


def _print_numbers(console: Console, rows: Sequence[_Row], numbers: Sequence[_Number]) -> None:
    columns = _known(rows, numbers)
    if len(columns) > 1:
        show_table(table_of(columns, rows), console)
        console.print()


def _findings(folder: Path, rows: Sequence[_Row]) -> list[str]:
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
            f"Units without effect were removed: of {before} parameters {after} are left. "
            "compaction.csv says in which layers."
        )
    return found


def _fastest(rows: Sequence[_Row]) -> list[str]:
    """Sentences about the files that are fastest, by batch size and threads."""
    columns = [name for name in rows[0] if name.startswith("fastest_")]
    return [row[column] for column in columns for row in rows if row[column]]


def _peculiarities(rows: Sequence[_Row]) -> list[str]:
    """Sentences about what is particular to files, and why others are missing."""
    sentences = []
    for column, one, several in (
        ("remark", "", ""),
        ("skipped", " was not written", " were not written"),
    ):
        formats: dict[str, list[str]] = {}
        for row in rows:
            if row.get(column):
                formats.setdefault(row[column], []).append(row["format"])
        sentences += [
            f"{', '.join(names)}{one if len(names) == 1 else several}: {text}."
            for text, names in formats.items()
        ]
    return sentences


def _percent(text: str) -> str:
    return format_accuracy(float(text))


def _milliseconds(text: str) -> str:
    return np.format_float_positional(float(text), 3, unique=False, fractional=False, trim="-")
