"""What the training of the dense network depends on."""

from typing import Any

from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.config.options import names_of
from tf_lottery.config.pruning import PruningConfig


def dense_training_of(config: ExperimentConfig) -> dict[str, Any]:
    """The flag values that the training of the dense network depends on."""
    later = {*names_of(PruningConfig), "fine_tune_learning_rate"}
    return {name: value for name, value in config.identity().items() if name not in later}
