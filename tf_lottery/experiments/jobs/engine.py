"""What does tasks for the scheduler: processes of this machine, or the jobs of a cluster."""

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Protocol

from tf_lottery.experiments.jobs.outcome import Outcome
from tf_lottery.experiments.jobs.tasks import Task
from tf_lottery.report.progress.side_by_side import SideBySideProgress


class Engine(Protocol):
    """Does tasks, some at a time."""

    @property
    def count(self) -> int:
        """How many it is given at once, at most; may change, and may take time to find out."""
        ...

    def begin(
        self, place: int, task: Task, threads: int, progress: SideBySideProgress
    ) -> Future[Outcome]:
        """Takes a task, to be done soon.

        Args:
          place: of the task, among all.
          task: it.
          threads: that it computes with.
          progress: is told meanwhile where it stands.
        """
        ...

    def stop(self, running: Mapping[Future[Outcome], int]) -> None:
        """Has tasks stop, and those that are yet to begin not begin; does not wait for that.

        Args:
          running: what `begin` gave, and of which places.
        """
        ...
