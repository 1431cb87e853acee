"""What an export wrote and found out: plain data, and its table as CSV."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tf_lottery.exporting.measure import (
    ALL_THREADS,
    BATCH_SIZES,
    ONE_THREAD,
    FileSize,
    Performance,
)
from tf_lottery.exporting.verify import Verification

_THREADS = {ONE_THREAD: "one_thread", ALL_THREADS: "all_threads"}
_MEASURES = {"ms": "milliseconds", "dense_ms": "dense_milliseconds", "ratio": "ratio"}
_LATENCY_COLUMNS = tuple(
    f"{measure}_batch_{batch_size}_{threads}"
    for threads in _THREADS.values()
    for batch_size in BATCH_SIZES
    for measure in _MEASURES
)
COLUMNS = (
    "format",
    "file",
    "skipped",
    "accuracy",
    "largest_difference",
    "bytes",
    "compressed_bytes",
    "dense_bytes",
    "dense_compressed_bytes",
    "peak_memory_bytes",
    "runtime_memory_bytes",
    *_LATENCY_COLUMNS,
)


@dataclass(frozen=True)
class FormatResult:
    """One format of an export.

    Attributes:
      format: its name.
      file: name of the file or folder in the export's folder; None if there is none.
      skipped: why there is none; None if there is one.
      verification: how its outputs compare with the network's.
      size: how large it is.
      dense_size: how large the dense network's file is; None without a dense network.
      performance: memory and time; None if they were not to be measured.
    """

    format: str
    file: str | None = None
    skipped: str | None = None
    verification: Verification | None = None
    size: FileSize | None = None
    dense_size: FileSize | None = None
    performance: Performance | None = None

    def record(self) -> dict[str, Any]:
        """Returns its row of export.csv: a value for each of `COLUMNS`, None where unknown."""
        row: dict[str, Any] = dict.fromkeys(COLUMNS)
        row |= {"format": self.format, "file": self.file, "skipped": self.skipped}
        if self.verification:
            row["accuracy"] = self.verification.accuracy
            row["largest_difference"] = self.verification.largest_difference
        for prefix, size in (("", self.size), ("dense_", self.dense_size)):
            if size:
                row[f"{prefix}bytes"] = size.bytes
                row[f"{prefix}compressed_bytes"] = size.compressed_bytes
        if self.performance:
            row["peak_memory_bytes"] = self.performance.peak_memory
            row["runtime_memory_bytes"] = self.performance.runtime_memory
            for latency in self.performance.latencies:
                where = f"batch_{latency.batch_size}_{_THREADS[latency.threads]}"
                row |= {f"{name}_{where}": getattr(latency, of) for name, of in _MEASURES.items()}
        return row


@dataclass(frozen=True)
class ExportReport:
    """An export.

    Attributes:
      folder: where the files are.
      formats: what became of each format.
      layers: numbers of remaining and of all weights of each prunable kernel, by its name.
      accuracy: the network's own, on the test data; None without labels.
      dense_accuracy: the dense network's; None without labels or a dense network.
    """

    folder: Path
    formats: tuple[FormatResult, ...]
    layers: Mapping[str, tuple[int, int]]
    accuracy: float | None
    dense_accuracy: float | None

    @property
    def density(self) -> float:
        """Fraction of the prunable weights that remain; 1.0 if the network has none."""
        remaining = sum(left for left, _ in self.layers.values())
        total = sum(size for _, size in self.layers.values())
        return remaining / total if total else 1.0

    def write_csv(self, path: Path) -> None:
        """Writes a row per format."""
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(result.record() for result in self.formats)
