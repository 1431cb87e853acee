"""Imports TensorFlow without its start-up messages, which no setting of its own silences."""

import importlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# What TensorFlow and tfmot import of Keras 3, or try to.
_OF_KERAS_3 = ("keras.src.optimizers", "keras.engine")
# What TensorFlow's C++ code writes while it is loaded, whichever level is asked for.
_LOG_LINE = re.compile(
    rb"(WARNING: All log messages before absl::InitializeLog\(\)|[IWE]\d{4} \d\d:\d\d:).*\n?"
)


def ask_for_quiet_logs() -> None:
    """Has TensorFlow, if it is yet to be imported, log fatal errors alone, unless told otherwise.

    What it writes before it knows of that is left out by `import_quietly`.
    """
    if "tensorflow" not in sys.modules:
        os.environ.setdefault(_LEVEL, "3")


def import_quietly(name: str) -> ModuleType:
    """Imports a module, without the C++ log of TensorFlow if that is imported with it.

    Everything else that is written to standard error, such as Python's warnings, is seen, those of
    C++ code after the import. With another TF_CPP_MIN_LOG_LEVEL than 3 nothing is left out.

    Args:
      name: of the module.
    """
    if "tensorflow" in sys.modules or os.environ.get(_LEVEL) != "3":
        return importlib.import_module(name)
    with _without_log_lines(), without_keras_3():
        return importlib.import_module(name)


class LazyModule(ModuleType):
    """Stands for a module that is imported when something of it is first used."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_quietly(self.__name__), name)


@contextmanager
def _without_log_lines() -> Iterator[None]:
    """Holds back what is written to file descriptor 2, and writes it later but for log lines."""
    try:
        original = os.dup(2)
    except OSError:  # There is no standard error.
        yield
        return
    with tempfile.TemporaryFile() as held:
        _flush_stderr()
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            _flush_stderr()
            os.dup2(original, 2)
            os.close(original)
            held.seek(0)
            for line in held:
                if not _LOG_LINE.fullmatch(line):
                    os.write(2, line)


@contextmanager
def without_keras_3() -> Iterator[None]:
    """Has TensorFlow and tfmot, which are imported meanwhile, not import Keras 3.

    It takes a quarter of the time. They need it for nothing, and go on where there is none; whoever
    uses it imports it later.
    """
    names = () if "keras" in sys.modules else _OF_KERAS_3
    # So the import system is told that there is no such module.
    sys.modules.update(dict.fromkeys(names))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in names:
            sys.modules.pop(name, None)


def _flush_stderr() -> None:
    if sys.stderr is not None:
        sys.stderr.flush()


def import_tensorflow_quietly() -> None:
    """Imports TensorFlow and Keras; errors of the import are raised as usual."""
    ask_for_quiet_logs()
    with silent_stderr(), without_keras_3():
        import tensorflow  # noqa: F401
        import tf_keras  # noqa: F401


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Discards what is written to file descriptor 2, by C++ code too."""
    sys.stderr.flush()
    original = os.dup(2)
    with open(os.devnull, "w") as discard:  # noqa: PTH123 - a device, not a path of ours
        os.dup2(discard.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(original, 2)
        os.close(original)
