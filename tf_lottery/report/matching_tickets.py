"""The sparsest ticket of each method whose mean accuracy matches that of the dense network."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from tf_lottery.report.formats import format_accuracy, format_density
from tf_lottery.report.method_results import LevelStatistics, MethodResults, Spread

# Keeps rounding errors of the means from deciding an exact tie.
_SLACK = 1e-9


@dataclass(frozen=True)
class Tolerance:
    """How far below the dense network's a matching accuracy may be.

    Attributes:
      value: as a fraction.
      dense_replicates: the replicates whose standard deviation it is, fewer than two of which have
        none that is known; None if it was given.
    """

    value: float
    dense_replicates: int | None


@dataclass(frozen=True)
class Ticket:
    """The outcome for one method.

    Attributes:
      results: the method.
      dense: test accuracy of the dense networks of its run; None if unknown.
      tolerance: of the comparison.
      level: the matching level of the lowest density; None if no pruned level matches.
      failing: pruned levels of a higher density that do not match.
    """

    results: MethodResults
    dense: Spread | None
    tolerance: Tolerance
    level: LevelStatistics | None
    failing: tuple[LevelStatistics, ...]

    def note(self) -> str:
        """Returns what a reader should know about the outcome; may be empty."""
        if self.dense is None:
            return "the dense network (level 0) has no test accuracy yet"
        if self.level is None or not self.failing:
            return ""
        failing = ", ".join(
            f"{format_density(level.density)} ({format_accuracy(level.accuracy.mean)})"
            for level in self.failing
        )
        return f"larger densities that do not match: {failing}"


def find_tickets(methods: Sequence[MethodResults], tolerance: float | None) -> list[Ticket]:
    """Finds the ticket of each run and each branch.

    Args:
      methods: runs and branches; a branch is compared with the dense network of its run.
      tolerance: how far below the dense network's mean test accuracy (at the end of training) a
        level's may be, as a fraction; None: a standard deviation of the run's dense replicates.

    Returns:
      A ticket per method, in the same order.

    Raises:
      ValueError: the tolerance is not a fraction.
    """
    if tolerance is not None and not 0 <= tolerance < 1:
        raise ValueError(
            f"--tolerance={tolerance} must be a fraction of at least 0 and below 1, such as 0.002 "
            "for 0.2 points."
        )
    dense = {method.run: method.dense_accuracies() for method in methods if method.branch is None}
    return [_find_ticket(method, dense[method.run], tolerance) for method in methods]


def _find_ticket(
    method: MethodResults, dense_accuracies: Sequence[float], given: float | None
) -> Ticket:
    tolerance = _tolerance(dense_accuracies, given)
    dense = Spread.of(dense_accuracies)
    if dense is None:
        return Ticket(method, None, tolerance, None, ())
    lowest = dense.mean - tolerance.value - _SLACK
    pruned = [level for level in method.levels if level.level > 0 and level.accuracy is not None]
    matching = [level for level in pruned if level.accuracy.mean >= lowest]
    sparsest = min(matching, key=lambda level: level.density, default=None)
    threshold = -math.inf if sparsest is None else sparsest.density
    failing = [
        level for level in pruned if level.accuracy.mean < lowest and level.density > threshold
    ]
    return Ticket(method, dense, tolerance, sparsest, tuple(failing))


def _tolerance(dense_accuracies: Sequence[float], given: float | None) -> Tolerance:
    if given is not None:
        return Tolerance(given, None)
    count = len(dense_accuracies)
    return Tolerance(statistics.stdev(dense_accuracies) if count > 1 else 0.0, count)
