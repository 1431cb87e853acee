"""The table that ends an export on the terminal."""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from rich.console import Console

from tf_lottery.report.formats import MISSING, format_accuracy
from tf_lottery.report.table import table_of_numbers

_HEADERS = (
    "format",
    "size",
    "gzip -9",
    "test\nacc.",
    "ms,\nbatch\nof 1",
    "times\ndense",
    "ms,\nbatch\nof 32",
    "times\ndense",
)
_NOTE = "Times are medians with one thread. More in export.csv; how to load in README.md."


def print_export(folder: Path, console: Console | None = None) -> None:
    """Prints the files of an export and the formats that were skipped, with the reasons.

    Args:
      folder: of the export, with its export.csv.
      console: where to print; standard output by default.
    """
    console = console or Console()
    with (folder / "export.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    table = table_of_numbers(_HEADERS)
    for row in rows:
        if row["file"]:
            table.add_row(*_cells(row))
    console.print(table)
    console.print()
    for row in rows:
        if row["skipped"]:
            text = f"{row['format']} was not written: {row['skipped']}"
            console.print(text, highlight=False, markup=False)
    console.print(_NOTE, highlight=False, markup=False)


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


def _cells(row: Mapping[str, str]) -> tuple[str, ...]:
    return (
        row["format"],
        format_bytes(int(row["bytes"])),
        format_bytes(int(row["compressed_bytes"])),
        format_accuracy(float(row["accuracy"]) if row["accuracy"] else None),
        _milliseconds(row["ms_batch_1_one_thread"]),
        _ratio(row["ratio_batch_1_one_thread"]),
        _milliseconds(row["ms_batch_32_one_thread"]),
        _ratio(row["ratio_batch_32_one_thread"]),
    )


def _milliseconds(text: str) -> str:
    if not text:
        return MISSING
    return np.format_float_positional(float(text), 3, unique=False, fractional=False, trim="-")


def _ratio(text: str) -> str:
    return f"{float(text):.2f}" if text else MISSING
