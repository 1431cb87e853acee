"""Data sets that processes of one machine hold once: the first that loads one shares its memory."""

from __future__ import annotations

import json
import mmap
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tf_lottery.data.dataset import Dataset, Split
from tf_lottery.data.shared_memory import ALIGNMENT

if TYPE_CHECKING:
    from tf_lottery.data.streamed_dataset import StreamedDataset

# Bytes of a record, and of the description that follows.
_HEAD = struct.Struct("<QQ")
_SPLITS = ("train", "validation", "test")


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

        Who comes meanwhile waits for it. Streamed sets are not shared, but opened one by one, so
        that only the first prepares what they are read from.

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
            place = 0
            for place, description in _records(file):
                if description is not None and description["key"] == key:
                    return _mapped(file, place, description)
            loaded = load()
            if isinstance(loaded.dataset, Dataset):
                # Where there is not enough memory to share, it is held as it is.
                with suppress(OSError):
                    return _mapped(file, place, _append(file, place, key, loaded))
            return loaded


@contextmanager
def _locked(file: BufferedRandom) -> Iterator[None]:
    """Has other processes wait; one that is killed meanwhile lets them go on."""
    import fcntl  # There is none on Windows.

    fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        # Closing it would not do: what is mapped into memory holds it open.
        fcntl.flock(file, fcntl.LOCK_UN)


def _records(file: BufferedRandom) -> Iterator[tuple[int, Mapping[str, Any] | None]]:
    """Place and description of each record; at last the place of a new one, and None."""
    place = 0
    while True:
        file.seek(place)
        size, length = _HEAD.unpack(file.read(_HEAD.size).ljust(_HEAD.size, b"\0"))
        if not size:
            yield place, None
            return
        yield place, json.loads(file.read(length))
        place += size


def _append(file: BufferedRandom, place: int, key: str, loaded: DescribedSet) -> Mapping[str, Any]:
    dataset = loaded.dataset
    splits = {name: getattr(dataset, name) for name in _SPLITS}
    arrays = {
        f"{name}/{part}": np.ascontiguousarray(getattr(split, part))
        for name, split in splits.items()
        if split is not None
        for part in ("images", "labels")
    }
    starts, end = {}, mmap.ALLOCATIONGRANULARITY
    for name, array in arrays.items():
        starts[name], end = end, end + array.nbytes + -array.nbytes % ALIGNMENT
    size = end + -end % mmap.ALLOCATIONGRANULARITY
    description = {
        "key": key,
        "name": dataset.name,
        "classes": dataset.classes,
        "size": size,
        "arrays": {
            name: [starts[name], array.dtype.str, array.shape] for name, array in arrays.items()
        },
        "pixel_statistics": loaded.pixel_statistics,
        "fingerprint": loaded.fingerprint,
    }
    text = json.dumps(description).encode()
    if _HEAD.size + len(text) > mmap.ALLOCATIONGRANULARITY:
        raise OSError("the description is too long")
    os.posix_fallocate(file.fileno(), place, size)
    for name, array in arrays.items():
        file.seek(place + starts[name])
        file.write(array.data)
    file.seek(place + _HEAD.size)
    file.write(text)
    # Only now is the record there.
    file.seek(place)
    file.write(_HEAD.pack(size, len(text)))
    file.flush()
    return json.loads(text)


def _mapped(file: BufferedRandom, place: int, description: Mapping[str, Any]) -> DescribedSet:
    memory = mmap.mmap(file.fileno(), description["size"], offset=place)
    arrays = {
        name: np.frombuffer(memory, kind, int(np.prod(shape)), start).reshape(shape)
        for name, (start, kind, shape) in description["arrays"].items()
    }
    train, validation, test = (
        Split(arrays[f"{name}/images"], arrays[f"{name}/labels"])
        if f"{name}/images" in arrays
        else None
        for name in _SPLITS
    )
    assert train is not None and test is not None, "every set has them"
    dataset = Dataset(description["name"], description["classes"], train, validation, test)
    mean, variance = (tuple(values) for values in description["pixel_statistics"])
    return DescribedSet(dataset, (mean, variance), description["fingerprint"])


# Of this process, if it is one of several.
_sets: SharedSets | None = None


def share_with(sets: SharedSets) -> None:
    """Has this process share data sets with others."""
    global _sets
    _sets = sets


def load_once(key: str, load: Callable[[], DescribedSet]) -> DescribedSet:
    """Loads a data set, or takes it from a process that this one shares them with."""
    return load() if _sets is None else _sets.load(key, load)
