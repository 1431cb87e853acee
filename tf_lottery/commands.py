"""What `main.py` is asked to do, from its flags: experiments, branches, a report or a list."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from absl import flags

from tf_lottery.analysis_config import AnalysisConfig
from tf_lottery.config import ExperimentConfig, RunConfig, config_from_values
from tf_lottery.flags import (
    ANALYSES,
    config_from_flags,
    config_options,
    define_config_flags,
    define_options,
    given_values,
)
from tf_lottery.ranges import parse_ranges
from tf_lottery.sweeps import combinations


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


@dataclass(frozen=True)
class Analyze:
    """Measures run folders.

    Attributes:
      analysis: one of `flags.ANALYSES`.
      runs: run folders, or the folders of all replicates of an experiment.
      replicates: those to take of the latter; None: all that are there.
      levels: those to look at; None: all that are finished.
      options: of the analysis.
      here: flag values that were given and say where the data are, and the run to compare with.
      expected: other flag values that were given: those that the runs should have been made with.
    """

    analysis: str
    runs: tuple[Path, ...]
    replicates: tuple[int, ...] | None
    levels: tuple[int, ...] | None
    options: AnalysisConfig
    here: Mapping[str, Any]
    expected: Mapping[str, Any] = field(default_factory=dict)


Command = RunExperiments | RunBranches | WriteReport | ListRuns | Analyze


def define_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags of the configuration, and those that say what is to be done with it."""
    define_config_flags(flag_values)
    define_options(fields(AnalysisConfig), flag_values)
    flags.DEFINE_multi_string(
        "run",
        [],
        "For branches, reports and analyses: a run folder, WORKDIR/NAME/replicate_R, or "
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
    if kind in ANALYSES:
        return _analysis(flag_values)
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


_ANALYSIS_FLAGS = tuple(field.name for field in fields(AnalysisConfig))
_OF_LINES = ("interpolate", "instability", "successive_levels", "robustness", "same_region")

_ONLY_FOR = {
    "run": ("branch", "report", *ANALYSES),
    "branch": ("branch",),
    "branch_seed": ("branch",),
    "perturbation": ("branch",),
    "other_run": ("branch", "same_region"),
    "replicates": ("lottery", "train", "branch", *ANALYSES),
    "sweep": ("lottery", "train"),
    "report_dir": ("report",),
    "tolerance": ("report",),
    **dict.fromkeys(_ANALYSIS_FLAGS, ANALYSES),
    "solutions": ("interpolate",),
    **dict.fromkeys(("points", "line_mask", "line_statistics", "line_split"), _OF_LINES),
    **dict.fromkeys(("copies", "random_masks"), ("instability", "stability")),
    "stable_below": ("instability",),
    **dict.fromkeys(("perturbations", "directions"), ("robustness",)),
    **dict.fromkeys(("pairs", "matching_tolerance"), ("successive_levels",)),
    **dict.fromkeys(
        ("curvature_examples", "eigenvalues", "loss_rise", "curvature_seed"), ("curvature",)
    ),
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
    asked = {"experiment", "branch", "levels", "replicate"}
    return RunBranches(
        _runs(flag_values),
        _chosen_replicates(flag_values),
        tuple(names),
        _chosen_levels(flag_values),
        {name: value for name, value in given_values(flag_values).items() if name not in asked},
    )


def _analysis(flag_values: flags.FlagValues) -> Analyze:
    here = {field.name for field in fields(RunConfig)} - {"experiment"} | {"other_run"}
    asked = {"experiment", "levels", "replicate"}
    given = given_values(flag_values)
    return Analyze(
        flag_values["experiment"].value,
        _runs(flag_values),
        _chosen_replicates(flag_values),
        _chosen_levels(flag_values),
        AnalysisConfig(**{name: flag_values[name].value for name in _ANALYSIS_FLAGS}),
        {name: value for name, value in given.items() if name in here},
        {name: value for name, value in given.items() if name not in here | asked},
    )


def _chosen_levels(flag_values: flags.FlagValues) -> tuple[int, ...] | None:
    if not flag_values["levels"].present:
        return None
    return tuple(parse_ranges(str(flag_values["levels"].value), "--levels"))


def _chosen_replicates(flag_values: flags.FlagValues) -> tuple[int, ...] | None:
    replicates = flag_values["replicates"].value
    if replicates is None and flag_values["replicate"].present:
        replicates = str(flag_values["replicate"].value)
    return None if replicates is None else tuple(parse_ranges(replicates, "--replicates"))


def _experiments(flag_values: flags.FlagValues) -> Iterator[ExperimentConfig]:
    values = {name: flag_values[name].value for name in config_options()}
    if not isinstance(values["levels"], int):
        raise ValueError(
            f"--levels={values['levels']} names several levels, for --experiment=branch; here it "
            "is the number of prunings."
        )
    replicates = _wanted_replicates(flag_values)
    names = set()
    base = config_from_flags(flag_values)
    for changes in combinations(flag_values["sweep"].value):
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
