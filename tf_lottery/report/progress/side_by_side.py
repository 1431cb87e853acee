"""Progress of many things that are done side by side: a live line for each, and one for all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from tf_lottery.report.console import default_console
from tf_lottery.report.formats import GAP, format_duration
from tf_lottery.report.progress.levels import LIVE_LINES_PER_SECOND


class SideBySideProgress:
    """Shows what runs, what is done, and how long it will take.

    On a terminal, a live line for each thing that runs and one for all; into a file, lines with the
    name of what they are about. Use it as a context manager.
    """

    def __init__(
        self,
        titles: Sequence[str],
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        """Prepares; shows nothing yet.

        Args:
          titles: of what is done.
          console: where to print; standard output by default.
          clock: returns the time in seconds.
        """
        self._titles, self._clock = titles, clock
        self._console = console or default_console()
        self._running: dict[int, tuple[str, float | None, float]] = {}
        self._seconds: list[float] = []
        self._begun: dict[int, float] = {}
        self._live: Live | None = None
        # Threads tell what runs, while the main one begins and ends it.
        self._one_at_a_time = threading.Lock()
        self._width = max(map(len, titles), default=0)

    @property
    def interactive(self) -> bool:
        """Whether it is seen on a terminal."""
        return self._console.is_interactive

    def __enter__(self) -> SideBySideProgress:
        if self.interactive:
            self._live = Live(
                get_renderable=self._lines,
                console=self._console,
                refresh_per_second=LIVE_LINES_PER_SECOND,
                transient=True,
            )
            self._live.start()
            # rich hides the cursor; a killed process would leave the user's shell without one.
            self._console.show_cursor(True)
        return self

    def __exit__(self, *exception) -> None:
        if self._live is not None:
            self._live.stop()

    def begin(self, place: int) -> None:
        """Says that one of them begins."""
        self._begun[place] = self._clock()
        with self._one_at_a_time:
            self._running = {**self._running, place: ("starting", None, self._clock())}

    def live(self, place: int, text: str, seconds_left: float | None) -> None:
        """Says where one of them stands, and how long it will take if that is known."""
        with self._one_at_a_time:
            if place in self._running:
                self._running = {**self._running, place: (text, seconds_left, self._clock())}

    def line(self, place: int, text: str) -> None:
        """Prints a line about one of them."""
        for line in text.strip("\n").splitlines():
            self._print(f"{self._titles[place]:<{self._width}}{GAP}{line}")

    def finish(self, place: int, text: str, *, stopped: bool = False) -> None:
        """Says that one of them is done, or was stopped, with all that it had to say."""
        begun = self._begun.pop(place, None)
        if begun is not None:
            self._seconds.append(self._clock() - begun)
        with self._one_at_a_time:
            self._running = {key: own for key, own in self._running.items() if key != place}
        done = "Stopped:" if stopped else f"[{len(self._seconds)} of {len(self._titles)}]"
        self._print(f"{done} {self._titles[place]}")
        if text.strip():
            self._console.print(Text.from_ansi(text.strip("\n")), soft_wrap=True, highlight=False)
            self._print("")

    def _print(self, line: str) -> None:
        self._console.print(line, soft_wrap=True, highlight=False, markup=False)

    def _lines(self) -> Group:
        now, running = self._clock(), dict(sorted(self._running.items()))
        lines = []
        for place, (text, seconds, when) in running.items():
            # Before the text, whose end a narrow terminal cuts.
            left = "" if seconds is None else f"{format_duration(seconds - now + when)} left{GAP}"
            lines.append(f"{self._titles[place]:<{self._width}}{GAP}{left}{text}")
        waiting = len(self._titles) - len(self._seconds) - len(running)
        lines.append(f"{len(self._seconds)} done, {len(running)} running, {waiting} waiting")
        return Group(*(Text(line, no_wrap=True, overflow="ellipsis") for line in lines))
