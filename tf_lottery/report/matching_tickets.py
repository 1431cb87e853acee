"""The sparsest ticket of each method whose mean accuracy matches that of the dense network."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tf_lottery.config.matching import DEFAULT_TOLERANCE, matches
from tf_lottery.report.formats import format_accuracy, format_density
from tf_lottery.report.method_results import LevelStatistics, MethodResults, Spread


@dataclass(frozen=True)
class Ticket:
    """The outcome for one method.

    Attributes:
      results: the method.
      dense: test accuracy of the dense networks of the replicates that have the ticket; of all that
        the method has, if there is no ticket; None if unknown.
      tolerance: of the comparison of both means, as of `matching.matches`.
      matching: the pruned levels that match, the sparsest first.
      failing: the pruned levels that do not.
    """

    results: MethodResults
    dense: Spread | None
    tolerance: float
    matching: tuple[LevelStatistics, ...]
    failing: tuple[LevelStatistics, ...]

    @property
    def level(self) -> LevelStatistics | None:
        """The matching level of the lowest density; None if no pruned level matches."""
        return self.matching[0] if self.matching else None

    def matches(self, level: LevelStatistics) -> bool | None:
        """Whether a level matches; None if it is the dense network, or an accuracy is unknown."""
        return True if level in self.matching else False if level in self.failing else None

    def note(self) -> str:
        """Returns what a reader should know about the outcome; may be empty."""
        if self.results.begins_with_a_ticket:
            return "level 0 is no dense network"
        if self.dense is None:
            return "the dense network (level 0) has no test accuracy yet"
        threshold = math.inf if self.level is None else self.level.density
        failing = ", ".join(
            f"{format_density(level.density)} ({format_accuracy(level.known_accuracy.mean)})"
            for level in self.failing
            if level.density > threshold
        )
        return f"larger densities that do not match: {failing}" if failing else ""


def find_tickets(
    methods: Sequence[MethodResults], tolerance: float = DEFAULT_TOLERANCE
) -> list[Ticket]:
    """Finds the ticket of each run and each branch.

    Args:
      methods: runs and branches; a branch is compared with the dense networks of its run.
      tolerance: how far the mean test accuracy (at the end of training) of a level may be below
        that of the dense networks of the same replicates, as a fraction.

    Returns:
      A ticket per method, in the same order.
    """
    dense = {
        method.run: {} if method.begins_with_a_ticket else method.accuracies(0)
        for method in methods
        if method.branch is None
    }
    return [_find_ticket(method, dense[method.run], tolerance) for method in methods]


def _find_ticket(
    method: MethodResults, dense_accuracies: Mapping[str, float], tolerance: float
) -> Ticket:
    def dense_of(replicates: Iterable[str]) -> Spread | None:
        return Spread.of(dense_accuracies.get(replicate) for replicate in replicates)

    dense = {level.level: dense_of(method.accuracies(level.level)) for level in method.levels}
    matching, failing = [], []
    for level in method.levels:
        spread = dense[level.level]
        if level.level > 0 and spread is not None:
            does = matches(level.known_accuracy.mean, spread.mean, tolerance)
            (matching if does else failing).append(level)
    matching.sort(key=lambda level: level.density)
    of_ticket = (
        dense[matching[0].level]
        if matching
        else dense_of(record.replicate for record in method.records)
    )
    return Ticket(method, of_ticket, tolerance, tuple(matching), tuple(failing))
