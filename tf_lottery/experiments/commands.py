"""What `main.py` can be asked to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.config.export import ExportConfig
from tf_lottery.config.launching import LOCAL, Launcher
from tf_lottery.config.matching import DEFAULT_POINTS


@dataclass(frozen=True)
class RunExperiments:
    """Runs experiments: replicates, and the values of a sweep.

    Attributes:
      configs: the experiments.
      controls: branches to run of each, once the levels that they start from are finished.
      control_levels: those levels; None: all.
      matching_tolerance: points that a level's test accuracy may be below the dense network's and
        still matches it.
      overwrite: whether the exported ticket may replace another export.
      report: whether a report of them is written when they have ended.
      jobs: how many trainings run at once, each in a process of its own; None: as many as this
        machine is good for; 1: one after the other in this process.
      launcher: what begins them.
    """

    configs: tuple[ExperimentConfig, ...]
    controls: tuple[str, ...] = ()
    control_levels: tuple[int, ...] | None = None
    matching_tolerance: float = field(default=DEFAULT_POINTS, kw_only=True)
    overwrite: bool = field(default=False, kw_only=True)
    report: bool = field(default=False, kw_only=True)
    jobs: int | None = field(default=1, kw_only=True)
    launcher: Launcher = field(default=LOCAL, kw_only=True)


@dataclass(frozen=True)
class RunBranches:
    """Runs branches of finished or running experiments.

    Attributes:
      runs: run folders, or the folders of all replicates of an experiment.
      replicates: those to take of the latter; None: all that are there.
      branches: names of branches.
      levels: those to start from; None: all that are finished.
      changes: flag values that were given.
      matching_tolerance: as of `RunExperiments`.
      for_analysis: as of `run_branch`.
      jobs: as of `RunExperiments`.
      launcher: as of `RunExperiments`.
    """

    runs: tuple[Path, ...]
    replicates: tuple[int, ...] | None
    branches: tuple[str, ...]
    levels: tuple[int, ...] | None
    changes: Mapping[str, Any]
    matching_tolerance: float = field(default=DEFAULT_POINTS, kw_only=True)
    for_analysis: bool = field(default=False, kw_only=True)
    jobs: int | None = field(default=1, kw_only=True)
    launcher: Launcher = field(default=LOCAL, kw_only=True)


@dataclass(frozen=True)
class WriteReport:
    """Writes a report of run folders.

    Attributes:
      runs: run folders, or the folders of all replicates of an experiment.
      folder: where to; None: beside the runs.
      expected: flag values that were given: those that the runs should have been made with.
      matching_tolerance: as of `RunExperiments`.
    """

    runs: tuple[Path, ...]
    folder: Path | None
    expected: Mapping[str, Any] = field(default_factory=dict)
    matching_tolerance: float = field(default=DEFAULT_POINTS, kw_only=True)


@dataclass(frozen=True)
class ListRuns:
    """Lists the runs below a folder."""

    workdir: Path


@dataclass(frozen=True)
class VerifyRuns:
    """Reads all files of runs and says what is damaged.

    Attributes:
      workdir: whose runs are verified, if none is named.
      runs: run folders, or folders that hold some.
      expected: as of `WriteReport`.
    """

    workdir: Path
    runs: tuple[Path, ...] = ()
    expected: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Analyze:
    """Measures run folders.

    Attributes:
      analysis: its name.
      runs: run folders, or the folders of all replicates of an experiment.
      replicates: those to take of the latter; None: all that are there.
      levels: those to look at; None: all that are finished.
      options: of the analysis, by name; those that are missing are at their defaults.
      here: flag values that were given and say where the data are, and the run to compare with.
      expected: other flag values that were given: those that the runs should have been made with.
      jobs: as of `RunExperiments`.
      launcher: as of `RunExperiments`.
    """

    analysis: str
    runs: tuple[Path, ...]
    replicates: tuple[int, ...] | None
    levels: tuple[int, ...] | None
    options: Mapping[str, Any]
    here: Mapping[str, Any]
    expected: Mapping[str, Any] = field(default_factory=dict)
    jobs: int | None = field(default=1, kw_only=True)
    launcher: Launcher = field(default=LOCAL, kw_only=True)


@dataclass(frozen=True)
class ExportTickets:
    """Exports a ticket of each run folder.

    Attributes:
      runs: run folders, or the folders of all replicates of an experiment.
      replicates: those to take of the latter; None: all that are there.
      level: of the ticket; None: the last one that is finished.
      folder: where to; None: export/level_N in each run folder.
      options: of the export.
      here: flag values that were given and say where the data are.
      expected: other flag values that were given: those that the runs should have been made with.
    """

    runs: tuple[Path, ...]
    replicates: tuple[int, ...] | None
    level: int | None
    folder: Path | None
    options: ExportConfig
    here: Mapping[str, Any] = field(default_factory=dict)
    expected: Mapping[str, Any] = field(default_factory=dict)


# What trains, or may. Of several workers all take part in it; everything else is the chief's.
TrainingCommand = RunExperiments | RunBranches | Analyze

Command = TrainingCommand | WriteReport | ListRuns | VerifyRuns | ExportTickets
