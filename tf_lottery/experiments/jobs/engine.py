"""What does units for the scheduler: processes of this machine, or the jobs of a cluster."""

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Protocol

from tf_lottery.experiments.jobs.outcome import Outcome
from tf_lottery.experiments.jobs.units import Unit
from tf_lottery.report.side_by_side import SideBySideProgress


class Engine(Protocol):
    """Does units, some at a time."""

    @property
    def count(self) -> int:
        """How many it is given at once, at most; it may change."""
        ...

    def begin(
        self, place: int, unit: Unit, threads: int, progress: SideBySideProgress
    ) -> Future[Outcome]:
        """Takes a unit, to be done soon.

        Args:
          place: of the unit, among all.
          unit: it.
          threads: that it computes with.
          progress: is told meanwhile where it stands.
        """
        ...

    def settle(self, place: int) -> None:
        """Waits until progress was told of all that a unit had to say before it ended."""
        ...

    def stop(self, running: Mapping[Future[Outcome], int]) -> None:
        """Has units stop, and those that are yet to begin not begin; does not wait for that.

        Args:
          running: what `begin` gave, and of which places.
        """
        ...
