"""Runs main.py in a process that imported TensorFlow before it was forked; see conftest.py.

Its figures are blank.
"""

import math
import os
import resource
import runpy
import signal
import sys
from contextlib import AbstractContextManager, nullcontext
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

from tests.blank_figures import save_blank

REQUEST: dict[str, Any] = globals()["REQUEST"]  # from whoever runs this file

_CHANGES = frozenset({"os.rename", "os.remove", "os.rmdir", "os.mkdir"})
# Files are opened after each change as well, to wait until it is on the disk.
_FILE_OPERATIONS = _CHANGES | {"open"}


def mock_data(examples: int | None) -> AbstractContextManager:
    """Makes tensorflow-datasets invent so many examples of any set, of its shapes and types."""
    if examples is None:
        return nullcontext()
    import tensorflow_datasets as tfds

    return tfds.testing.mock_data(examples)


def checkpoint_at_every_evaluation() -> AbstractContextManager:
    """Makes training save its state whenever it may, not only when that is cheap."""
    return mock.patch("tf_lottery.experiments.running.level_records._CHECKPOINT_SHARE", math.inf)


_changes = count(1)


def _die_before_change(number: int) -> None:
    def watch(event: str, arguments: tuple) -> None:
        counts = event in _CHANGES and REQUEST["workdir"] in str(arguments[0])
        if counts and next(_changes) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def _signal_after(path: Path, number: int, receiver: int) -> None:
    waiting = True

    def watch(event: str, arguments: tuple) -> None:
        nonlocal waiting
        if waiting and event in _FILE_OPERATIONS and path.exists():
            waiting = False
            os.kill(receiver, number)

    sys.addaudithook(watch)


# Where the tests are a background job, it was inherited that SIGINT is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
with Path(REQUEST["log"]).open("w") as log:
    os.dup2(log.fileno(), sys.stdout.fileno())
    os.dup2(log.fileno(), sys.stderr.fileno())
os.environ.update(REQUEST["environment"])
if REQUEST["largest_file"] is not None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (REQUEST["largest_file"],) * 2)
if REQUEST["last_file_operation"] is not None:
    _die_before_change(REQUEST["last_file_operation"])
if REQUEST["signal_at"] is not None:
    path, number = REQUEST["signal_at"]
    _signal_after(Path(path), number, REQUEST["signal_to"] or os.getpid())
sys.argv = [REQUEST["main"], *REQUEST["arguments"]]
sys.path.insert(0, str(Path(REQUEST["main"]).parent))
with (
    mock.patch("matplotlib.figure.Figure.savefig", save_blank),
    mock_data(REQUEST["mock_examples"]),
    checkpoint_at_every_evaluation() if REQUEST["checkpoint_always"] else nullcontext(),
):
    try:
        runpy.run_path(REQUEST["main"], run_name="__main__")
    finally:
        if REQUEST["last_file_operation"] is not None:
            print(f"file operations: {next(_changes) - 1}", flush=True)
