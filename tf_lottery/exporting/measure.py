"""Measures exported files: bytes, memory, and time beside the dense network's file."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tf_lottery.exporting.archive import bytes_on_disk, compressed_bytes
from tf_lottery.exporting.formats import ExportFormat
from tf_lottery.exporting.plain_network import Arrays
from tf_lottery.exporting.serving import ServingError, answers, saved_inputs

BATCH_SIZES = (1, 32)
ONE_THREAD, ALL_THREADS = 1, 0
# Spent on every batch size with every number of threads; at least 15 pairs of calls.
_SECONDS = 1.0


@dataclass(frozen=True)
class FileSize:
    """How large a file or folder is.

    Attributes:
      bytes: on disk, of all files.
      compressed_bytes: as a .tar.gz, by `gzip -9`.
    """

    bytes: int
    compressed_bytes: int

    @classmethod
    def of(cls, path: Path) -> "FileSize":
        """Measures a file or a folder."""
        return cls(bytes_on_disk(path), compressed_bytes(path))


@dataclass(frozen=True)
class Latency:
    """How long a call takes.

    Attributes:
      batch_size: examples per call.
      threads: `ONE_THREAD` or `ALL_THREADS`: one per CPU.
      milliseconds: median time of a call.
      dense_milliseconds: that of the dense network in the same format; None without one.
      ratio: median of the ratios of calls to the dense network's calls beside them.
    """

    batch_size: int
    threads: int
    milliseconds: float
    dense_milliseconds: float | None
    ratio: float | None


@dataclass(frozen=True)
class Performance:
    """What running a file takes.

    Attributes:
      peak_memory: most bytes of memory of a process that runs it with all threads, at the largest
        batch size; Python and what loads the file (LiteRT, ONNX Runtime or TensorFlow) included.
      runtime_memory: most bytes of memory of that process before it loaded the file.
      latencies: by threads and batch size.
    """

    peak_memory: int
    runtime_memory: int
    latencies: tuple[Latency, ...]


def measure_file(
    kind: ExportFormat,
    path: Path,
    inputs: Arrays,
    dense_path: Path | None = None,
) -> Performance:
    """Runs a file on the CPU in fresh processes, one per number of threads.

    Args:
      kind: its format.
      path: the file.
      inputs: `[examples, ...]` by the name of the input, repeated if there are fewer than a batch
        takes.
      dense_path: the dense network's file in the same format. Calls of the two alternate.

    Raises:
      ServingError: if a file does not run.
    """
    with tempfile.TemporaryDirectory() as folder:
        first = {name: array[: max(BATCH_SIZES)] for name, array in inputs.items()}
        job = {
            "name": kind.name,
            "file": str(path),
            "dense_file": str(dense_path) if dense_path else None,
            "runtime": kind.runtime,
            "inputs": saved_inputs(first, Path(folder)),
            "batch_sizes": list(BATCH_SIZES),
            "seconds": _SECONDS,
        }
        by_threads = {threads: _answer(job, threads) for threads in (ONE_THREAD, ALL_THREADS)}
    latencies = tuple(
        Latency(threads=threads, **latency)
        for threads, answer in by_threads.items()
        for latency in answer["latencies"]
    )
    answer = by_threads[ALL_THREADS]
    return Performance(answer["peak_bytes"], answer["runtime_bytes"], latencies)


def _answer(job: dict[str, Any], threads: int) -> dict[str, Any]:
    (answer,) = answers([job], threads)
    if isinstance(answer, ServingError):
        raise answer
    return answer
