"""How many weights remain at each level of iterative magnitude pruning."""

from fractions import Fraction
from typing import Any

import tensorflow as tf
import tf_keras as keras
from tensorflow_model_optimization.sparsity.keras import PruningSchedule


@keras.utils.register_keras_serializable(package="tf_lottery")
class IMPSchedule(PruningSchedule):
    """Sparsity of level n: 1 - (1 - pruning_rate)^n (arXiv 1803.03635, section 1)."""

    def __init__(self, pruning_rate: float):
        """Creates the schedule.

        Args:
          pruning_rate: fraction of the remaining weights removed at each level; 0 prunes nothing.

        Raises:
          ValueError: if the rate is outside [0, 1).
        """
        if not 0 <= pruning_rate < 1:
            raise ValueError(f"pruning_rate={pruning_rate}: use a fraction in [0, 1), such as 0.2.")
        self.pruning_rate = float(pruning_rate)

    def __call__(self, step):
        """tfmot's interface, with the level in place of the step.

        Args:
          step: level, an integer or scalar tensor.

        Returns:
          Whether to prune (always True) and the sparsity, a scalar tensor.
        """
        level = tf.cast(step, tf.float32)
        return tf.constant(True), 1.0 - tf.pow(1.0 - self.pruning_rate, level)

    def density(self, level: int) -> float:
        """Fraction of the weights that remain at a level."""
        return float(self._exact_density(level))

    def remaining(self, total: int, level: int) -> int:
        """Number of `total` weights that remain at a level, rounded to the nearest integer.

        It is computed from the dense count in exact arithmetic: rounding does not add up.
        """
        return round(total * self._exact_density(level))

    def _exact_density(self, level: int) -> Fraction:
        if level < 0:
            raise ValueError(f"level={level}: use 0 (the dense network) or more.")
        return (1 - Fraction(repr(self.pruning_rate))) ** level

    def get_config(self) -> dict[str, Any]:
        return {
            "class_name": type(self).__name__,
            "config": {"pruning_rate": self.pruning_rate},
        }
