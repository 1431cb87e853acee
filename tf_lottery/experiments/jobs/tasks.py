"""What a command is made of: tasks that can be done side by side, each by a process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.config.launching import LOCAL
from tf_lottery.experiments.branch_config import changes_taken, plan_branch
from tf_lottery.experiments.commands import Analyze, Command, RunBranches, RunExperiments
from tf_lottery.experiments.finished.runs import takes_all_devices
from tf_lottery.experiments.jobs.outcome import Outcome, TaskFailedError
from tf_lottery.experiments.refusals.dense_identity import dense_training_of
from tf_lottery.store.level_folder import LevelFolder
from tf_lottery.store.run_folder import BRANCHES_FOLDER, RunFolder
from tf_lottery.store.seal import checksum


@dataclass(frozen=True)
class Task:
    """A command that one process does; done once more, it changes nothing.

    Attributes:
      title: what it is, among the others.
      command: of one run.
      folder: that it writes to, which no two tasks do at once.
      run: the run folder whose recorded way of computing it follows.
      after: places of tasks that have to be done first, among all tasks.
      levels: a run folder, and numbers of its levels. As soon as these levels are finished, the
        task may begin, whether the tasks of `after` are done or not; None: it waits for the tasks.
      helps: whether the task is done for a later one, which meets the same errors again.
    """

    title: str
    command: Command
    folder: Path
    run: Path
    after: tuple[int, ...] = ()
    levels: tuple[Path, tuple[int, ...]] | None = None
    helps: bool = False

    def may_begin(self, outcomes: Sequence[Outcome | None]) -> bool:
        """Whether what it needs is there, by the outcomes of all tasks so far."""
        if all(outcomes[place] is not None for place in self.after):
            return True
        return self._has_levels

    def cannot(self, outcomes: Sequence[Outcome | None], tasks: Sequence[Task]) -> bool:
        """Whether a task that it needs has failed."""
        before = ((outcomes[place], tasks[place]) for place in self.after)
        failed = any(
            outcome and outcome.error and not task.is_made_up_for(outcome)
            for outcome, task in before
        )
        return failed and not self._has_levels

    def is_made_up_for(self, outcome: Outcome) -> bool:
        """Whether the task after it meets the same error, and tells it."""
        return self.helps and not isinstance(outcome.error, TaskFailedError)

    @property
    def _has_levels(self) -> bool:
        if self.levels is None:
            return False
        run, levels = self.levels
        return set(levels) <= set(_finished(run))


def _finished(run: Path) -> list[int]:
    return RunFolder.read(run).complete_levels() if (run / "config.json").exists() else []


def tasks_of_experiments(command: RunExperiments) -> list[Task]:
    """A task for each run, and one for each of its controls."""
    names = {config.name for config in command.configs}
    tasks: list[Task] = []
    for config, source in _with_one_dense_training(command.configs):
        path, replicate = config.run_path, config.run_path.name
        title = f"{config.name}/{replicate}" if len(names) > 1 else replicate
        alone = replace(
            command,
            configs=(config,),
            controls=(),
            control_levels=None,
            report=False,
            jobs=1,
            launcher=LOCAL,
        )
        if source is None:
            tasks.append(Task(title, alone, path, path))
        else:
            levels = tasks[source].folder, (0,)
            tasks.append(Task(title, alone, path, path, (source,), levels))
    for place, config in enumerate(command.configs):
        path = config.run_path
        for control in command.controls:
            branches = RunBranches(
                (path,),
                None,
                (control,),
                command.control_levels,
                {},
                matching_tolerance=command.matching_tolerance,
            )
            tasks.append(
                Task(
                    f"{tasks[place].title} {control}",
                    branches,
                    path / BRANCHES_FOLDER / control,
                    path,
                    (place,),
                    (path, command.control_levels) if command.control_levels else None,
                )
            )
    return tasks


def _with_one_dense_training(
    configs: Sequence[ExperimentConfig],
) -> list[tuple[ExperimentConfig, int | None]]:
    """Has runs that differ in pruning alone take level 0 from the first of them.

    Returns:
      The configurations, each with the place of the one that it takes level 0 from; None where it
      trains level 0 itself.
    """
    places: dict[str, list[int]] = defaultdict(list)
    for place, config in enumerate(configs):
        places[checksum(dense_training_of(config))].append(place)
    found: list[tuple[ExperimentConfig, int | None]] = [(config, None) for config in configs]
    for first, *others in places.values():
        config = configs[first]
        # Those that are there take nothing.
        others = [place for place in others if not _has_dense_network(configs[place])]
        if not others or takes_all_devices(config.run):
            continue
        wanted = [*config.run.points_kept, *(configs[one].pruning.rewind_step for one in others)]
        kept = ",".join(dict.fromkeys(wanted))
        if not _has_dense_network(config):
            found[first] = replace(config, run=replace(config.run, keep_states=kept)), None
        for place in others:
            run = replace(configs[place].run, dense_from=str(config.run_path))
            found[place] = replace(configs[place], run=run), first
    return found


def _has_dense_network(config: ExperimentConfig) -> bool:
    return LevelFolder(config.run_path / "level_0").is_complete()


def tasks_of_branches(command: RunBranches, runs: Sequence[Path]) -> list[Task]:
    """A task for each branch of each run."""
    tasks = []
    for run in runs:
        for branch in command.branches:
            changes = changes_taken(run, branch, command.changes)
            alone = replace(
                command,
                runs=(run,),
                replicates=None,
                branches=(branch,),
                changes=changes,
                jobs=1,
                launcher=LOCAL,
            )
            plan = plan_branch(run, branch, changes)
            tasks.append(Task(f"{_title(run, runs)}{plan.label}", alone, plan.path, run))
    return tasks


def tasks_of_analysis(
    command: Analyze,
    runs: Sequence[Path],
    trainings: Callable[[Path], Sequence[RunBranches]],
) -> list[Task]:
    """Tasks for what an analysis trains of each run, and one that then measures it.

    Args:
      command: the analysis.
      runs: its run folders.
      trainings: gives the branches that are missing in a run.
    """
    tasks: list[Task] = []
    for run in runs:
        own = []
        for branches in trainings(run):
            (branch,) = branches.branches
            plan = plan_branch(run, branch, branches.changes)
            own.append(len(tasks))
            title = f"{_title(run, runs)}{plan.label}"
            tasks.append(Task(title, branches, plan.path, run, helps=True))
        alone = replace(command, runs=(run,), replicates=None, jobs=1, launcher=LOCAL)
        title = f"{_title(run, runs)}{command.analysis}"
        tasks.append(Task(title, alone, run / "landscape", run, tuple(own)))
    return tasks


def _title(run: Path, runs: Sequence[Path]) -> str:
    if len(runs) == 1:
        return ""
    same = len({path.parent.absolute() for path in runs}) == 1
    return f"{run.name if same else run.absolute().parent.name + '/' + run.name} "
