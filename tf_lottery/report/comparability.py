"""Whether the runs of a report can be compared: their data, their networks and their flags."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from tf_lottery.report.known_flags import known_flags
from tf_lottery.report.method_results import OF_A_REPLICATE, MethodResults, flag_text
from tf_lottery.report.run_records import RunRecord
from tf_lottery.store.training_rules import FRESH_SLOTS_FOR_NEW_WEIGHTS, outdated_rules

_OF_A_BRANCH = frozenset({"branch", "branch_seed", "other_run", "perturbation"})
# Branches whose weights are drawn anew.
_NEW_WEIGHTS = frozenset({"random_reinitialization", "signed_reinitialization", "signed_constant"})
_ABSENT = "not recorded"


@dataclass(frozen=True)
class FlagTable:
    """Flags that differ.

    Attributes:
      columns: labels of the methods.
      rows: name of the flag, and its value in each column.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def comparability_notices(methods: Sequence[MethodResults]) -> list[str]:
    """Warns of comparisons and means that mix what does not belong together.

    Args:
      methods: runs and branches.

    Returns:
      Sentences; none if the data and the network are the same throughout.
    """
    runs = [method for method in methods if method.branch is None]
    data_sets = _labels_by_value(runs, lambda record: record.data_name)
    networks = _labels_by_value(runs, lambda record: record.model)
    contents = _labels_by_value(runs, lambda record: record.details and record.details.data_sha256)
    notices = []
    if len(data_sets) > 1 and len(contents) != 1:
        notices.append(f"Different data sets are compared here: {_listing(data_sets)}.")
    elif len(contents) > 1:
        notices.append(
            "The examples differ, although the data set has the same name: "
            + _listing({f"SHA-256 {content[:12]}…": of for content, of in contents.items()})
            + "."
        )
    if len(networks) > 1:
        notices.append(f"Different networks are compared here: {_listing(networks)}.")
    for method in methods:
        mixed = _flags_that_differ([known_flags(record.identity) for record in method.records])
        ignored = OF_A_REPLICATE | _OF_A_BRANCH | _renamed_alone(method.records)
        mixed = [flag for flag in mixed if flag not in ignored]
        if mixed:
            flags = ", ".join(f"--{flag}" for flag in mixed)
            notices.append(
                f"{method.label}: the replicates, of which means are taken, differ in {flags}."
            )
    return notices + _rule_notices(methods)


def _renamed_alone(records: Sequence[RunRecord]) -> set[str]:
    """Flags whose files have the same content in all runs, whatever they are called."""
    details = [record.details for record in records if record.details is not None]
    digests = {
        "dataset": {one.data_sha256 for one in details},
        "initial_weights": {one.initial_weights_sha256 for one in details},
    }
    return {flag for flag, found in digests.items() if len(found) == 1}


def _rule_notices(methods: Sequence[MethodResults]) -> list[str]:
    """Tells of networks that an older version trained otherwise, also as steps of analyses."""
    by_rule: dict[str, list[str]] = {}
    for method in methods:
        branches = [branch for record in method.records for branch in record.branches.values()]
        copies = [branch for branch in branches if branch.for_analysis]
        for label, records in (
            (method.label, method.records),
            (f"{method.label} (copies)", copies),
        ):
            # Level 0 of a run, unlike that of a branch, follows no rewinding.
            rules = [
                [*outdated_rules(record.identity, record.details), *_old_slots(record)]
                for record in records
                if record.details is not None
                and any(level or record.identity.branch for level in record.levels)
            ]
            for rule in dict.fromkeys(chain(*rules)):
                by_rule.setdefault(rule, []).append(label)
    return [
        f"Made by an older version of tf_lottery: {', '.join(labels)}. There {rule}."
        for rule, labels in by_rule.items()
    ]


def _old_slots(record: RunRecord) -> list[str]:
    """Says so of a branch whose new weights began with the optimizer's slots of the old ones."""
    identity, details = record.identity, record.details
    has_slots = identity.optimizer != "sgd" or identity.get("momentum", 0) > 0
    if (
        details is None
        or details.rules >= FRESH_SLOTS_FOR_NEW_WEIGHTS
        or identity.branch not in _NEW_WEIGHTS
        or not (identity.rewind_optimizer and details.rewind_step > 0 and has_slots)
        or not any(record.levels)
    ):
        return []
    return [
        "the new weights began with the optimizer's slots of the old ones (--rewind_optimizer); "
        "now they begin with fresh slots"
    ]


def flag_differences(methods: Sequence[MethodResults]) -> FlagTable:
    """Lists the flags whose values are not the same in all runs and branches.

    Args:
      methods: runs and branches; those of which no config.json can be read are left out.

    Returns:
      The table, without rows if all flags agree.
    """
    runs = {method.run: known_flags(method.identity) for method in methods if method.branch is None}
    flags = {method.label: {**runs[method.run], **method.changes} for method in methods}
    flags = {label: values for label, values in flags.items() if values}
    rows = tuple(
        (flag, tuple(_text(values, flag) for values in flags.values()))
        for flag in _flags_that_differ(list(flags.values()))
        if flag != "replicate"
    )
    return FlagTable(tuple(flags), rows)


def _flags_that_differ(values: Sequence[Mapping[str, Any]]) -> list[str]:
    known = [flags for flags in values if flags]
    names = sorted({name for flags in known for name in flags})
    return [name for name in names if len({_text(flags, name) for flags in known}) > 1]


def _text(flags: Mapping[str, Any], name: str) -> str:
    return flag_text(flags[name]) if name in flags else _ABSENT


def _labels_by_value(
    methods: Iterable[MethodResults], of: Callable[[RunRecord], Any]
) -> dict[str, list[str]]:
    """Returns the labels of the methods by each value that any of their replicates has."""
    labels_by_value: dict[str, list[str]] = {}
    for method in methods:
        for value in dict.fromkeys(of(record) for record in method.records):
            if value is not None:
                labels_by_value.setdefault(str(value), []).append(method.label)
    return labels_by_value


def _listing(labels_by_value: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"{value} ({', '.join(labels)})" for value, labels in labels_by_value.items())
