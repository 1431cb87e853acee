"""Runs main.py in a process that imported TensorFlow before it was forked; see conftest.py."""

import os
import resource
import runpy
import signal
import sys
from contextlib import AbstractContextManager, nullcontext
from itertools import count
from pathlib import Path
from typing import Any

REQUEST: dict[str, Any] = globals()["REQUEST"]  # from whoever runs this file

_FILE_OPERATIONS = frozenset({"os.rename", "os.remove", "os.rmdir", "os.mkdir"})


def mock_data(examples: int | None) -> AbstractContextManager:
    """Makes tensorflow-datasets invent so many examples of any set, of its shapes and types."""
    if examples is None:
        return nullcontext()
    import tensorflow_datasets as tfds

    return tfds.testing.mock_data(examples)


def _die_before_file_operation(number: int) -> None:
    operations = count(1)

    def watch(event: str, arguments: tuple) -> None:
        counts = event in _FILE_OPERATIONS and REQUEST["workdir"] in str(arguments[0])
        if counts and next(operations) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


with Path(REQUEST["log"]).open("w") as log:
    os.dup2(log.fileno(), sys.stdout.fileno())
    os.dup2(log.fileno(), sys.stderr.fileno())
os.environ.update(REQUEST["environment"])
if REQUEST["largest_file"] is not None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (REQUEST["largest_file"],) * 2)
if REQUEST["last_file_operation"] is not None:
    _die_before_file_operation(REQUEST["last_file_operation"])
sys.argv = [REQUEST["main"], *REQUEST["arguments"]]
sys.path.insert(0, str(Path(REQUEST["main"]).parent))
with mock_data(REQUEST["mock_examples"]):
    runpy.run_path(REQUEST["main"], run_name="__main__")
