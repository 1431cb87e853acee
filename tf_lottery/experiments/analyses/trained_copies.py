"""Networks trained anew from the rewind step: copies that differ in the data order, and others."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from tf_lottery.config.analysis import AnalysisConfig
from tf_lottery.config.steps import parse_steps
from tf_lottery.experiments.analyses.analyzed_run import AnalyzedRun
from tf_lottery.experiments.branch_config import plan_branch
from tf_lottery.experiments.branching import run_branch
from tf_lottery.experiments.run_checks import refuse_outdated_copies
from tf_lottery.landscape.solutions import Solution
from tf_lottery.report.landscape.networks import network_place
from tf_lottery.store.metrics import Row
from tf_lottery.store.run_folder import RunFolder

# Added to the run's own seed of the data order, which no copy has.
_FIRST_SEED = 1000

# Level, and one of `report.landscape.networks.NETWORKS`.
NetworkKey = tuple[int, str]

# Baselines are branches of the same name.
_BRANCHES = {"dense": "rewound_dense", "ticket": "retrain"}


@dataclass(frozen=True)
class Networks:
    """What is trained by the same branch.

    Attributes:
      network: one of `report.landscape.networks.NETWORKS`.
      levels: those to train.
    """

    network: str
    levels: tuple[int, ...]

    @property
    def branch(self) -> str:
        """Name of the branch."""
        return _BRANCHES.get(self.network, self.network)


def check_rewinds(analyzed: AnalyzedRun, analysis: str) -> None:
    """Checks that the run's levels are trained from the rewind step, as they would be today.

    Args:
      analyzed: the run.
      analysis: the `--experiment` that needs it.

    Raises:
      ValueError: if they are not, it is a branch, which cannot have branches, or its copies were
        trained by other rules.
    """
    plan_branch(analyzed.run.path, "retrain", {})
    refuse_outdated_copies(analyzed.run)
    retraining = analyzed.experiment.config.pruning.retraining
    if retraining != "rewind_weights":
        raise ValueError(
            f"--experiment={analysis} trains from the rewind step, but {analyzed.run.path} was "
            f"made with --retraining={retraining}."
        )


def network_keys(options: AnalysisConfig, levels: Sequence[int]) -> list[NetworkKey]:
    """The networks to look at: of each pruned level the ticket and `--baselines`."""
    of_pruned = "ticket", *options.chosen_baselines
    return [
        (level, network) for level in levels for network in (of_pruned if level else ("dense",))
    ]


def key_of(row: Row) -> NetworkKey:
    """Which network a row of an analysis' CSV file is about."""
    return row["level"], row["network"]


def place_of(row: Row) -> tuple[int, ...]:
    """The place of a row in such a file: by its level, its network, and its layer if it has one."""
    return row["level"], network_place(row["network"]), row.get("layer", 0)


def networks_to_train(wanted: Sequence[NetworkKey], done: Collection[NetworkKey]) -> list[Networks]:
    """The networks that are wanted and not done, by the branch that trains them."""
    levels: dict[str, list[int]] = defaultdict(list)
    for level, network in wanted:
        if (level, network) not in done:
            levels[network].append(level)
    return [
        Networks(network, tuple(levels[network])) for network in sorted(levels, key=network_place)
    ]


def train_copies(
    analyzed: AnalyzedRun, options: AnalysisConfig, networks: Networks
) -> list[RunFolder]:
    """Trains `--copies` of networks from the rewind step, each in a data order of its own.

    They are branches of the run with a `--data_seed`; what is there is not trained again.

    Returns:
      The folders of the branches, whose levels are the copies.
    """
    return [
        train_branch(
            analyzed, networks.branch, networks.levels, data_seed=seed_of_copy(analyzed, copy)
        )
        for copy in range(options.copies)
    ]


def seed_of_copy(analyzed: AnalyzedRun, copy: int) -> int:
    """The `--data_seed` of a copy; copies are counted from 0."""
    return analyzed.experiment.config.data_seed + _FIRST_SEED + copy


def train_branch(
    analyzed: AnalyzedRun, branch: str, levels: Sequence[int], **changes: Any
) -> RunFolder:
    """Trains a branch as a step of an analysis; what is there is not trained again.

    Args:
      analyzed: the run.
      branch: its name.
      levels: those to train.
      **changes: flags that differ from the run's.

    Returns:
      The folder of the branch.

    Raises:
      TrainingDivergedError: as `run_branch`.
    """
    path, config = analyzed.run.path, analyzed.experiment.config.run
    run_branch(
        path,
        branch,
        levels,
        for_analysis=True,
        dataset=analyzed.experiment.dataset,
        data_dir=config.data_dir,
        manual_dir=config.manual_dir,
        **changes,
    )
    return RunFolder.read(plan_branch(path, branch, changes).path)


def solution_in(analyzed: AnalyzedRun, folder: RunFolder, level: int) -> Solution:
    """The solution of a level of the run or of one of its branches, named by its path."""
    path = folder.path / f"level_{level}"
    return analyzed.solution(str(path.relative_to(analyzed.run.path)))


def network_row(
    analyzed: AnalyzedRun, options: AnalysisConfig, key: NetworkKey, density: float
) -> Row:
    """The values of `report.landscape.rewind_axis.NETWORK_COLUMNS`."""
    lengths, training = analyzed.experiment.lengths, analyzed.experiment.config.training
    level, network = key
    return {
        "rewind_step": lengths.rewind_step,
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
        "copies": options.copies,
    }
