"""What an experiment is told: frozen dataclasses, whose fields are the program's flags."""

from tf_lottery.config.controls import BranchConfig, SeedConfig
from tf_lottery.config.data import DataConfig
from tf_lottery.config.experiment import ExperimentConfig, config_from_values
from tf_lottery.config.network import ModelConfig
from tf_lottery.config.pruning import PruningConfig
from tf_lottery.config.run import RunConfig
from tf_lottery.config.training import TrainingConfig

__all__ = [
    "BranchConfig",
    "DataConfig",
    "ExperimentConfig",
    "ModelConfig",
    "PruningConfig",
    "RunConfig",
    "SeedConfig",
    "TrainingConfig",
    "config_from_values",
]
