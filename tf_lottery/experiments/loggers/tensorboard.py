"""TensorBoard: event files in the run folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tf_lottery.config.loggers import LoggedRun, RunLogger, register_logger

if TYPE_CHECKING:
    from tf_lottery.training.event_log import EventLog


@register_logger("tensorboard")
class TensorBoard(RunLogger):
    """A folder of events for each level, and one for all of them, whose steps are levels."""

    # Events cannot be taken back when training resumes earlier: a level's are written anew.
    keeps = False

    def begin(self, run: LoggedRun, known: str | None) -> None:
        """Opens nothing yet."""
        self._folder, self._flags = run.path / "tensorboard", run.changed
        self._levels: dict[int, Mapping[str, float]] = {}
        self._events: EventLog | None = None

    def start_level(self, level: int) -> None:
        """Starts the level's folder anew."""
        self._close()
        self._events = self._open(f"level_{level}")

    def evaluation(self, level: int, step: int, values: Mapping[str, float]) -> None:
        """Writes scalars."""
        assert self._events is not None, "the level was started"
        self._events.write(step, values)

    def finish_level(self, level: int, values: Mapping[str, float]) -> None:
        """Closes the level's folder, and writes that of all levels anew."""
        self._close()
        self._levels[level] = values
        events = self._open("levels")
        events.write_flags(self._flags)
        for number in sorted(self._levels):
            events.write(number, self._levels[number])
        events.close()

    def end(self, finished: bool) -> None:
        """Closes the folder of a level that was not finished."""
        self._close()

    def _open(self, name: str) -> EventLog:
        # It imports TensorFlow.
        from tf_lottery.training.event_log import EventLog

        return EventLog(self._folder / name)

    def _close(self) -> None:
        if self._events is not None:
            self._events.close()
        self._events = None
