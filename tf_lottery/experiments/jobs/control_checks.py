"""Whether the controls that were asked for fit experiments that are yet to be trained."""

from tf_lottery.config.branches import BRANCHES, Branch
from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.config.fine_tuning import check_fine_tuning_rate
from tf_lottery.experiments.branch_levels import why_no_control
from tf_lottery.experiments.commands import RunExperiments


def check_controls(command: RunExperiments) -> None:
    """Checks controls as far as that is possible before anything is trained.

    Raises:
      ValueError: names the flag, its value, and what would be right.
    """
    for name in command.controls:
        branch = BRANCHES.find(name)
        for config in command.configs:
            _check_structure(branch, config)
            _check_training(branch, config)
            if command.control_levels is None:
                _check_any_level(branch, config)
            for level in command.control_levels or ():
                _check_level(branch, config, level)


def _check_structure(branch: Branch, config: ExperimentConfig) -> None:
    structure = config.pruning.structure
    if branch.structures is not None and structure not in branch.structures:
        raise ValueError(
            f"--controls={branch.name} moves single weights, and {config.name} is pruned with "
            f"--structure={structure}; random_mask draws as many such pieces in each layer."
        )


def _check_training(branch: Branch, config: ExperimentConfig) -> None:
    pruning, retraining = config.pruning, config.pruning.retraining
    if reason := why_no_control(branch, pruning):
        raise ValueError(f"--controls={branch.name} {reason}; leave it out.")
    if branch.keeps_slots and retraining != "rewind_weights":
        raise ValueError(
            f"--controls={branch.name} moves the rewind point, which nothing is trained from with "
            f"--retraining={retraining}; leave it out, or take --retraining=rewind_weights."
        )
    if branch.fine_tunes:
        check_fine_tuning_rate(
            config.training,
            f"--controls={branch.name} goes on",
            f"it afterwards as --experiment=branch --branch={branch.name} with "
            "--fine_tune_learning_rate",
        )


def _check_any_level(branch: Branch, config: ExperimentConfig) -> None:
    levels, first = config.pruning.levels, _first_level(branch)
    if config.pruning.target_density is None and _last_level(branch, levels) < first:
        least = first + branch.needs_next_level
        raise ValueError(
            f"--controls={branch.name} needs --levels={least} or more, and {config.name} has "
            f"--levels={levels}."
        )


def _first_level(branch: Branch) -> int:
    # Where nothing is pruned, a mask cannot be moved.
    return max(branch.first_level, int(branch.mask_alone))


def _last_level(branch: Branch, levels: int) -> int:
    last = levels - branch.needs_next_level
    return last if branch.last_level is None else min(last, branch.last_level)


def _check_level(branch: Branch, config: ExperimentConfig, level: int) -> None:
    pruning = config.pruning
    if pruning.target_density is not None:
        return  # How many levels there will be is seen later.
    first, last = _first_level(branch), _last_level(branch, pruning.levels)
    if not first <= level <= last:
        levels = f"level {first}" if first == last else f"levels {first} to {last}"
        raise ValueError(
            f"--control_levels={level}: --controls={branch.name} starts from {levels} of a run "
            f"with --levels={pruning.levels}."
        )
