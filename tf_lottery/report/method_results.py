"""Replicates of a run, or of one of its branches, as one method with means and extremes."""

import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tf_lottery.report.formats import is_known
from tf_lottery.report.run_records import LearningCurve, LevelRecord, RunRecord
from tf_lottery.store.identity import Identity

LOTTERY = "lottery_ticket"
# Flags that differ from replicate to replicate by design.
OF_A_REPLICATE = frozenset({"replicate", "init_seed", "data_seed"})

# Called as the branches that do the same, which have the same style in figures.
_PRUNED_FROM = {"previous_level": None, "dense": "one_shot", "rewind_step": "before_training"}


@dataclass(frozen=True)
class Spread:
    """Mean, least and largest of the `count` values that are known."""

    mean: float
    minimum: float
    maximum: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float | None]) -> "Spread | None":
        """Returns the spread of the values that are neither None nor NaN; None without any."""
        known = [value for value in values if is_known(value)]
        if not known:
            return None
        # Computed with fractions: the mean of equal accuracies is the same accuracy.
        return cls(float(statistics.mean(known)), min(known), max(known), len(known))


@dataclass(frozen=True)
class LevelStatistics:
    """A level over the replicates that have it.

    Attributes:
      level: number of prunings.
      density: mean fraction of prunable weights that remain.
      weights_remaining: mean number of prunable weights that remain.
      replicates: number of replicates that have the level.
      accuracy: test accuracy at the end of training, a fraction.
      against_dense: how far it is above that of the dense network of the same replicate; None for
        the dense network itself, and where either is unknown.
      early_stop_accuracy: test accuracy at early stopping, a fraction.
      early_stop_step: iteration of early stopping.
      layer_densities: mean fraction of the weights that remain, by kernel.
      emptied: number of replicates in which a layer has no weight left.
      multiply_adds: mean number of multiply-adds for an example; None where no replicate has it.
    """

    level: int
    density: float
    weights_remaining: int
    replicates: int
    accuracy: Spread | None
    early_stop_accuracy: Spread | None
    early_stop_step: Spread | None
    layer_densities: Mapping[str, float]
    emptied: int = 0
    multiply_adds: float | None = None
    against_dense: Spread | None = None

    @property
    def known_accuracy(self) -> Spread:
        """The test accuracy of a level that has one, such as one that matches or fails to."""
        if self.accuracy is None:
            raise ValueError(f"level {self.level} has no test accuracy")
        return self.accuracy


@dataclass(frozen=True)
class MethodResults:
    """A run or a branch with all its replicates: a line of the figures.

    Attributes:
      label: names it; no two methods of a report share a label.
      run: label of the run.
      branch: label of the branch; None for the run itself.
      method: name of the run's method (`run_method`) or of the branch's.
      records: the replicates that have it, in order.
      levels: the levels that any replicate has, dense first.
    """

    label: str
    run: str
    branch: str | None
    method: str
    records: tuple[RunRecord, ...]
    levels: tuple[LevelStatistics, ...]

    @property
    def identity(self) -> Identity:
        """Its flags, as the first replicate has them whose config.json can be read."""
        return _identity(self.records)

    @property
    def changes(self) -> Mapping[str, Any]:
        """The flags that a branch changes of its run's."""
        return next((record.changes for record in self.records if record.changes), {})

    @property
    def begins_with_a_ticket(self) -> bool:
        """Whether level 0 is not the dense network, but the ticket of another run."""
        return bool(self.levels) and self.levels[0].level == 0 and self.levels[0].density < 1

    def accuracies(self, level: int) -> dict[str, float]:
        """Returns the test accuracies at a level that are known, fractions by replicate."""
        accuracies = {
            record.replicate: record.levels[level].summary.test_accuracy
            for record in self.records
            if level in record.levels
        }
        return {name: value for name, value in accuracies.items() if is_known(value)}

    def dense_accuracies(self) -> dict[str, float]:
        """As `accuracies` of the dense networks; none if a run begins with a ticket."""
        return {} if self.begins_with_a_ticket else self.accuracies(0)

    def mean_curve(self, level: int) -> LearningCurve:
        """Returns the mean test accuracy at the iterations that all replicates evaluated.

        Args:
          level: a level; once any replicate has completed it, unfinished ones do not count.
        """
        done = [record for record in self.records if level in record.levels]
        curves = [record.curves.get(level) for record in done or self.records]
        curves = [curve for curve in curves if curve]
        if not curves:
            return {}
        steps = sorted(set.intersection(*(set(curve) for curve in curves)))
        return {step: statistics.fmean(curve[step] for curve in curves) for step in steps}

    def levels_in_training(self) -> list[int]:
        """Returns the levels that have evaluations and that no replicate has completed."""
        complete = {level.level for level in self.levels}
        numbers = {level for record in self.records for level in record.levels_in_training}
        return sorted(numbers - complete)


