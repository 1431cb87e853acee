"""Progress of an export: a line for each thing that begins."""

import time
from collections.abc import Callable

from rich.console import Console

from tf_lottery.report.console import default_console, print_line
from tf_lottery.report.formats import GAP, format_duration


class ExportProgressReporter:
    """Prints a line when a file is written, when all are verified, and when one is measured.

    It is called as `tf_lottery.export` calls its `progress`.
    """

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic):
        """Prepares to report; shows nothing yet.

        Args:
          console: where to print; standard output by default.
          clock: returns the time in seconds.
        """
        self._console = console or default_console()
        self._clock = clock
        self._first: tuple[str, float] | None = None

    def __call__(self, action: str, what: str, number: int, total: int) -> None:
        """Prints what begins, and how long this and the others of its kind will take, if known.

        Args:
          action: "writing", "verifying" or "measuring".
          what: the name of a format, or "all files".
          number: which one it is of those with this action, from 1.
          total: how many of those there will be.
        """
        now = self._clock()
        if number == 1:
            self._first = action, now
        parts = [f"{action:<9} {number}/{total}", what]
        # Each is measured for as long as the others; writing them takes very different times.
        if action == "measuring" and number > 1 and self._first and self._first[0] == action:
            each = (now - self._first[1]) / (number - 1)
            parts.append(f"{format_duration(each * (total - number + 1))} left")
        print_line(GAP.join(parts), self._console)
