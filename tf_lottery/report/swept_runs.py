"""Which runs of a report are one sweep, and the values that were swept."""

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tf_lottery.report.method_results import (
    OF_A_REPLICATE,
    MethodResults,
    change_text,
    flag_text,
)

_STEPS = re.compile(r"(\d+(?:\.\d+)?)(it|ep|%)")
_UNITS = {"it": "iterations", "ep": "epochs", "%": "% of training"}


@dataclass(frozen=True)
class SweptRun:
    """A run of a sweep.

    Attributes:
      value: of the swept flag, as text.
      number: the value on a numeric axis; None if the values are not all numbers.
      results: of the run.
    """

    value: str
    number: float | None
    results: MethodResults


@dataclass(frozen=True)
class Sweep:
    """Runs that differ in one flag alone, with two values or more.

    Attributes:
      flag: the flag.
      setting: values of the other swept flags, such as "learning rate 0.1"; empty without any.
      unit: of the numbers, such as "iterations"; may be empty.
      runs: by value.
    """

    flag: str
    setting: str
    unit: str
    runs: tuple[SweptRun, ...]


def find_sweeps(methods: Sequence[MethodResults]) -> list[Sweep]:
    """Finds the runs of --sweep, which are named NAME_FLAG_VALUE and differ in that flag.

    Args:
      methods: runs and branches; branches are in no sweep.

    Returns:
      A sweep for each flag and each combination of the others.
    """
    runs = [method for method in methods if method.branch is None and method.identity]
    flags = sorted({flag for method in runs for flag in method.identity} - OF_A_REPLICATE)
    groups: dict[tuple[str, ...], list[MethodResults]] = defaultdict(list)
    for flag in flags:
        for method in runs:
            before, named, _ = _folder(method).partition(f"_{flag}_")
            if named:
                groups[flag, before, _without(method.identity, flag)].append(method)
    found = [
        (flag, group)
        for (flag, _, _), group in groups.items()
        if len({json.dumps(method.identity[flag]) for method in group}) == len(group) > 1
    ]
    sweeps = {flag for flag, _ in found}
    return [_sweep(flag, group, sorted(sweeps - {flag})) for flag, group in found]


def _sweep(flag: str, group: Sequence[MethodResults], others: Sequence[str]) -> Sweep:
    values = [method.identity[flag] for method in group]
    numbers, unit = _numbers(flag, group, values)
    if numbers is None:
        pairs = zip(values, group, strict=True)
        runs = [SweptRun(flag_text(value), None, method) for value, method in pairs]
    else:
        ordered = sorted(zip(numbers, values, group, strict=True), key=lambda one: one[0])
        runs = [SweptRun(flag_text(value), number, method) for number, value, method in ordered]
    setting = ", ".join(change_text(name, group[0].identity[name]) for name in others)
    return Sweep(flag, setting, unit, tuple(runs))


def _numbers(
    flag: str, group: Sequence[MethodResults], values: Sequence[Any]
) -> tuple[list[float] | None, str]:
    """The values as numbers, each once, with their unit; None if one is none."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return [float(value) for value in values], ""
    texts = [value for value in values if isinstance(value, str)]
    steps = [step for step in map(_STEPS.fullmatch, texts) if step]
    if len(steps) == len(values):
        units = {step[2] for step in steps}
        if len(units) == 1:
            return [float(step[1]) for step in steps], _UNITS[units.pop()]
        # In several units: as iterations, which the run has recorded.
        recorded = [getattr(method.records[0].details, flag, None) for method in group]
        iterations = [number for number in recorded if isinstance(number, int)]
        if len(set(iterations)) == len(values):
            return [float(number) for number in iterations], _UNITS["it"]
    return None, ""


def _folder(method: MethodResults) -> str:
    return method.records[0].path.parent.name


def _without(identity: Mapping[str, Any], flag: str) -> str:
    ignored = {*OF_A_REPLICATE, flag}
    kept = {name: value for name, value in identity.items() if name not in ignored}
    return json.dumps(kept, sort_keys=True)