def collect_methods(runs: Sequence[RunRecord]) -> list[MethodResults]:
    """Groups run folders by experiment, and their branches by label.

    Args:
      runs: run folders; those in the same folder are replicates of the same run.

    Returns:
      Each run, followed by its branches, without those that are steps of analyses. Replicates whose
      pruning rates were chosen have other densities at the same level, and are runs of their own.
    """
    replicates: dict[Path, list[RunRecord]] = defaultdict(list)
    for run in runs:
        replicates[run.path.parent].append(run)
    names = run_labels(list(replicates))
    grouped: dict[str, list[RunRecord]] = {}
    for folder, records in replicates.items():
        if len(records) > 1 and any(run.identity.pruning_rate == "auto" for run in records):
            grouped |= {f"{names[folder]}, {run.replicate}": [run] for run in records}
        else:
            grouped[names[folder]] = records
    alone = len(grouped) == 1
    methods = []
    for name, records in grouped.items():
        method = run_method(records)
        label_of_run = method.replace("_", " ") if alone else name
        methods.append(_method(label_of_run, name, None, method, records))
        dense = methods[-1].dense_accuracies()
        branches = sorted(
            {
                label
                for record in records
                for label, branch in record.branches.items()
                if not branch.for_analysis
            }
        )
        having_branch = {
            branch: [record.branches[branch] for record in records if branch in record.branches]
            for branch in branches
        }
        texts = _branch_texts(having_branch)
        for branch, having in having_branch.items():
            method, text = _method_name(having, branch), texts[branch]
            text = f"{text} (branch)" if alone and text == label_of_run else text
            label = text if alone else f"{name}: {text}"
            methods.append(_method(label, name, branch, method, having, dense))
    return methods


def run_labels(folders: Sequence[Path]) -> dict[Path, str]:
    """Returns a name for each folder of replicates: as short as tells them apart."""
    counts = Counter(folder.name for folder in folders)
    longer = Counter(f"{folder.parent.name}/{folder.name}" for folder in folders)
    labels = {}
    for folder in folders:
        label = folder.name
        if counts[label] > 1:
            label = f"{folder.parent.name}/{folder.name}"
            label = label if longer[label] == 1 else str(folder)
        labels[folder] = label
    return labels


def run_method(replicates: Sequence[RunRecord]) -> str:
    """Names what a run does by its flags: `LOTTERY` with their defaults, else "one_shot", ..."""
    flags = _identity(replicates)
    variations = (
        (flags.score, {"magnitude": None}),
        (flags.prune_from, _PRUNED_FROM),
        (flags.retraining, {"rewind_weights": None}),
    )
    names = [names.get(value, value) for value, names in variations]
    names += ["adaptive_rate" if flags.pruning_rate == "auto" else None]
    return "_".join(str(name) for name in names if name) or LOTTERY


def _identity(records: Sequence[RunRecord]) -> Identity:
    return next((record.identity for record in records if record.identity), Identity())


def _method_name(records: Sequence[RunRecord], branch: str) -> str:
    named = (record.identity.branch for record in records)
    return str(next(filter(None, named), branch))


def _branch_texts(branches: Mapping[str, Sequence[RunRecord]]) -> dict[str, str]:
    """Names branches by method and changed flags; by their folders where that says too little."""
    texts = {}
    for branch, records in branches.items():
        method = _method_name(records, branch)
        changes = records[0].changes
        flags = [change_text(name, value) for name, value in sorted(changes.items())]
        is_plain = branch.split("-")[0] == method
        texts[branch] = ", ".join([method.replace("_", " "), *flags]) if is_plain else branch
    counts = Counter(texts.values())
    return {branch: text if counts[text] == 1 else branch for branch, text in texts.items()}


def change_text(flag: str, value: Any) -> str:
    """Says in words what value a flag was given, such as "learning rate 0.01" or "no nesterov"."""
    words = flag.replace("_", " ")
    if isinstance(value, bool):
        return words if value else f"no {words}"
    return f"{words} {'unset' if value is None else value}"


def flag_text(value: Any) -> str:
    """Writes the value of a flag."""
    return "unset" if value is None else value if isinstance(value, str) else json.dumps(value)


def _method(
    label: str,
    run: str,
    branch: str | None,
    method: str,
    records: Sequence[RunRecord],
    dense: Mapping[str, float] | None = None,
) -> MethodResults:
    """Summarizes a run, or a branch beside the dense networks of its run."""
    numbers = sorted({number for record in records for number in record.levels})
    levels = []
    for number in numbers:
        having = [record.levels[number] for record in records if number in record.levels]
        levels.append(_statistics(number, having))
    results = MethodResults(label, run, branch, method, tuple(records), tuple(levels))
    if dense is None:
        dense = results.dense_accuracies()
    compared = (_beside(level, results, dense) for level in levels)
    return replace(results, levels=tuple(compared))


def _beside(
    level: LevelStatistics, results: MethodResults, dense: Mapping[str, float]
) -> LevelStatistics:
    """A level of a run or branch with the differences to dense networks, by replicate."""
    if results.branch is None and level.level == 0:
        return level
    accuracies = results.accuracies(level.level)
    leads = (accuracies[name] - dense[name] for name in accuracies if name in dense)
    return replace(level, against_dense=Spread.of(leads))


def _statistics(number: int, records: Sequence[LevelRecord]) -> LevelStatistics:
    def spread(field: Callable) -> Spread | None:
        return Spread.of(field(record.summary) for record in records)

    counted = spread(lambda summary: summary.multiply_adds)
    layers: dict[str, list[float]] = defaultdict(list)
    for record in records:
        for name, (remaining, total) in record.layers.items():
            layers[name].append(remaining / total)
    return LevelStatistics(
        level=number,
        density=float(statistics.mean(record.summary.density for record in records)),
        weights_remaining=round(
            statistics.mean(record.summary.weights_remaining for record in records)
        ),
        replicates=len(records),
        accuracy=spread(lambda summary: summary.test_accuracy),
        early_stop_accuracy=spread(lambda summary: summary.early_stop_test_accuracy),
        early_stop_step=spread(lambda summary: summary.early_stop_step),
        layer_densities={name: statistics.fmean(values) for name, values in layers.items()},
        emptied=sum(bool(record.summary.empty_layers) for record in records),
        multiply_adds=None if counted is None else counted.mean,
    )
