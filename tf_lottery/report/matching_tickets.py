"""The sparsest ticket of each method whose mean accuracy matches that of the dense network."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tf_lottery.config.matching import DEFAULT_TOLERANCE, matches
from tf_lottery.report.formats import decimals_of_comparison, format_accuracy, format_density
from tf_lottery.report.method_results import LevelStatistics, MethodResults, Spread
from tf_lottery.report.run_records import RunRecord


@dataclass(frozen=True)
class Comparison:
    """A pruned level beside the dense networks of the same replicates.

    Attributes:
      level: the level; its accuracy is that of the replicates that are compared.
      dense: test accuracy of their dense networks.
      matches: whether it matches.
      absent: why the other replicates are not compared, by name, such as "no level 6".
      failed: those of them that were too inaccurate, or diverged, before they had the level.
    """

    level: LevelStatistics
    dense: Spread
    matches: bool
    absent: Mapping[str, str]
    failed: tuple[str, ...]

    @property
    def accuracy(self) -> Spread:
        """Test accuracy of the level in the replicates that are compared."""
        return self.level.known_accuracy

    def replicates(self) -> str:
        """Says of how many replicates the means are, such as "3 of 4 replicates", and why."""
        count = self.accuracy.count
        if not self.absent:
            return "one replicate" if count == 1 else f"{count} replicates"
        reasons = set(self.absent.values())
        if len(reasons) == 1:
            others = "the other has" if len(self.absent) == 1 else "the others have"
            why = f"{others} {reasons.pop()}"
        else:
            why = ", ".join(f"{name} has {reason}" for name, reason in self.absent.items())
        return f"{count} of {count + len(self.absent)} replicates; {why}"


@dataclass(frozen=True)
class Ticket:
    """The outcome for one method.

    Attributes:
      results: the method.
      dense: test accuracy of the dense networks of the replicates that have the ticket; of all that
        the method has, if there is no ticket; None if unknown.
      tolerance: of the comparison of both means, as of `matching.matches`.
      comparisons: of the pruned levels that have an accuracy, dense first.
    """

    results: MethodResults
    dense: Spread | None
    tolerance: float
    comparisons: tuple[Comparison, ...]

    @property
    def best(self) -> Comparison | None:
        """The ticket: the matching level of the lowest density; None if no pruned level matches.

        A level that a replicate failed before does not count: its mean is of the best replicates.
        """
        matching = [one for one in self.comparisons if one.matches and not one.failed]
        return min(matching, key=lambda one: one.level.density, default=None)

    @property
    def level(self) -> LevelStatistics | None:
        """The level of the ticket, if there is one."""
        return None if self.best is None else self.best.level

    @property
    def matching(self) -> tuple[LevelStatistics, ...]:
        """The pruned levels that match, the sparsest first."""
        levels = [one.level for one in self.comparisons if one.matches]
        return tuple(sorted(levels, key=lambda level: level.density))

    @property
    def failing(self) -> tuple[LevelStatistics, ...]:
        """The pruned levels that do not."""
        return tuple(one.level for one in self.comparisons if not one.matches)

    @property
    def decimals(self) -> int:
        """Those of percentages, so that none contradicts what is said of matching."""
        pairs = [(one.accuracy.mean, one.dense.mean) for one in self.comparisons]
        return max((decimals_of_comparison(*pair, self.tolerance) for pair in pairs), default=2)

    def matches(self, level: LevelStatistics) -> bool | None:
        """Whether a level matches; None if it is the dense network, or an accuracy is unknown."""
        found = (one.matches for one in self.comparisons if one.level.level == level.level)
        return next(found, None)

    def not_counted(self) -> tuple[Comparison, ...]:
        """The matching levels sparser than the ticket, which some replicates failed before."""
        density = self._density
        return tuple(
            one
            for one in self.comparisons
            if one.matches and one.failed and one.level.density < density
        )

    @property
    def _density(self) -> float:
        return math.inf if self.level is None else self.level.density

    def note(self) -> str:
        """Returns what a reader should know about the outcome; may be empty."""
        if self.results.begins_with_a_ticket:
            return "level 0 is no dense network"
        if self.dense is None:
            return "the dense network (level 0) has no test accuracy"
        notes = [] if self.best is None or not self.best.absent else [self.best.replicates()]
        if not_counted := self.not_counted():
            densities = ", ".join(
                f"{format_density(one.level.density)} ({one.replicates()})" for one in not_counted
            )
            notes.append(f"matching, but some replicates failed before: {densities}")
        failing = ", ".join(
            f"{format_density(level.density)} "
            f"({format_accuracy(level.known_accuracy.mean, self.decimals)})"
            for level in self.failing
            if level.density > self._density
        )
        if failing:
            notes.append(f"larger densities that do not match: {failing}")
        return "; ".join(notes)


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
    runs = {method.run: method for method in methods if method.branch is None}
    return [_find_ticket(method, runs[method.run], tolerance) for method in methods]


def _find_ticket(method: MethodResults, run: MethodResults, tolerance: float) -> Ticket:
    dense = run.dense_accuracies()
    comparisons = [
        _compare(method, run, level, dense, tolerance)
        for level in method.levels
        if level.level > 0 and dense.keys() & method.accuracies(level.level)
    ]
    of_all = Spread.of(dense.get(record.replicate) for record in method.records)
    ticket = Ticket(method, of_all, tolerance, tuple(comparisons))
    return ticket if ticket.best is None else replace(ticket, dense=ticket.best.dense)


def _compare(
    method: MethodResults,
    run: MethodResults,
    level: LevelStatistics,
    dense_accuracies: Mapping[str, float],
    tolerance: float,
) -> Comparison:
    accuracies = method.accuracies(level.level)
    both = [replicate for replicate in accuracies if replicate in dense_accuracies]
    accuracy = Spread.of(accuracies[replicate] for replicate in both)
    dense = Spread.of(dense_accuracies[replicate] for replicate in both)
    assert accuracy is not None, "the level has a replicate in common with the dense networks"
    assert dense is not None
    own = {record.replicate: record for record in method.records}
    absent, failed = {}, []
    for of_run in run.records:
        name, record = of_run.replicate, own.get(of_run.replicate)
        if name in both:
            continue
        if record is None or level.level not in record.levels:
            absent[name] = f"no level {level.level}"
            if any(one and _failed_before(one, level.level) for one in (of_run, record)):
                failed.append(name)
        elif name not in accuracies:
            absent[name] = f"no test accuracy at level {level.level}"
        else:
            absent[name] = "no test accuracy of the dense network"
    return Comparison(
        replace(level, accuracy=accuracy),
        dense,
        matches(accuracy.mean, dense.mean, tolerance),
        absent,
        tuple(failed),
    )


def _failed_before(record: RunRecord, level: int) -> bool:
    """Whether a search ended for being too inaccurate, or diverged, before it had a level."""
    state = record.state
    ended = state.ended is not None and level > max(state.complete_levels, default=-1)
    return ended or (state.diverged is not None and level >= state.diverged.level)
