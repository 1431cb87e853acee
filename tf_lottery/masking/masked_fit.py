"""`fit` of prunable models, where weights or masks came or go in ways that know no masks."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tf_lottery.masking.keras_versions import averages_weights, tensorflow_variable
from tf_lottery.masking.mask_constraint import MaskConstraint
from tf_lottery.masking.mask_records import (
    held_masks,
    take_zeros_as_they_are,
    zeros_among_remaining,
)

# Of the weights of a kernel that are 0.0: more are no chance.
_LEAST_SHARE = 0.01


def fit(fit_of_keras: Callable[..., Any], model: Any, *arguments: Any, **keywords: Any) -> Any:
    """Trains as Keras does.

    It warns before if pruned weights would grow again, as they came with `set_weights`, a
    `tf.train.Checkpoint` or otherwise without their masks. Averages of weights, which Keras assigns
    at the end without constraints, are masked after.

    Args:
      fit_of_keras: that of the model.
      model: a prunable one.
      *arguments: of `fit`.
      **keywords: of `fit`.
    """
    _warn_of_zeros(model)
    held = held_masks(model).values()
    take_zeros_as_they_are(model)
    history = fit_of_keras(*arguments, **keywords)
    if averages_weights(model):
        for variable, constraint in held:
            weight = tensorflow_variable(variable)
            zero = tf.zeros([], weight.dtype)
            weight.assign(tf.where(constraint.mask != 0, weight, zero))
    # Some optimizers and regularizers make zeros.
    for variable, constraint in held:
        constraint.zeros_known, _ = zeros_among_remaining(variable, constraint)
    return history


def _warn_of_zeros(model: Any) -> None:
    found = {name: _zeros_without_mask(*each) for name, each in held_masks(model).items()}
    sparse = [name for name, zeros in found.items() if zeros]
    if sparse:
        warnings.warn(
            f"{sum(found.values()):,} weights of {model.name} ({', '.join(sparse)}) are 0.0, and "
            "its mask lets them grow. If they are pruned, as where they were set without their "
            "mask, give it with tf_lottery.set_mask(model, mask), or take the zeros for it with "
            "tf_lottery.prunable(tf_lottery.strip(model), keep_zeros=True).",
            stacklevel=4,
        )


def _zeros_without_mask(variable: Any, constraint: MaskConstraint) -> int:
    """Number of the weights that are 0.0 if it looks as if they had lost their mask, else 0."""
    # Constraints of the user's, such as NonNeg, may set weights to 0.0.
    if constraint.zeros_known is None or constraint.original is not None:
        return 0
    zeros, remaining = zeros_among_remaining(variable, constraint)
    if zeros - constraint.zeros_known <= _LEAST_SHARE * remaining:
        return 0
    return 0 if _may_begin_so(tensorflow_variable(variable).numpy()) else zeros


def _may_begin_so(weight: np.ndarray) -> bool:
    """Whether zeros are as kernels are initialized: whole rows, such as of words, or identities."""
    if weight.ndim < 2:
        return not weight.any()
    used = weight[weight.any(axis=tuple(range(1, weight.ndim)))]
    if np.count_nonzero(used == 0) <= _LEAST_SHARE * weight.size:
        return True
    inputs, outputs = weight.shape[-2:]
    return outputs > 1 and not weight[..., ~np.eye(inputs, outputs, dtype=bool)].any()
