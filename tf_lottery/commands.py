"""What `main.py` is asked to do, from its flags: experiments, branches, a report or a list."""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from absl import flags

from tf_lottery.config import ExperimentConfig, config_from_values
from tf_lottery.flags import config_options, define_config_flags, given_values
from tf_lottery.ranges import parse_ranges


@dataclass(frozen=True)
class RunExperiments:
    """Runs experiments one after the other: replicates, and the values of a sweep."""

    configs: tuple[ExperimentConfig, ...]


@dataclass(frozen=True)
class RunBranches:
    """Runs branches of finished or running experiments.

    Attributes:
      runs: run folders, or the folders of all replicates of an experiment.
      replicates: those to take of the latter; None: all that are there.
      branches: names of branches.
      levels: those to start from; None: all that are finished.
      changes: flag values that were given.
    """

    runs: tuple[Path, ...]
    replicates: tuple[int, ...] | None
    branches: tuple[str, ...]
    levels: tuple[int, ...] | None
    changes: Mapping[str, Any]


@dataclass(frozen=True)
class WriteReport:
    """Writes a report of run folders.

    Attributes:
      runs: run folders, or the folders of all replicates of an experiment.
      folder: where to; None: beside the runs.
      tolerance: how far a ticket's accuracy may be below the dense network's, as a fraction; None:
        one standard deviation of the dense replicates.
    """

    runs: tuple[Path, ...]
    folder: Path | None
    tolerance: float | None


@dataclass(frozen=True)
class ListRuns:
    """Lists the runs below a folder."""

    workdir: Path


Command = RunExperiments | RunBranches | WriteReport | ListRuns


