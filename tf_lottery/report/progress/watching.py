"""Who else is told of progress: in a worker process, the one that shows that of all."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Watcher(Protocol):
    """Is told of progress in the place of a terminal.

    Attributes:
      interactive: whether it shows where things stand, and not only lines one after the other.
    """

    interactive: bool

    def line(self, text: str) -> None:
        """Says something that stays."""

    def live(self, text: str, seconds_left: float | None) -> None:
        """Says where things stand; the time left is None while it is not known."""


_WATCHER: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


def watcher() -> Watcher | None:
    """Who is told of progress; None: it is shown by whoever makes it."""
    return _WATCHER.get()


@contextmanager
def watched_by(one: Watcher | None) -> Iterator[None]:
    """Has someone told of all progress within."""
    token = _WATCHER.set(one)
    try:
        yield
    finally:
        _WATCHER.reset(token)
