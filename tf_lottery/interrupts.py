"""Ctrl-C, remembered, as what it raises may be lost.

Python raises KeyboardInterrupt wherever the main thread is. In a finalizer, in Python that C++ code
calls back, or where everything is caught, it goes nowhere; in a definition it becomes another
error. So a long piece of work asks now and then whether it is to end.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_interrupted = False


def remember_interrupts() -> None:
    """From now on, Ctrl-C is remembered; not where it is ignored, or somebody else handles it."""
    global _interrupted
    _interrupted = False
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)


def note_interrupt() -> None:
    """Remembers that the process is to end what it does."""
    global _interrupted
    _interrupted = True


def is_interrupted() -> bool:
    """Whether the process is to end what it does."""
    return _interrupted


def raise_if_interrupted() -> None:
    """Raises KeyboardInterrupt if it was raised before, in vain."""
    if _interrupted:
        raise KeyboardInterrupt


@contextmanager
def errors_of_interrupts() -> Iterator[None]:
    """Raises KeyboardInterrupt, by its cause, for an error that comes after an interrupt."""
    try:
        yield
    except Exception as error:
        if _interrupted:
            raise KeyboardInterrupt from error
        raise


def _interrupt(number: int, frame: FrameType | None) -> None:
    note_interrupt()
    raise KeyboardInterrupt
