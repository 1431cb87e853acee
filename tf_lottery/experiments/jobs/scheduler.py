"""Does units side by side: which may begin, what they say, and how all of it ends."""

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress

from tf_lottery.experiments.jobs.engine import Engine
from tf_lottery.experiments.jobs.outcome import ALONE, Outcome
from tf_lottery.experiments.jobs.units import Unit
from tf_lottery.report.side_by_side import SideBySideProgress

# How often is looked whether a level is finished that a unit waits for.
_SECONDS_BETWEEN_LOOKS = 1.0


class Scheduler:
    """Begins units as soon as what they need is there, and shows what they say."""

    def __init__(
        self,
        units: Sequence[Unit],
        threads: Sequence[int],
        engine: Engine,
        progress: SideBySideProgress,
    ):
        """Begins nothing yet.

        Args:
          units: in the order in which they are to begin.
          threads: of each.
          engine: that does them.
          progress: shows them.
        """
        self._units, self._threads, self._engine = units, threads, engine
        self._progress = progress
        self._outcomes: list[Outcome | None] = [None] * len(units)
        self._running: dict[Future[Outcome], int] = {}

    def run(self) -> list[Outcome | None]:
        """Does all units.

        An error that is not of one unit alone lets no further unit begin.

        Returns:
          The outcomes; of units that need one that has failed, or could not begin any more, None.

        Raises:
          KeyboardInterrupt: on Ctrl-C, once all units have stopped.
          BrokenProcessPool: if a process of this machine was killed.
        """
        try:
            while self._begin() or self._running:
                timeout = _SECONDS_BETWEEN_LOOKS if self._is_anything_left else None
                done, _ = wait(self._running, timeout, FIRST_COMPLETED)
                for future in done:
                    self._end(future)
        except KeyboardInterrupt:
            self._stop()
            raise
        return self._outcomes

    @property
    def _is_anything_left(self) -> bool:
        return len(self._running) + sum(o is not None for o in self._outcomes) < len(self._units)

    @property
    def _is_over(self) -> bool:
        errors = (outcome.error for outcome in self._outcomes if outcome)
        return any(error and not isinstance(error, ALONE) for error in errors)

    def _begin(self) -> bool:
        """Begins what can begin; returns whether anything has."""
        begun = False
        busy = {self._units[place].folder for place in self._running.values()}
        for place, unit in enumerate(self._units):
            if len(self._running) >= self._engine.count or self._is_over:
                break
            if (
                place in self._running.values()
                or self._outcomes[place] is not None
                or unit.folder in busy
                or unit.cannot(self._outcomes, self._units)
                or not unit.may_begin(self._outcomes)
            ):
                continue
            self._progress.begin(place)
            future = self._engine.begin(place, unit, self._threads[place], self._progress)
            self._running[future] = place
            busy.add(unit.folder)
            begun = True
        return begun

    def _end(self, future: Future[Outcome]) -> None:
        place = self._running.pop(future)
        outcome = future.result()
        self._engine.settle(place)
        self._outcomes[place] = outcome
        said = outcome.text
        if outcome.error and not self._units[place].is_made_up_for(outcome):
            said += f"Error: {outcome.error}\n"
        self._progress.finish(place, said)

    def _stop(self) -> None:
        """Tells all units to stop, and waits until they have."""
        self._engine.stop(self._running)
        for future, place in self._running.items():
            with suppress(Exception, KeyboardInterrupt):
                outcome = future.result()
                self._progress.finish(place, outcome.text, stopped=outcome.interrupted)
