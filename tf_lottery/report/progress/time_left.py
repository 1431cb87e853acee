"""How long the level loop has still to go."""

import time
from collections.abc import Callable, Sequence

_SECONDS_FOR_AN_ESTIMATE = 2.0


class TimeLeft:
    """Estimates the time left from the seconds per training step so far in this process.

    The clock runs on between the levels, so that pruning, evaluation and saving count into the
    seconds per step. It starts at the first report: before that, TensorFlow traces and compiles.
    """

    def __init__(self, steps_per_level: Sequence[int], clock: Callable[[], float] = time.monotonic):
        """Starts with every level still to do.

        Args:
          steps_per_level: training iterations of each level, level 0 first.
          clock: returns the time in seconds.
        """
        self._steps_per_level = steps_per_level
        self._clock = clock
        self._next_level = 0
        self._step = self._last_step = 0
        self._steps_done = 0
        self._first_report: tuple[float, int] | None = None
        self._latest_report: tuple[float, int] | None = None

    def replace_steps(self, steps_per_level: Sequence[int]) -> None:
        """Takes other numbers of iterations for the levels to come."""
        self._steps_per_level = steps_per_level

    def start_level(self, level: int, first_step: int, last_step: int) -> None:
        """Says that training from `first_step` to `last_step` begins; earlier levels are done."""
        self._next_level = level + 1
        self._step, self._last_step = first_step, last_step

    def reach(self, step: int) -> None:
        """Says that training has reached iteration `step`."""
        self._steps_done += step - self._step
        self._step = step
        self._latest_report = (self._clock(), self._steps_done)
        self._first_report = self._first_report or self._latest_report

    def restart_clock(self) -> None:
        """Says that what was measured so far is not typical of the rest."""
        self._first_report = self._latest_report

    def finish_level(self, level: int) -> None:
        """Says that the level is complete, whether trained now or found so."""
        self._next_level = max(self._next_level, level + 1)
        self._step = self._last_step

    def steps(self) -> int:
        """Returns the number of training iterations left in all levels."""
        return self._last_step - self._step + sum(self._steps_per_level[self._next_level :])

    def seconds(self) -> float | None:
        """Returns the seconds left as of the latest report, or None if it is too early to say."""
        if self._first_report is None or self._latest_report is None:
            return None
        (start, steps_at_start), (now, steps_now) = self._first_report, self._latest_report
        if steps_now == steps_at_start or now - start < _SECONDS_FOR_AN_ESTIMATE:
            return None
        return self.steps() * (now - start) / (steps_now - steps_at_start)
