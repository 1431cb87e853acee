"""What run folders hold, as a report needs it: damaged parts are told, the rest is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tf_lottery.config.arguments import expanded
from tf_lottery.report.formats import is_known
from tf_lottery.report.run_state import RunState, find_branches, find_runs, read_run_state
from tf_lottery.store.csv_files import read_csv
from tf_lottery.store.errors import DamagedFileError, RunFolderError, problem_text
from tf_lottery.store.identity import Identity
from tf_lottery.store.level_folder import LevelFolder
from tf_lottery.store.run_details import RunDetails
from tf_lottery.store.run_folder import BRANCHES_FOLDER, RunFolder, data_name
from tf_lottery.store.schema import (
    METRICS_COLUMNS,
    NOT_COUNTED,
    RENAMED_METRICS,
    LevelSummary,
)

# Test accuracies, fractions, by iteration.
LearningCurve = Mapping[int, float]


@dataclass(frozen=True)
class LevelRecord:
    """A complete level.

    Attributes:
      summary: its outcome.
      layers: remaining and all weights of each prunable kernel, by name; empty if the run was
        made before that was recorded.
      not_counted: layers whose multiply-adds are not among those of the summary.
    """

    summary: LevelSummary
    layers: Mapping[str, tuple[int, int]]
    not_counted: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunRecord:
    """A run folder, or the folder of one of its branches.

    Attributes:
      path: WORKDIR/NAME/replicate_R, or branches/LABEL below that.
      identity: its flags; none if config.json cannot be read.
      details: what else is remembered of it; None if it is not known.
      state: whether it is done, running, stopped or broken.
      levels: the complete levels by number.
      curves: test accuracy by iteration, of each level that has evaluations.
      problems: what could not be read, with the file's path.
      branches: the branches by label; a branch has none.
    """

    path: Path
    identity: Identity
    details: RunDetails | None
    state: RunState
    levels: Mapping[int, LevelRecord]
    curves: Mapping[int, LearningCurve]
    problems: tuple[str, ...]
    branches: Mapping[str, "RunRecord"]

    @property
    def replicate(self) -> str:
        """Name of the replicate's folder, also of a branch's replicate."""
        parent = self.path.parent
        return parent.parent.name if parent.name == BRANCHES_FOLDER else self.path.name

    @property
    def data_name(self) -> str | None:
        """Name of the data that it was run on."""
        return data_name(self.identity, self.details)

    @property
    def model(self) -> str | None:
        """Name of its network; None if it is not known."""
        return self.identity.model if "model" in self.identity else None

    @property
    def changes(self) -> Mapping[str, Any]:
        """The flags that a branch changes of its run's."""
        return (self.details.changes if self.details else None) or {}

    @property
    def for_analysis(self) -> bool:
        """Whether it is a branch that is a step of an analysis."""
        return self.details is not None and self.details.for_analysis

    @property
    def levels_in_training(self) -> list[int]:
        """Levels that have evaluations but are not complete."""
        return sorted(self.curves.keys() - self.levels.keys())


def run_paths(folders: Sequence[Path]) -> list[Path]:
    """Finds the run folders that are meant.

    Args:
      folders: run folders, or folders that hold some.

    Returns:
      The run folders, absolute and each once, in the order of `folders`.

    Raises:
      ValueError: a folder is missing, holds no run, or is a branch of a run.
    """
    paths: dict[Path, None] = {}
    for given in folders:
        folder = expanded("--run", given).absolute()
        if ".." in folder.parts:
            folder = folder.resolve()
        if folder.parent.name == BRANCHES_FOLDER and (folder / "config.json").exists():
            raise ValueError(
                f"--run={given} is a branch; name its run, {folder.parent.parent}, to see both."
            )
        is_run = (folder / "config.json").exists()
        found = [folder] if is_run else find_runs(folder) if folder.is_dir() else []
        if not found:
            what = "has no run folder in it" if folder.is_dir() else "is no folder"
            raise ValueError(
                f"--run={given} {what}; name WORKDIR/NAME or WORKDIR/NAME/replicate_R of a run."
            )
        paths.update(dict.fromkeys(found))
    if not paths:
        raise ValueError("--run is empty; name at least one folder of a run.")
    return list(paths)


def read_run(path: Path) -> RunRecord:
    """Reads a run folder with its branches, or the folder of a branch.

    Args:
      path: the folder.

    Returns:
      What could be read; a damaged file is among the problems.
    """
    state = read_run_state(path)
    branches = {branch.name: read_run(branch) for branch in find_branches(path)}
    try:
        run = RunFolder.read(path)
    except (OSError, RunFolderError) as error:
        return RunRecord(path, Identity(), None, state, {}, {}, (problem_text(error),), branches)
    levels: dict[int, LevelRecord] = {}
    curves: dict[int, LearningCurve] = {}
    problems = list(state.problems)
    for number in run.level_numbers():
        try:
            _read_level(run.level(number), number, levels, curves)
        except (OSError, RunFolderError) as error:
            damaged = isinstance(error, DamagedFileError)
            text = f"{error.path} {error.problem}" if damaged else problem_text(error)
            if not any(text in problem for problem in problems):
                problems.append(problem_text(error))
    return RunRecord(
        path, run.identity, run.known_details, state, levels, curves, tuple(problems), branches
    )


def _read_level(
    folder: LevelFolder,
    number: int,
    levels: dict[int, LevelRecord],
    curves: dict[int, LearningCurve],
) -> None:
    if folder.is_complete():
        levels[number] = _level_record(folder)
        folder.verify([folder.metrics_path.name])
    elif not folder.metrics_path.exists():
        return
    rows = read_csv(folder.metrics_path, METRICS_COLUMNS, RENAMED_METRICS)
    curves[number] = {
        int(row["step"]): row["test_accuracy"] for row in rows if is_known(row["test_accuracy"])
    }


def _level_record(folder: LevelFolder) -> LevelRecord:
    record = folder.record()
    try:
        summary = LevelSummary.from_record(record)
        layers = {
            name: (int(remaining), int(total))
            for name, (remaining, total) in record.get("layers", {}).items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunFolderError(
            f"{folder.path} has a record that is not that of a level ({error!r})"
        ) from error
    return LevelRecord(summary, layers, tuple(record.get(NOT_COUNTED, ())))
