"""Progress of something that is done a known number of times."""

import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tf_lottery.report.console import default_console, print_line
from tf_lottery.report.progress.levels import SECONDS_BETWEEN_LOG_LINES


class CountingProgress:
    """A bar with the time left on a terminal; a line every ten seconds into a file."""

    def __init__(
        self,
        what: str,
        total: int,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        """Prepares; shows nothing yet. Use it as a context manager.

        Args:
          what: is counted, such as "points on lines".
          total: how many there will be.
          console: where to print; standard output by default.
          clock: returns the time in seconds.
        """
        self._what, self._total, self._done = what, total, 0
        self._console, self._clock = console or default_console(), clock
        self._latest_line = clock()
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_interactive,
        )
        self._task = self._progress.add_task(what, total=total)

    def __enter__(self) -> "CountingProgress":
        self._progress.start()
        return self

    def __exit__(self, *exception) -> None:
        self._progress.stop()

    def advance(self) -> None:
        """Says that one more is done."""
        self.reach(self._done + 1)

    def reach(self, done: int) -> None:
        """Says how many are done by now."""
        self._done = done
        self._progress.update(self._task, completed=done)
        due = self._clock() - self._latest_line >= SECONDS_BETWEEN_LOG_LINES
        if due and not self._console.is_interactive:
            self._latest_line = self._clock()
            print_line(f"{self._what}: {self._done} of {self._total}", self._console)
