"""Does tasks side by side: which may begin, what they say, and how all of it ends."""

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress

from tf_lottery.experiments.jobs.engine import Engine
from tf_lottery.experiments.jobs.outcome import ALONE, Outcome
from tf_lottery.experiments.jobs.tasks import Task
from tf_lottery.report.progress.side_by_side import SideBySideProgress

# Between looks whether the level that a task waits for is finished.
_SECONDS_BETWEEN_LOOKS = 1.0


class Scheduler:
    """Begins tasks as soon as what they need is there, and shows what they say."""

    def __init__(
        self,
        tasks: Sequence[Task],
        threads: Sequence[int],
        engine: Engine,
        progress: SideBySideProgress,
    ):
        """Begins nothing yet.

        Args:
          tasks: in the order in which they are to begin.
          threads: of each.
          engine: that does them.
          progress: shows them.
        """
        self._tasks, self._threads, self._engine = tasks, threads, engine
        self._progress = progress
        self._outcomes: list[Outcome | None] = [None] * len(tasks)
        self._running: dict[Future[Outcome], int] = {}

    def run(self) -> list[Outcome | None]:
        """Does all tasks.

        An error that is not of one task alone lets no further task begin.

        Returns:
          The outcome of each task; None of a task that was not begun, because one that it needs has
          failed, or because no further task was to begin.

        Raises:
          KeyboardInterrupt: on Ctrl-C, once all tasks have stopped.
          BrokenProcessPool: if a process of this machine was killed, once the others have stopped.
        """
        try:
            while self._begin() or self._running:
                timeout = _SECONDS_BETWEEN_LOOKS if self._is_anything_left else None
                done, _ = wait(self._running, timeout, FIRST_COMPLETED)
                for future in done:
                    self._end(future)
        except BaseException:
            self._stop()
            raise
        return self._outcomes

    @property
    def _is_anything_left(self) -> bool:
        return len(self._running) + sum(o is not None for o in self._outcomes) < len(self._tasks)

    @property
    def _is_over(self) -> bool:
        errors = (outcome.error for outcome in self._outcomes if outcome)
        return any(error and not isinstance(error, ALONE) for error in errors)

    def _begin(self) -> bool:
        """Begins what can begin; returns whether anything has."""
        if not self._is_anything_left or self._is_over:
            return False
        begun, most = False, self._engine.count
        busy = {self._tasks[place].folder for place in self._running.values()}
        for place, task in enumerate(self._tasks):
            if len(self._running) >= most:
                break
            if (
                place in self._running.values()
                or self._outcomes[place] is not None
                or task.folder in busy
                or task.cannot(self._outcomes, self._tasks)
                or not task.may_begin(self._outcomes)
            ):
                continue
            self._progress.begin(place)
            future = self._engine.begin(place, task, self._threads[place], self._progress)
            self._running[future] = place
            busy.add(task.folder)
            begun = True
        return begun

    def _end(self, future: Future[Outcome]) -> None:
        place = self._running.pop(future)
        outcome = future.result()
        self._outcomes[place] = outcome
        said = outcome.text
        if outcome.error and not self._tasks[place].is_made_up_for(outcome):
            said += f"Error: {outcome.error}\n"
        self._progress.finish(place, said)

    def _stop(self) -> None:
        """Tells all tasks to stop, and waits until they have."""
        self._engine.stop(self._running)
        for future, place in self._running.items():
            with suppress(Exception, KeyboardInterrupt):
                outcome = future.result()
                self._progress.finish(place, outcome.text, stopped=outcome.interrupted)
