"""Optimizers by name, and the state in which any Keras optimizer begins."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tf_lottery.config.training import TrainingConfig
from tf_lottery.masking.keras_versions import inner_optimizer


def build_optimizer(
    config: TrainingConfig,
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
) -> keras.optimizers.Optimizer:
    """The optimizer that the flags describe.

    Decoupled weight decay (arXiv 1711.05101, section 2, with the weight decay times the learning
    rate of the iteration) is the optimizer's: tell it with `exempt_from_weight_decay` what does not
    decay. The gradient of the L2 penalty is not; the training step adds it. Clipping scales the
    gradients that the optimizer is given, once they are summed over the replicas, all by one
    factor, so that their common Euclidean norm is at most `clip_norm`; it leaves decoupled decay
    alone.

    Args:
      config: the flags.
      learning_rate: what `learning_rate_schedule` returns.

    Returns:
      The optimizer, without slots yet.
    """
    decay = config.weight_decay if config.decouples_weight_decay else 0.0
    options = {
        # Keras takes 0.0 for a decay, and would spend the time of one.
        "weight_decay": decay or None,
        "global_clipnorm": config.clip_norm,
        "jit_compile": False,
    }
    if config.optimizer == "sgd":
        return keras.optimizers.SGD(
            learning_rate, momentum=config.momentum, nesterov=config.nesterov, **options
        )
    adam = keras.optimizers.AdamW if decay else keras.optimizers.Adam
    return adam(learning_rate, **options)


def exempt_from_weight_decay(
    optimizer: keras.optimizers.Optimizer,
    variables: Iterable[tf.Variable],
    kernels: Iterable[tf.Variable],
) -> None:
    """Lets the optimizer's weight decay shrink kernels only.

    Args:
      optimizer: a Keras optimizer without slots yet; Keras refuses others.
      variables: all trained variables.
      kernels: those that decay; biases, scales and offsets of normalization do not.
    """
    decaying = {id(kernel) for kernel in kernels}
    optimizer.exclude_from_weight_decay(
        var_list=[variable for variable in variables if id(variable) not in decaying]
    )


def build_slots(
    optimizer: keras.optimizers.Optimizer, variables: list[tf.Variable]
) -> keras.optimizers.Optimizer:
    """Creates the optimizer's variables, which Keras otherwise does in the first training step."""
    # Some optimizers of Keras 3 would make others, which a compiled step does not know.
    if getattr(optimizer, "built", False):
        return optimizer
    if hasattr(optimizer, "build"):
        optimizer.build(variables)
    else:
        optimizer._create_all_weights(variables)
    return optimizer


def optimizer_values(optimizer: keras.optimizers.Optimizer) -> list[np.ndarray]:
    """Values of the iteration counter, the learning rate, all slots and a dynamic loss scale."""
    return [variable.numpy() for variable in _variables(optimizer)]


def set_optimizer_values(optimizer: keras.optimizers.Optimizer, values: list[np.ndarray]) -> None:
    """Sets what `optimizer_values` returns.

    Raises:
      ValueError: if the values are not those of such an optimizer.
    """
    variables = _variables(optimizer)
    if len(values) == len(variables) - len(_loss_scaling(optimizer)):
        # Version 0.2.0 did not keep the scale of losses.
        variables = variables[: len(values)]
    shapes = [tuple(variable.shape) for variable in variables]
    if shapes != [np.shape(value) for value in values]:
        raise ValueError(f"the optimizer's variables have shapes {shapes}; other ones were given.")
    before = int(iteration_counter(optimizer).numpy())
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    _set_count_in_python(optimizer, before)


def slot_owners(optimizer: keras.optimizers.Optimizer, count: int) -> list[int | None]:
    """For each of `optimizer_values`, which of the trained variables it is a slot of.

    Args:
      optimizer: one with slots.
      count: number of the trained variables.

    Returns:
      Their positions among the trained variables; None for what is of all of them, such as the
      step count.
    """
    inner = inner_optimizer(optimizer)
    owners = {}
    for value in vars(inner).values():
        # Keras keeps a list of slots of each kind, in the order of the variables.
        if isinstance(value, list | tuple) and len(value) == count:
            owners |= {id(slot): index for index, slot in enumerate(value)}
    return [owners.get(id(variable)) for variable in _variables(optimizer)]


def _set_count_in_python(optimizer: Any, steps_before: int) -> None:
    """Lets Nadam of tf_keras, which also counts in Python, go on from its step count."""
    inner, counter = inner_optimizer(optimizer), "_u_product_counter"
    steps = int(iteration_counter(optimizer).numpy())
    # Compiled, it counts while it is compiled instead, and has to begin with 1 in every process.
    eager = steps_before > 0 and getattr(inner, counter, None) == steps_before + 1
    if hasattr(inner, counter) and (eager or not steps):
        setattr(inner, counter, steps + 1)


def reset_optimizer(
    optimizer: keras.optimizers.Optimizer, config: dict[str, Any], variables: list[tf.Variable]
) -> None:
    """Makes an optimizer what a new one would be: fresh slots, step count 0, configured rate.

    Args:
      optimizer: a Keras optimizer, also a legacy or loss-scaling one.
      config: its configuration from before training, when no callback had changed it.
      variables: the trained variables, at the values from which training starts: averages of
        weights begin there.
    """
    build_slots(optimizer, variables)
    # A copy, as Keras replaces the description of a schedule in it.
    twin = build_slots(type(optimizer).from_config(dict(config)), variables)
    set_optimizer_values(optimizer, optimizer_values(twin))


def iteration_counter(optimizer: Any) -> Any:
    """The variable that counts the steps of an optimizer, which learning-rate schedules read.

    An optimizer of Keras 3 that accumulates gradients gives the number of its updates otherwise.
    """
    if getattr(optimizer, "gradient_accumulation_steps", None):
        return optimizer._iterations
    return optimizer.iterations


def _variables(optimizer: keras.optimizers.Optimizer) -> list[tf.Variable]:
    inner = inner_optimizer(optimizer)
    variables = inner.variables
    variables = list(inner.variables() if callable(variables) else variables)
    # Keras does not list the learning rate and other numbers that an optimizer keeps.
    known = {id(variable) for variable in variables}
    attributes = {**vars(inner), **getattr(inner, "_hyper", {})}
    variables += [
        value
        for _, value in sorted(attributes.items())
        if isinstance(value, tf.Variable) and id(value) not in known
    ]
    return variables + _loss_scaling(optimizer)


def _loss_scaling(optimizer: Any) -> list[tf.Variable]:
    """A dynamic loss scale, and how many steps ago it has changed; of either Keras."""
    of_tf_keras = getattr(optimizer, "_loss_scale", None)
    found = [
        getattr(optimizer, "dynamic_scale", None),
        getattr(optimizer, "step_counter", None),
        getattr(of_tf_keras, "current_loss_scale", None),
        getattr(of_tf_keras, "counter", None),
    ]
    return [variable for variable in found if variable is not None]