def define_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags of the configuration, and those that say what is to be done with it."""
    define_config_flags(flag_values)
    flags.DEFINE_multi_string(
        "run",
        [],
        "For --experiment=branch and report: a run folder, WORKDIR/NAME/replicate_R, or "
        "WORKDIR/NAME for all its replicates; may be given several times.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "replicates",
        None,
        "In place of --replicate: several, one after the other, such as 1-5.",
        flag_values=flag_values,
    )
    flags.DEFINE_multi_string(
        "sweep",
        [],
        "FLAG:VALUE,VALUE,...: runs the experiment with each value, as NAME_FLAG_VALUE; may be "
        "given several times, for all combinations. A value with a comma is put in double quotes.",
        flag_values=flag_values,
    )
    flags.DEFINE_string(
        "report_dir",
        None,
        "Folder of --experiment=report; unset: WORKDIR/NAME/report.",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "tolerance",
        None,
        "Points of test accuracy that a ticket of --experiment=report may be below the dense "
        "network; unset: one standard deviation of the dense replicates.",
        flag_values=flag_values,
    )


def command_from_flags(flag_values: flags.FlagValues = flags.FLAGS) -> Command:
    """Reads the parsed flags.

    Raises:
      ValueError: if a value is out of range, missing, or of no use here; names the flag.
    """
    kind = flag_values["experiment"].value
    _refuse_useless_flags(kind, flag_values)
    if kind == "branch":
        return _branches(flag_values)
    if kind == "report":
        tolerance = flag_values["tolerance"].value
        if tolerance is not None and not 0 <= tolerance <= 100:
            raise ValueError(f"--tolerance={tolerance} is out of range: use 0 to 100 points.")
        folder = flag_values["report_dir"].value
        return WriteReport(
            _runs(flag_values),
            None if folder is None else Path(folder).expanduser(),
            None if tolerance is None else tolerance / 100,
        )
    if kind == "list":
        return ListRuns(Path(flag_values["workdir"].value).expanduser())
    configs = tuple(_experiments(flag_values))
    export_dir = flag_values["export_dir"].value
    if export_dir and len(configs) > 1:
        raise ValueError(
            f"--export_dir={export_dir} takes one ticket, but these are {len(configs)} runs; give "
            "it with the flags of one of them."
        )
    return RunExperiments(configs)


# What results depend on; replicates have a flag of their own.
_SWEEPABLE = set(ExperimentConfig().identity()) - {"replicate"}

_ONLY_FOR = {
    "run": ("branch", "report"),
    "branch": ("branch",),
    "branch_seed": ("branch",),
    "other_run": ("branch",),
    "replicates": ("lottery", "train", "branch"),
    "sweep": ("lottery", "train"),
    "report_dir": ("report",),
    "tolerance": ("report",),
}


def _refuse_useless_flags(kind: str, flag_values: flags.FlagValues) -> None:
    for name, kinds in _ONLY_FOR.items():
        flag = flag_values[name]
        if flag.present and flag.value != flag.default and kind not in kinds:
            values = flag.value if isinstance(flag.value, list) else [flag.value]
            given = " ".join(f"--{name}={value}" for value in values)
            raise ValueError(
                f"{given} is for --experiment={' or '.join(kinds)}, but --experiment={kind} was "
                "given."
            )


def _runs(flag_values: flags.FlagValues) -> tuple[Path, ...]:
    runs = flag_values["run"].value
    if not runs:
        raise ValueError(
            f"--experiment={flag_values['experiment'].value} needs --run=WORKDIR/NAME, or "
            "--run=WORKDIR/NAME/replicate_R."
        )
    return tuple(Path(run).expanduser() for run in runs)


def _branches(flag_values: flags.FlagValues) -> RunBranches:
    names = [name.strip() for name in (flag_values["branch"].value or "").split(",")]
    if not all(names):
        raise ValueError(f"--branch={flag_values['branch'].value}: name the branches to run.")
    levels, given = None, given_values(flag_values)
    if "levels" in given:
        levels = tuple(parse_ranges(str(given["levels"]), "--levels"))
    asked = {"experiment", "branch", "levels", "replicate"}
    replicates = flag_values["replicates"].value
    if replicates is None and flag_values["replicate"].present:
        replicates = str(flag_values["replicate"].value)
    return RunBranches(
        _runs(flag_values),
        None if replicates is None else tuple(parse_ranges(replicates, "--replicates")),
        tuple(names),
        levels,
        {name: value for name, value in given.items() if name not in asked},
    )


def _experiments(flag_values: flags.FlagValues) -> Iterator[ExperimentConfig]:
    values = {name: flag_values[name].value for name in config_options()}
    if not isinstance(values["levels"], int):
        raise ValueError(
            f"--levels={values['levels']} names several levels, for --experiment=branch; here it "
            "is the number of prunings."
        )
    replicates = _wanted_replicates(flag_values)
    names = set()
    base = config_from_values(values)
    for changes in _combinations(flag_values["sweep"].value):
        name = "_".join([base.name, *(f"{flag}_{text}" for flag, (text, _) in changes.items())])
        name = re.sub(r"[^A-Za-z0-9._-]", "_", name)
        if name in names:
            raise ValueError(f"--sweep: two of the runs would be named {name}; leave one out.")
        names.add(name)
        swept = {flag: value for flag, (_, value) in changes.items()}
        if changes:
            swept["name"] = name
        for replicate in replicates:
            yield config_from_values({**values, **swept, "replicate": replicate})


def _wanted_replicates(flag_values: flags.FlagValues) -> list[int]:
    text = flag_values["replicates"].value
    if text is None:
        return [flag_values["replicate"].value]
    replicates = parse_ranges(text, "--replicates")
    if replicates[0] < 1:
        raise ValueError(f"--replicates={text}: replicates are numbered from 1.")
    return replicates


def _combinations(sweeps: list[str]) -> Iterator[dict[str, tuple[str, Any]]]:
    """All combinations of the sweeps' values: flag to its text and its value."""
    choices: dict[str, list[tuple[str, Any]]] = {}
    for sweep in sweeps:
        name, _, texts = sweep.partition(":")
        name = name.strip().removeprefix("--")
        if name not in _SWEEPABLE or not texts.strip():
            raise ValueError(
                f"--sweep={sweep}: write FLAG:VALUE,VALUE,..., such as rewind_step:0it,500it, with "
                "a flag that the results depend on."
            )
        if name in choices:
            raise ValueError(
                f"--sweep={sweep}: another --sweep has --{name}; give all values in one."
            )
        choices[name] = [(text, _parsed(name, text, sweep)) for text in _split(texts, sweep)]
    for values in product(*choices.values()):
        yield dict(zip(choices, values, strict=True))


def _split(texts: str, sweep: str) -> list[str]:
    try:
        row = next(csv.reader([texts], skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise ValueError(
            f'--sweep={sweep}: put values with a comma in double quotes, such as "1ep,2ep",3ep.'
        ) from error
    return [text.strip() for text in row]


def _parsed(name: str, text: str, sweep: str) -> Any:
    values = flags.FlagValues()
    define_config_flags(values)
    try:
        values(["sweep", f"--{name}={text}"])
    except flags.Error as error:
        raise ValueError(f"--sweep={sweep}: {error}") from error
    if name == "levels" and not isinstance(values[name].value, int):
        raise ValueError(f"--sweep={sweep}: {text} is not a number of prunings, such as 10.")
    return values[name].value
