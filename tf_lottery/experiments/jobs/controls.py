"""Whether the controls of experiments that are yet to be trained can be run of them."""

from tf_lottery.config.branches import BRANCHES, Branch
from tf_lottery.config.experiment import ExperimentConfig
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
            for level in command.control_levels or ():
                _check_level(branch, config, level)


def _check_structure(branch: Branch, config: ExperimentConfig) -> None:
    structure = config.pruning.structure
    if branch.structures is not None and structure not in branch.structures:
        raise ValueError(
            f"--controls={branch.name} moves single weights, and {config.name} is pruned with "
            f"--structure={structure}; random_mask draws as many such pieces in each layer."
        )


def _check_level(branch: Branch, config: ExperimentConfig, level: int) -> None:
    pruning = config.pruning
    if pruning.target_density is not None:
        return  # How many levels there will be is seen later.
    last = pruning.levels - branch.needs_next_level
    if branch.last_level is not None:
        last = min(last, branch.last_level)
    if not branch.first_level <= level <= last:
        raise ValueError(
            f"--control_levels={level}: --controls={branch.name} starts from levels "
            f"{branch.first_level} to {last} of a run with --levels={pruning.levels}."
        )
