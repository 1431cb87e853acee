"""What an experiment is told: frozen dataclasses, whose fields are the program's flags."""

from tf_lottery.config.experiment import ExperimentConfig, config_from_values

__all__ = ["ExperimentConfig", "config_from_values"]
