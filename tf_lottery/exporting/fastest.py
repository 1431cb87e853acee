"""Which file of an export is the fastest, and whether it is faster than the dense network."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tf_lottery.exporting.formats import known_formats
from tf_lottery.exporting.measure import (
    ALL_THREADS,
    BATCH_SIZES,
    ONE_THREAD,
    Latency,
    Performance,
)

# Batch size and threads of calls that must be answered at once, and of as many as can be.
SETTINGS = ((min(BATCH_SIZES), ONE_THREAD), (max(BATCH_SIZES), ALL_THREADS))
# Two files that compute the same differ by a few percent from process to process.
_FASTER_BELOW = 0.95


@dataclass(frozen=True)
class FastestFile:
    """The file whose calls take the least time.

    Attributes:
      format: its format.
      among_floats: whether it is the fastest of those that keep 32-bit floats, or of all files.
      batch_size: examples per call.
      threads: `ONE_THREAD` or `ALL_THREADS`.
      milliseconds: median time of a call.
      dense_format: the fastest format with 32-bit floats of the dense network; None if there is no
        dense network, or it was measured in no such format.
      dense_milliseconds: the dense network's time of a call in it.
      ratio: its time as a fraction of the dense network's, None if that is not known: the median of
        pairs of calls if both files have one format, else the quotient of the two times, which are
        of different processes.
    """

    format: str
    among_floats: bool
    batch_size: int
    threads: int
    milliseconds: float
    dense_format: str | None
    dense_milliseconds: float | None
    ratio: float | None

    @property
    def is_faster_than_dense(self) -> bool | None:
        """Whether it takes less than 0.95 of the dense network's time; None if not known."""
        return None if self.ratio is None else self.ratio < _FASTER_BELOW

    def in_words(self) -> str:
        """A sentence with its time, and that beside the dense network's."""
        examples = "one example" if self.batch_size == 1 else f"{self.batch_size} examples"
        calls = f"{examples} on {'one thread' if self.threads == ONE_THREAD else 'all threads'}"
        digits = np.format_float_positional(
            self.milliseconds, 3, unique=False, fractional=False, trim="-"
        )
        file = f"{self.format}, with {digits} ms"
        if self.ratio is not None:
            file += f", {self.ratio:.2f} of the time of the dense network's {self.dense_format}"
        if self.is_faster_than_dense is False:
            files = "file with 32-bit floats" if self.among_floats else "file"
            return (
                f"For {calls}, no {files} is faster than the dense network's by more than "
                f"{1 - _FASTER_BELOW:.0%}. Nearest comes {file}."
            )
        title = "with 32-bit floats" if self.among_floats else "of all files"
        return f"For {calls}, the fastest {title} is {file}."


def fastest_files(
    performances: Mapping[str, Performance], *, among_floats: bool
) -> tuple[FastestFile, ...]:
    """Finds the fastest file for one example on one thread, and for 32 on all threads.

    Args:
      performances: of the files that were measured, by the name of the format.
      among_floats: whether only files that keep 32-bit floats are considered.

    Returns:
      One for each of `SETTINGS`; none if no file was measured.
    """
    floats = {
        name: performance
        for name, performance in performances.items()
        if not known_formats()[name].quantized
    }
    candidates = floats if among_floats else performances
    if not candidates:
        return ()
    return tuple(_fastest(candidates, floats, *setting, among_floats) for setting in SETTINGS)


def _fastest(
    candidates: Mapping[str, Performance],
    floats: Mapping[str, Performance],
    batch_size: int,
    threads: int,
    among_floats: bool,
) -> FastestFile:
    own = _latencies(candidates, batch_size, threads)
    name = min(own, key=lambda name: (own[name].milliseconds, name))
    references = [
        (latency.dense_milliseconds, name)
        for name, latency in _latencies(floats, batch_size, threads).items()
        if latency.dense_milliseconds is not None
    ]
    dense_milliseconds, dense_name = min(references, default=(None, None))
    if dense_name == name:
        ratio = own[name].ratio
    elif dense_milliseconds is not None:
        ratio = own[name].milliseconds / dense_milliseconds
    else:
        ratio = None
    return FastestFile(
        format=name,
        among_floats=among_floats,
        batch_size=batch_size,
        threads=threads,
        milliseconds=own[name].milliseconds,
        dense_format=dense_name,
        dense_milliseconds=dense_milliseconds,
        ratio=ratio,
    )


def _latencies(
    performances: Mapping[str, Performance], batch_size: int, threads: int
) -> dict[str, Latency]:
    return {
        name: latency
        for name, performance in performances.items()
        for latency in performance.latencies
        if (latency.batch_size, latency.threads) == (batch_size, threads)
    }
