"""Levels at which a layer has no weight left: a mark in tables, and sentences."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from tf_lottery.report.formats import format_levels
from tf_lottery.report.method_results import MethodResults
from tf_lottery.store.empty_layers import CONSEQUENCE, no_weight_remains
from tf_lottery.store.schema import LevelSummary

_MARK = "*"


def marked_level(level: int, *, emptied: bool) -> str:
    """Writes a level, with a mark in front if a layer has no weight left there."""
    return f"{_MARK if emptied else ''}{level}"


def footnotes(summaries: Sequence[LevelSummary]) -> list[str]:
    """Says what the marks of a table mean.

    Args:
      summaries: the levels.

    Returns:
      Sentences; none if all layers have weights.
    """
    found = [
        f"{_MARK} {format_levels(levels)}: {no_weight_remains(layers)}."
        for layers, levels in _levels_by_layers(summaries).items()
    ]
    return [*found, CONSEQUENCE] if found else []


def emptied_notices(methods: Sequence[MethodResults]) -> list[str]:
    """Says of each run and branch which layers have no weight left, at which levels.

    Args:
      methods: runs and branches.

    Returns:
      A sentence for each of which a level has such layers.
    """
    return [
        f"{method.label}: {'; '.join(found)}." for method in methods if (found := _found_in(method))
    ]


def _found_in(method: MethodResults) -> list[str]:
    replicates = defaultdict(list)
    for record in method.records:
        summaries = [level.summary for level in record.levels.values()]
        for layers, levels in _levels_by_layers(summaries).items():
            replicates[layers, tuple(levels)].append(record.replicate)
    return [
        f"{no_weight_remains(layers)} at {format_levels(levels)}"
        + (f" of {', '.join(having)}" if len(having) < len(method.records) else "")
        for (layers, levels), having in replicates.items()
    ]


def _levels_by_layers(summaries: Sequence[LevelSummary]) -> Mapping[tuple[str, ...], list[int]]:
    levels = defaultdict(list)
    for summary in summaries:
        if summary.empty_layers:
            levels[summary.empty_layers].append(summary.level)
    return levels
