"""Networks trained anew from the rewind step: copies that differ in the data order, and others."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tf_lottery.config.steps import parse_steps
from tf_lottery.config.trained_copies import Copies
from tf_lottery.experiments.branch_config import check_kept_state, plan_branch
from tf_lottery.experiments.finished.branches import finished_levels, show_finished_branch
from tf_lottery.experiments.measuring.measured_run import ONE_DEVICE, MeasuredRun
from tf_lottery.experiments.measuring.training import Training
from tf_lottery.experiments.refusals.outdated_runs import refuse_outdated_copies
from tf_lottery.landscape.solutions import Solution
from tf_lottery.store.csv_files import Row
from tf_lottery.store.result_columns import network_place
from tf_lottery.store.run_folder import RunFolder

if TYPE_CHECKING:  # It imports TensorFlow, for which those that only look do not wait.
    from tf_lottery.experiments.measuring.analyzed_run import AnalyzedRun

# Seeds of the data order that copies of a replicate have for themselves, as have replicates.
_SEEDS = 1000
# What counts in place of a data seed of 0, whose copies would have the seeds of replicates.
_IN_PLACE_OF_0 = 1_000_000

# Rewind step, level, place among the networks, and one of `NETWORKS`.
NetworkKey = tuple[int, int, int, str]

# Baselines are branches of the same name.
_BRANCHES = {"dense": "rewound_dense", "ticket": "retrain"}


@dataclass(frozen=True)
class Networks:
    """What is trained by the same branch.

    Attributes:
      network: one of `NETWORKS`.
      levels: those to train.
      rewind_step: iteration that they are trained from.
    """

    network: str
    levels: tuple[int, ...]
    rewind_step: int

    @property
    def keys(self) -> list[NetworkKey]:
        """Of their rows."""
        place = network_place(self.network)
        return [(self.rewind_step, level, place, self.network) for level in self.levels]

    @property
    def branch(self) -> str:
        """Name of the branch."""
        return _BRANCHES.get(self.network, self.network)

    def training(self, measured: MeasuredRun, **changes: Any) -> Training:
        """The branch of a run that trains them, with flags that differ from the run's."""
        if self.rewind_step != measured.run.details.rewind_step:
            changes["rewind_step"] = f"{self.rewind_step}it"
        return Training(self.branch, self.levels, changes)


def check_rewinds(measured: MeasuredRun, analysis: str) -> None:
    """Checks that the run's levels are trained from the rewind step, as they would be today.

    Args:
      measured: the run.
      analysis: the `--experiment` that needs it.

    Raises:
      ValueError: if they are trained from elsewhere, the run is a branch (a branch cannot have
        branches), or copies were trained by other rules.
    """
    plan_branch(measured.run.path, "retrain", {})
    refuse_outdated_copies(measured.run)
    retraining = measured.config.pruning.retraining
    if retraining != "rewind_weights":
        raise ValueError(
            f"--experiment={analysis} trains from the rewind step, but {measured.run.path} was "
            f"made with --retraining={retraining}."
        )


def network_keys(measured: MeasuredRun, copies: Copies, levels: Sequence[int]) -> list[NetworkKey]:
    """The networks to look at: of each pruned level the ticket and `--baselines`.

    Raises:
      ValueError: if the run has not kept the state of a step to train from; says which it has.
    """
    of_pruned = "ticket", *copies.chosen_baselines
    return [
        key
        for step in _rewind_steps(measured, copies)
        for level in levels
        for network in (of_pruned if level else ("dense",))
        for key in Networks(network, (level,), step).keys
    ]


def _rewind_steps(measured: MeasuredRun, copies: Copies) -> list[int]:
    details, steps = measured.run.details, set()
    for point in copies.rewind_points:
        step = details.iteration(point, "--rewind_step")
        check_kept_state(measured.run, point, step)
        steps.add(step)
    return sorted(steps or {details.rewind_step})


def network_key(row: Row) -> NetworkKey:
    """Which network a row of an analysis' CSV file is about."""
    return row["rewind_step"], row["level"], network_place(row["network"]), row["network"]


def networks_to_train(missing: Sequence[NetworkKey]) -> list[Networks]:
    """The networks that are missing, by the branch that trains them."""
    levels: dict[tuple[int, int, str], list[int]] = defaultdict(list)
    for step, level, place, network in missing:
        levels[step, place, network].append(level)
    return [
        Networks(network, tuple(levels[step, place, network]), step)
        for step, place, network in sorted(levels)
    ]


def copies_to_train(measured: MeasuredRun, count: int, networks: Networks) -> list[Training]:
    """Copies of networks, trained from the rewind step, each in a data order of its own.

    They are branches of the run with a `--data_seed`, whose levels are the copies.
    """
    return [
        networks.training(measured, data_seed=seed_of_copy(measured, copy)) for copy in range(count)
    ]


def seed_of_copy(measured: MeasuredRun, copy: int) -> int:
    """The `--data_seed` of a copy; copies are counted from 0.

    Copies of two replicates have different seeds, and none that a replicate has, as long as there
    are no more than 1000 replicates; except those that an earlier version has trained.
    """
    seed = measured.config.data_seed
    earlier = (seed + _SEEDS + copy, _SEEDS * seed + 1 + copy)
    labels = [branch.name for branch in measured.run.branches()]
    for number in earlier:
        label = re.compile(rf"data_seed_{number}(?!\d)")
        if any(map(label.search, labels)):
            return number
    return _SEEDS * (seed or _IN_PLACE_OF_0) + 1 + copy


def train_branch(analyzed: AnalyzedRun, training: Training) -> RunFolder:
    """Trains a branch as a step of an analysis; what is there is not trained again.

    Returns:
      The folder of the branch.

    Raises:
      TrainingDivergedError: as `run_branch`.
    """
    from tf_lottery.experiments.running.branching import run_branch

    path, config = analyzed.run.path, analyzed.config.run
    plan = plan_branch(path, training.branch, {**training.changes, **ONE_DEVICE})
    if finished := finished_levels(plan, training.levels):
        # On devices that need not be here.
        show_finished_branch(plan, finished, None, {}, for_analysis=True)
        return RunFolder.read(plan.path)
    located = {name: value for name, value in analyzed.located.items() if name != "dataset"}
    run_branch(
        path,
        training.branch,
        training.levels,
        for_analysis=True,
        dataset=analyzed.experiment.dataset,
        data_dir=config.data_dir,
        manual_dir=config.manual_dir,
        **located,
        **training.changes,
    )
    return RunFolder.read(plan.path)


def solution_in(analyzed: AnalyzedRun, folder: RunFolder, level: int) -> Solution:
    """The solution of a level of the run or of one of its branches, named by its path."""
    path = folder.path / f"level_{level}"
    return analyzed.solution(str(path.relative_to(analyzed.run.path)))


def network_row(analyzed: AnalyzedRun, copies: int, key: NetworkKey, density: float) -> Row:
    """The values of `NETWORK_COLUMNS`."""
    lengths, training = analyzed.experiment.lengths, analyzed.config.training
    step, level, _, network = key
    return {
        "rewind_step": step,
        "learning_rate": training.learning_rate,
        "warmup_steps": parse_steps(
            training.warmup_steps,
            steps_per_epoch=lengths.steps_per_epoch,
            total_steps=lengths.train_steps,
            argument="--warmup_steps",
        ),
        "batch_size": training.batch_size,
        "level": level,
        "density": density,
        "network": network,
        "copies": copies,
    }
