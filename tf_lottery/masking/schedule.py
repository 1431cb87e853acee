"""How many weights remain at each level of iterative magnitude pruning."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import prod
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tf_lottery.config.arguments import check_fraction, is_number, refusal
from tf_lottery.masking.tfmot import PruningSchedule


def rates_of_levels(pruning_rate: Any, *, zero: bool = False) -> tuple[float, ...]:
    """The fractions that an argument `pruning_rate` gives to level 1, 2, ...

    Args:
      pruning_rate: one fraction for all levels, or several.
      zero: whether a rate may be 0.

    Raises:
      ValueError: if a rate is no such fraction, or there is none.
    """
    interval = "[0, 1)" if zero else "(0, 1)"
    right = f"use a fraction in {interval}, such as 0.2, or a list of them, one per level"
    if is_number(pruning_rate):
        check_fraction("pruning_rate", pruning_rate, zero=zero, right=right)
        return (float(pruning_rate),)
    if getattr(pruning_rate, "ndim", None) == 0:
        raise refusal("pruning_rate", pruning_rate, right)
    several = isinstance(pruning_rate, Iterable) and not isinstance(pruning_rate, str | Mapping)
    rates = tuple(pruning_rate) if several else ()
    for rate in rates or [None]:
        holds = is_number(rate) and 0 <= rate < 1 and (zero or rate)
        if not holds:
            raise refusal("pruning_rate", pruning_rate, right)
    return tuple(map(float, rates))


@keras.utils.register_keras_serializable(package="tf_lottery")
class IMPSchedule(PruningSchedule):
    """Sparsity of level n: 1 - (1 - pruning_rate)^n (arXiv 1803.03635, section 1).

    With a rate for each level, 1 - (1 - rate_1) (1 - rate_2) ... (1 - rate_n).
    """

    def __init__(self, pruning_rate: float | Sequence[float]):
        """Creates the schedule.

        Args:
          pruning_rate: fraction of the remaining weights removed at each level, 0 prunes nothing;
            or the fractions of level 1, 2, ..., of which the last one holds for all that follow.

        Raises:
          ValueError: if a rate is outside [0, 1), or there is none.
        """
        self._rates = rates_of_levels(pruning_rate, zero=True)
        self.pruning_rate = self._rates[0] if len(self._rates) == 1 else self._rates

    def __call__(self, step):
        """tfmot's interface, with the level in place of the step.

        Args:
          step: level, an integer or scalar tensor.

        Returns:
          Whether to prune (always True) and the sparsity, a scalar tensor.
        """
        level = tf.cast(step, tf.float32)
        numbers = tf.range(1.0, len(self._rates) + 1)
        own = tf.reduce_prod(tf.where(numbers <= level, 1.0 - tf.constant(self._rates), 1.0))
        further = tf.maximum(level - len(self._rates), 0.0)
        return tf.constant(True), 1.0 - own * tf.pow(1.0 - self._rates[-1], further)

    def density(self, level: int) -> float:
        """Fraction of the weights that remain at a level."""
        return float(self._exact_density(level))

    def remaining(self, total: int, level: int) -> int:
        """Number of `total` weights that remain at a level, rounded to the nearest integer.

        It is computed from the dense count in exact arithmetic: rounding does not add up.
        """
        if total * self._approximate_density(level) < 0.25:
            return 0  # without the powers of fractions, which take minutes at high levels
        return round(total * self._exact_density(level))

    def _approximate_density(self, level: int) -> float:
        kept = [1 - rate for rate in self._rates]
        return prod(kept[:level]) * kept[-1] ** max(level - len(kept), 0)

    def _exact_density(self, level: int) -> Fraction:
        if level < 0:
            raise ValueError(f"level={level}: use 0 (the dense network) or more.")
        kept = [1 - Fraction(repr(rate)) for rate in self._rates]
        return prod(kept[:level], start=Fraction(1)) * kept[-1] ** max(level - len(kept), 0)

    def get_config(self) -> dict[str, Any]:
        rates = self.pruning_rate
        return {
            "class_name": type(self).__name__,
            "config": {"pruning_rate": list(rates) if isinstance(rates, tuple) else rates},
        }
