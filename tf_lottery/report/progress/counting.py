"""Progress of something that is done a known number of times."""

import time
from collections import Counter
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tf_lottery.interrupts import raise_if_interrupted
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
        self._steps: Counter[str] = Counter()
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
        self._done, self._steps = done, Counter()
        self._show()

    def step(self, name: str) -> None:
        """Says that work on the next one goes on, in steps of which nobody knows how many.

        Args:
          name: what they are, such as "retrainings".
        """
        self._steps[name] += 1
        self._show()

    def _show(self) -> None:
        raise_if_interrupted()
        within = "".join(f", {count:,} {name}" for name, count in self._steps.items())
        self._progress.update(self._task, completed=self._done, description=f"{self._what}{within}")
        due = self._clock() - self._latest_line >= SECONDS_BETWEEN_LOG_LINES
        if due and not self._console.is_interactive:
            self._latest_line = self._clock()
            print_line(f"{self._what}: {self._done} of {self._total}{within}", self._console)
