"""The constraint that keeps the pruned entries of one weight array at zero."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tf_lottery.masking.keras_versions import tensorflow_variable


class MaskConstraint(keras.constraints.Constraint):
    """Sets pruned weights to zero after every optimizer step.

    The optimizers of both versions of Keras call the constraint of a variable after each update,
    also where the user wrote the training step.
    """

    def __init__(self, original: Callable[[tf.Tensor], tf.Tensor] | None):
        """Wraps the constraint that the variable had, which gets to see masked weights."""
        self.original = original
        # A variable, once there is one: `mask_constraint` gives no constraint without.
        self.mask: Any = None
        self.pruning_rate: float | None = None
        # Of a model that was sparse from the start: number of weights that it had then.
        self.kept: int | None = None
        # Number of the weights that the mask leaves and that may be 0.0; None: all that are.
        self.zeros_known: int | None = None

    def __call__(self, weight: tf.Tensor) -> tf.Tensor:
        weight = self._masked(tf.convert_to_tensor(weight))
        return weight if self.original is None else self._masked(self.original(weight))

    def _masked(self, weight: tf.Tensor) -> tf.Tensor:
        if self.mask is None:
            return weight
        # A product of its own kind, as fast as the plain one, which would leave -0.0, and NaN where
        # a pruned weight overflowed.
        return tf.math.multiply_no_nan(weight, self.mask)


def hold_mask(variable: Any, pruning_rate: float | None) -> MaskConstraint:
    """Gives a variable a mask of ones, held by its constraint.

    Args:
      variable: of a layer of either Keras. Call it in the strategy's scope that it was made in.
      pruning_rate: the weight's own rate; None follows the rate of the search.

    Returns:
      The constraint.
    """
    constraint = MaskConstraint(variable.constraint)
    inner = tensorflow_variable(variable)
    constraint.mask = tf.Variable(
        tf.ones(inner.shape, inner.dtype),
        trainable=False,
        name="mask",
        aggregation=tf.VariableAggregation.MEAN,
    )
    constraint.pruning_rate = pruning_rate
    _set_constraint(variable, constraint)
    return constraint


def release_mask(variable: Any) -> None:
    """Gives a variable the constraint back that it had before `hold_mask`."""
    constraint = mask_constraint(variable)
    if constraint is not None:
        _set_constraint(variable, constraint.original)


def mask_constraint(variable: Any) -> MaskConstraint | None:
    """The constraint that masks a variable, if there is one."""
    constraint = getattr(variable, "constraint", None)
    if isinstance(constraint, MaskConstraint) and constraint.mask is not None:
        return constraint
    return None


def _set_constraint(variable: Any, constraint: Any) -> None:
    if not isinstance(variable, tf.Variable):
        # Keras 3 has a setter, and asks the variable itself under every strategy.
        variable.constraint = constraint
        return
    # TensorFlow has none. Under a strategy each replica asks its own component.
    inner = getattr(variable, "_variable", variable)
    for component in (inner, *getattr(inner, "values", ())):
        component._constraint = constraint
