"""`fit` of prunable models, where weights or masks came or go in ways that know no masks."""

import warnings
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_lottery.masking.keras_versions import averages_weights, tensorflow_variable
from tf_lottery.masking.mask_records import held_masks, zeros_among_remaining

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
    history = fit_of_keras(*arguments, **keywords)
    if averages_weights(model):
        for variable, constraint in held_masks(model).values():
            weight = tensorflow_variable(variable)
            zero = tf.zeros([], weight.dtype)
            weight.assign(tf.where(constraint.mask != 0, weight, zero))
    return history


def _warn_of_zeros(model: Any) -> None:
    found = {name: zeros_among_remaining(*each) for name, each in held_masks(model).items()}
    # A kernel that is 0.0 as a whole may begin so.
    sparse = [name for name, (zeros, of) in found.items() if _LEAST_SHARE * of < zeros < of]
    if sparse:
        zeros = sum(found[name][0] for name in sparse)
        warnings.warn(
            f"{zeros:,} weights of {model.name} ({', '.join(sparse)}) are 0.0, and its mask lets "
            "them grow. If they are pruned, as where they were set without their mask, give it "
            "with tf_lottery.set_mask(model, mask), or take the zeros for it with "
            "tf_lottery.prunable(tf_lottery.strip(model), keep_zeros=True).",
            stacklevel=4,
        )
