"""Which runs of a report are one sweep, and the values that were swept."""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tf_lottery.config.experiment import config_options
from tf_lottery.report.known_flags import known_flags
from tf_lottery.report.method_results import (
    OF_A_REPLICATE,
    MethodResults,
    change_text,
    flag_text,
)

_STEPS = re.compile(r"(\d+(?:\.\d+)?)\s*(it|ep|%)?")
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
    found = [
        (group.flag, list(group.runs.values()))
        for group in _groups(methods)
        if not group.is_of_replicates
    ]
    sweeps = {flag for flag, _ in found}
    return [_sweep(flag, runs, sorted(sweeps - {flag})) for flag, runs in found]


def not_in_sweeps(methods: Sequence[MethodResults]) -> list[str]:
    """Says which runs are not in the figures of sweeps although they were swept.

    Args:
      methods: runs and branches.
    """
    sentences = []
    for group in _groups(methods):
        if group.is_of_replicates:
            sentences.append(
                f"The sweep of --{group.flag} has no figure: replicates whose pruning rates were "
                "chosen (--pruning_rate=auto) have no densities in common to take means at."
            )
        sentences += [
            f"{run.run} is not in the figure of the sweep: {group.runs[value].run} has the same "
            f"--{group.flag}."
            for value, run in group.again
            if not group.is_of_replicates
        ]
    return list(dict.fromkeys(sentences))


@dataclass(frozen=True)
class _Group:
    """Runs that differ in a flag alone: one for each value, and further ones of the same values."""

    flag: str
    runs: dict[str, MethodResults]
    again: list[tuple[str, MethodResults]]

    @property
    def is_of_replicates(self) -> bool:
        """Whether replicates of a run are runs of their own."""
        return any(_folder(run) == _folder(self.runs[value]) for value, run in self.again)


def _groups(methods: Sequence[MethodResults]) -> list[_Group]:
    runs = [(method, known_flags(method.identity)) for method in methods if method.branch is None]
    names = sorted({flag for _, flags in runs for flag in flags} - OF_A_REPLICATE)
    groups: dict[tuple[str, ...], _Group] = {}
    for name in names:
        for method, flags in runs:
            before, named, _ = _folder(method).name.partition(f"_{name}_")
            if named and name in flags:
                key = name, before, _without(flags, name)
                group = groups.setdefault(key, _Group(name, {}, []))
                value = _parsed(name, flags[name])
                if value in group.runs:
                    group.again.append((value, method))
                else:
                    group.runs[value] = method
    return [group for group in groups.values() if len(group.runs) > 1]


def _parsed(flag: str, value: Any) -> str:
    """A value of a flag as text, the same of all that mean the same."""
    step = _STEPS.fullmatch(value.strip()) if isinstance(value, str) else None
    if step and (step[2] or _is_point(flag)):
        return f"{float(step[1])}{step[2] or 'it'}"
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return json.dumps(float(value) if is_number else value)


def _is_point(flag: str) -> bool:
    """Whether a flag is a point in training."""
    option = config_options().get(flag)
    reads = None if option is None else option.metadata["reads"]
    with suppress(ValueError):
        return reads is not None and isinstance(reads(f"--{flag}", "1ep"), int)
    return False


def _sweep(flag: str, group: Sequence[MethodResults], others: Sequence[str]) -> Sweep:
    flags = [known_flags(method.identity) for method in group]
    values = [of_run[flag] for of_run in flags]
    numbers, unit = _numbers(flag, group, values)
    if numbers is None:
        pairs = zip(values, group, strict=True)
        runs = [SweptRun(flag_text(value), None, method) for value, method in pairs]
    else:
        ordered = sorted(zip(numbers, values, group, strict=True), key=lambda one: one[0])
        runs = [SweptRun(flag_text(value), number, method) for number, value, method in ordered]
    setting = ", ".join(change_text(name, flags[0][name]) for name in others if name in flags[0])
    return Sweep(flag, setting, unit, tuple(runs))


def _numbers(
    flag: str, group: Sequence[MethodResults], values: Sequence[Any]
) -> tuple[list[float] | None, str]:
    """The values as numbers, each once, with their unit; None if one is none."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return [float(value) for value in values], ""
    texts = [value.strip() for value in values if isinstance(value, str)]
    steps = [step for step in map(_STEPS.fullmatch, texts) if step]
    if len(steps) == len(values) and (all(step[2] for step in steps) or _is_point(flag)):
        units = {step[2] or "it" for step in steps}
        if len(units) == 1:
            return [float(step[1]) for step in steps], _UNITS[units.pop()]
        # In several units: as iterations, which the run has recorded.
        recorded = [getattr(method.records[0].details, flag, None) for method in group]
        iterations = [number for number in recorded if isinstance(number, int)]
        if len(set(iterations)) == len(values):
            return [float(number) for number in iterations], _UNITS["it"]
    return None, ""


def _folder(method: MethodResults) -> Path:
    return method.records[0].path.parent


def _without(identity: Mapping[str, Any], flag: str) -> str:
    ignored = {*OF_A_REPLICATE, flag}
    kept = {name: value for name, value in identity.items() if name not in ignored}
    return json.dumps(kept, sort_keys=True)
