"""Imports TensorFlow without its start-up messages, which no setting of its own silences."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def import_tensorflow_quietly() -> None:
    """Imports TensorFlow and Keras; errors of the import are raised as usual."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with silent_stderr():
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
