"""Data sets that processes of one machine hold once: the first that loads one shares its memory."""

from __future__ import annotations

import io
import mmap
import os
import pickle
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tf_lottery.data.dataset import Dataset
from tf_lottery.data.shared_memory import ALIGNMENT

if TYPE_CHECKING:
    from tf_lottery.data.streamed_dataset import StreamedDataset

# Bytes of a record, and of the description that follows.
_HEAD = struct.Struct("<QQ")


@dataclass(frozen=True)
class DescribedSet:
    """A data set, with what is computed from all of its examples.

    Attributes:
      dataset: it.
      pixel_statistics: means and variances, as `Dataset.pixel_statistics` gives them.
      fingerprint: of all examples.
    """

    dataset: Dataset | StreamedDataset
    pixel_statistics: tuple[tuple[float, ...], tuple[float, ...]]
    fingerprint: str

    @classmethod
    def of(cls, dataset: Dataset | StreamedDataset) -> DescribedSet:
        """Describes a data set."""
        return cls(dataset, dataset.pixel_statistics(), dataset.fingerprint())


class SharedSets:
    """Memory in which processes leave data sets for each other, for as long as one of them runs.

    It is a file without a name of Linux (memfd), which vanishes with the processes, however they
    end; elsewhere each process loads its own. Given to processes when they are started.
    """

    def __init__(self):
        """Makes it; the process that does so is to live as long as those that are given it."""
        self._path = None
        if hasattr(os, "memfd_create"):
            self._file = os.memfd_create("tf_lottery")
            self._path = f"/proc/{os.getpid()}/fd/{self._file}"

    def __getstate__(self) -> dict[str, Any]:
        return {"_path": self._path}

    def close(self) -> None:
        """Lets no further process take data sets; those that have some keep them."""
        if self._path is not None:
            os.close(self._file)

    def load(self, key: str, load: Callable[[], DescribedSet]) -> DescribedSet:
        """Takes a data set that another process has loaded; or loads it, for the others too.

        A process that asks meanwhile waits. Streamed sets are not shared; the processes open them
        one after the other, so that only the first prepares the files.

        Args:
          key: of all that the data set depends on.
          load: loads it.
        """
        if self._path is None:
            return load()
        try:
            file = Path(self._path).open("r+b")  # noqa: SIM115 - closed below
        except OSError:
            # The system lets no process look at another one.
            return load()
        with file, _locked(file):
            place, is_there = _place(file, key)
            if is_there:
                return _mapped(file, place)
            loaded = load()
            if isinstance(loaded.dataset, Dataset):
                # Where there is not enough memory to share, it is held as it is.
                with suppress(OSError):
                    _append(file, place, key, loaded)
                    return _mapped(file, place)
            return loaded


@contextmanager
def _locked(file: BufferedRandom) -> Iterator[None]:
    """Has other processes wait; if this one is killed meanwhile, they go on."""
    import fcntl  # There is none on Windows.

    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        # Closing it would not do: what is mapped into memory holds it open.
        fcntl.flock(file, fcntl.LOCK_UN)


class _Pickler(pickle.Pickler):
    """Writes all of a data set but its arrays, for which it writes where they are to be."""

    def __init__(self, file: io.BytesIO):
        super().__init__(file)
        # By their places, of which the first is 0.
        self.arrays: dict[int, np.ndarray] = {}
        self.end = 0

    def persistent_id(self, part: Any) -> tuple[int, np.dtype, tuple[int, ...]] | None:
        """Place, type and shape of an array; None of all else."""
        if not isinstance(part, np.ndarray) or part.dtype.hasobject:
            return None
        start, self.end = self.end, self.end + _up(part.nbytes, ALIGNMENT)
        self.arrays[start] = np.ascontiguousarray(part)
        return start, part.dtype, part.shape


class _Unpickler(pickle.Unpickler):
    """Reads what `_Pickler` wrote; the arrays stay where they are."""

    def __init__(self, file: io.BytesIO, memory: mmap.mmap, begin: int):
        super().__init__(file)
        self._memory, self._begin = memory, begin

    def persistent_load(self, place: tuple[int, np.dtype, tuple[int, ...]]) -> np.ndarray:
        """The array at a place, of a type and a shape."""
        start, kind, shape = place
        count = int(np.prod(shape))
        return np.frombuffer(self._memory, kind, count, self._begin + start).reshape(shape)


def _place(file: BufferedRandom, key: str) -> tuple[int, bool]:
    """Where the record of a key is, or is to be; and whether it is there."""
    place = 0
    while True:
        size, description = _record(file, place)
        if not size:
            return place, False
        if pickle.loads(description)[0] == key:
            return place, True
        place += size


def _record(file: BufferedRandom, place: int) -> tuple[int, bytes]:
    """Size and description of the record at a place; a size of 0 where there is none."""
    file.seek(place)
    size, length = _HEAD.unpack(file.read(_HEAD.size).ljust(_HEAD.size, b"\0"))
    return size, file.read(length)


def _append(file: BufferedRandom, place: int, key: str, loaded: DescribedSet) -> None:
    text = io.BytesIO()
    pickler = _Pickler(text)
    pickler.dump(loaded)
    description = pickle.dumps((key, text.getvalue()))
    begin = _begin(description)
    size = _up(begin + pickler.end, mmap.ALLOCATIONGRANULARITY)
    os.posix_fallocate(file.fileno(), place, size)
    for start, array in pickler.arrays.items():
        file.seek(place + begin + start)
        file.write(array.data)
    file.seek(place + _HEAD.size)
    file.write(description)
    # Only now is the record there.
    file.seek(place)
    file.write(_HEAD.pack(size, len(description)))
    file.flush()


def _mapped(file: BufferedRandom, place: int) -> DescribedSet:
    size, description = _record(file, place)
    memory = mmap.mmap(file.fileno(), size, offset=place)
    text = io.BytesIO(pickle.loads(description)[1])
    return _Unpickler(text, memory, _begin(description)).load()


def _begin(description: bytes) -> int:
    """Where in a record its arrays begin."""
    return _up(_HEAD.size + len(description), ALIGNMENT)


def _up(size: int, multiple: int) -> int:
    return size + -size % multiple


# Of this process, if it is one of several.
_sets: SharedSets | None = None


def share_with(sets: SharedSets) -> None:
    """Has this process share data sets with others."""
    global _sets
    _sets = sets


def load_once(key: str, load: Callable[[], DescribedSet]) -> DescribedSet:
    """Loads a data set, or takes it from a process that this one shares them with."""
    return load() if _sets is None else _sets.load(key, load)
