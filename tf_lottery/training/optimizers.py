"""Optimizers by name, and the state in which any Keras optimizer begins."""

from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tf_lottery.config import TrainingConfig


def build_optimizer(config: TrainingConfig) -> keras.optimizers.Optimizer:
    """The optimizer that the flags describe.

    Weight decay is not the optimizer's here: the training step adds its gradient.
    """
    if config.optimizer == "sgd":
        return keras.optimizers.SGD(
            config.learning_rate, momentum=config.momentum, jit_compile=False
        )
    return keras.optimizers.Adam(config.learning_rate, jit_compile=False)


def build_slots(
    optimizer: keras.optimizers.Optimizer, variables: list[tf.Variable]
) -> keras.optimizers.Optimizer:
    """Creates the optimizer's variables, which Keras otherwise does in the first training step."""
    if hasattr(optimizer, "build"):
        optimizer.build(variables)
    else:
        optimizer._create_all_weights(variables)
    return optimizer


def optimizer_values(optimizer: keras.optimizers.Optimizer) -> list[np.ndarray]:
    """Values of the iteration counter, the learning rate and all slots."""
    return [variable.numpy() for variable in _variables(optimizer)]


def set_optimizer_values(optimizer: keras.optimizers.Optimizer, values: list[np.ndarray]) -> None:
    """Sets what `optimizer_values` returns.

    Raises:
      ValueError: if the values are not those of such an optimizer.
    """
    variables = _variables(optimizer)
    shapes = [tuple(variable.shape) for variable in variables]
    if shapes != [np.shape(value) for value in values]:
        raise ValueError(f"the optimizer's variables have shapes {shapes}; other ones were given.")
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def reset_optimizer(
    optimizer: keras.optimizers.Optimizer,
    config: dict[str, Any],
    variables: list[tf.Variable],
    iteration: int,
) -> None:
    """Gives an optimizer fresh slots and its configured learning rate.

    Args:
      optimizer: a Keras optimizer, also a legacy or loss-scaling one.
      config: its `get_config()` from before training, when no callback had changed it.
      variables: the trained variables, at the values from which training starts: averages of
        weights begin there.
      iteration: value of the iteration counter, which learning-rate schedules read.
    """
    build_slots(optimizer, variables)
    twin = build_slots(type(optimizer).from_config(config), variables)
    set_optimizer_values(optimizer, optimizer_values(twin))
    optimizer.iterations.assign(iteration)


def _variables(optimizer: keras.optimizers.Optimizer) -> list[tf.Variable]:
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    variables = optimizer.variables
    variables = list(variables() if callable(variables) else variables)
    # Keras does not list the learning rate and other numbers that an optimizer keeps.
    known = {id(variable) for variable in variables}
    attributes = {**vars(optimizer), **getattr(optimizer, "_hyper", {})}
    return variables + [
        value
        for _, value in sorted(attributes.items())
        if isinstance(value, tf.Variable) and id(value) not in known
    ]
