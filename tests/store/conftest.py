"""Fixtures for the run folder's tests."""

import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.store.details import DETAILS
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.tensors import save_tensors


@pytest.fixture
def disk_with_room_for() -> Callable[[int], AbstractContextManager]:
    """Returns a context manager in which no file may grow beyond some bytes."""

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited


@pytest.fixture
def names_in() -> Callable[[Path], list[str]]:
    """Returns a function that lists the names in a folder, in order."""
    return lambda folder: sorted(path.name for path in folder.iterdir())


@pytest.fixture
def open_run(tmp_path: Path) -> Callable[..., RunFolder]:
    """Returns a function that opens the run folder `tmp_path/run` with some identity."""

    def open_(
        identity=None, defaults=None, details=None, flags_text="--levels=3\n", open_ended=()
    ) -> RunFolder:
        identity = {"learning_rate": 0.1, "model": "lenet"} if identity is None else identity
        return RunFolder.open(
            tmp_path / "run",
            identity,
            details or DETAILS,
            flags_text,
            defaults,
            open_ended,
        )

    return open_


@pytest.fixture
def write_level() -> Callable[[RunFolder, int], None]:
    """Returns a function that writes the files of a level, all but the seal."""

    def write(run: RunFolder, number: int) -> None:
        level = run.level(number)
        save_tensors(level.weights_prefix, {"kernel": np.arange(50, dtype=np.float32)})
        np.savez(level.masks_path, kernel=np.arange(50) % 2 == 0)
        level.metrics_path.write_text("step,loss\n0,1.5\n")

    return write


@pytest.fixture
def flip_a_byte() -> Callable[[Path], None]:
    """Returns a function that changes one byte in the middle of a file."""

    def flip(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    return flip
