"""What a report cannot show, in sentences: levels, replicates and measurements that are missing."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from tf_lottery.report.formats import format_levels, is_known
from tf_lottery.report.method_results import MethodResults
from tf_lottery.report.run_records import LevelRecord, RunRecord
from tf_lottery.report.swept_runs import not_in_sweeps


def problems_of(methods: Sequence[MethodResults]) -> list[str]:
    """Returns what could not be read, each problem once, with the file's path."""
    problems = (problem for method in methods for run in method.records for problem in run.problems)
    return list(dict.fromkeys(problems))


def missing_data(methods: Sequence[MethodResults]) -> list[str]:
    """Says what the means, the figures and the tables lack.

    Args:
      methods: the runs and, after each, its branches.

    Returns:
      Sentences; none if every replicate has everything.
    """
    runs = {method.run: method for method in methods if method.branch is None}
    labels: dict[str, list[str]] = defaultdict(list)
    for method in methods:
        found = [
            *_levels_of_some_replicates(method),
            *_absent_from_run(method, runs[method.run]),
            *_unmeasured(method),
        ]
        for sentence in found:
            labels[sentence].append(method.label)
    return [
        *(f"{', '.join(which)}: {sentence}" for sentence, which in labels.items()),
        *_not_run(methods, runs),
        *_levels_in_training(methods),
        *not_in_sweeps(methods),
    ]


def _not_run(methods: Sequence[MethodResults], runs: Mapping[str, MethodResults]) -> Iterator[str]:
    """Says which branches some replicates of their runs do not have."""
    labels: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for method in methods:
        having = {record.replicate for record in method.records}
        records = runs[method.run].records
        lacking = tuple(one.replicate for one in records if one.replicate not in having)
        if lacking:
            labels[lacking].append(method.label)
    for lacking, which in labels.items():
        verb = "was" if len(which) == 1 else "were"
        yield f"{', '.join(which)} {verb} not run for {', '.join(lacking)}."


def _levels_in_training(methods: Sequence[MethodResults]) -> Iterator[str]:
    for method in methods:
        for run in method.records:
            levels = run.levels_in_training
            if levels:
                of = "" if len(methods) == 1 else f"{method.label}: "
                text = format_levels(levels)
                verb, counts = ("is", "it counts") if len(levels) == 1 else ("are", "they count")
                yield (
                    f"{of}{text if of else text[0].upper() + text[1:]} of {run.replicate} {verb} "
                    f"not finished; {counts} in no mean and no table."
                )


def _levels_of_some_replicates(method: MethodResults) -> Iterator[str]:
    levels: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for level in method.levels:
        having = tuple(run.replicate for run in method.records if level.level in run.levels)
        if len(having) < len(method.records):
            levels[having].append(level.level)
    for having, numbers in levels.items():
        yield (
            f"{format_levels(numbers)} only of {', '.join(having)} "
            f"({len(having)} of {len(method.records)} replicates)."
        )


def _absent_from_run(method: MethodResults, run: MethodResults) -> Iterator[str]:
    if not method.levels:
        yield "no complete level."
    if method.branch is None:
        return
    own = {level.level for level in method.levels}
    pruned = {level.level for level in run.levels if level.level > 0}
    if own and pruned - own:
        yield f"{format_levels(own)} only; the run also has {format_levels(pruned - own)}."


def _unmeasured(method: MethodResults) -> Iterator[str]:
    if not method.levels:
        return
    if all(level.early_stop_step is None for level in method.levels):
        yield "no validation data, so early stopping is unknown."
    else:
        yield from _lacking(
            method,
            "early-stopping iteration",
            lambda level: is_known(level.summary.early_stop_step),
        )
    yield from _lacking(
        method, "test accuracy", lambda level: is_known(level.summary.test_accuracy)
    )
    yield from _lacking(
        method,
        "densities by layer (the run was made before they were recorded)",
        lambda level: bool(level.layers),
    )


def _lacking(method: MethodResults, what: str, has: Callable[[LevelRecord], bool]) -> Iterator[str]:
    replicates: dict[tuple[int, ...], list[RunRecord]] = defaultdict(list)
    for run in method.records:
        replicates[tuple(n for n, level in run.levels.items() if not has(level))].append(run)
    for numbers, runs in replicates.items():
        if numbers:
            where = ", ".join(run.replicate for run in runs)
            yield f"{format_levels(numbers)} of {where} without {what}."
