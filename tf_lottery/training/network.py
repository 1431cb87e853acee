"""A prunable model with its optimizer, as one thing that is saved, masked and rewound."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tf_lottery.masking.copies import refresh_constants
from tf_lottery.masking.layers import model_variables, reset_layer_states
from tf_lottery.masking.mask_records import take_zeros_as_they_are
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import fitting_variables, get_mask, set_mask
from tf_lottery.training.optimizers import (
    build_slots,
    iteration_counter,
    optimizer_values,
    reset_optimizer,
    set_optimizer_values,
)
from tf_lottery.training.schedule_lead import (
    config_without_lead,
    hold_learning_rate,
    ignores_lead,
    schedule_lead,
    show_learning_rate,
)


@dataclass(frozen=True)
class NetworkState:
    """A network at one step of training.

    Attributes:
      step: iteration, as the learning-rate schedule counts them.
      weights: all weights of the model by name, also biases and normalization statistics.
      optimizer: values of the optimizer's variables, its own step count among them.
    """

    step: int
    weights: Mapping[str, np.ndarray]
    optimizer: list[np.ndarray]

    def tensors(self) -> dict[str, np.ndarray]:
        """The state as named arrays, to be stored; the step goes beside them."""
        return {f"weights/{name}": value for name, value in self.weights.items()} | {
            f"optimizer/{index}": value for index, value in enumerate(self.optimizer)
        }

    @classmethod
    def from_tensors(cls, step: int, tensors: Mapping[str, np.ndarray]) -> "NetworkState":
        """The inverse of `tensors`."""
        slots = [name for name in tensors if name.startswith("optimizer/")]
        return cls(
            step,
            {
                name.removeprefix("weights/"): value
                for name, value in tensors.items()
                if name.startswith("weights/")
            },
            [tensors[f"optimizer/{index}"] for index in range(len(slots))],
        )


class Network:
    """A prunable model and the optimizer that trains it."""

    def __init__(self, model: keras.Model, optimizer: keras.optimizers.Optimizer):
        """Creates the optimizer's slots; call it in the scope of the distribution strategy.

        Args:
          model: a model made by `prunable`.
          optimizer: its optimizer, configured as it is to begin every level.

        Raises:
          ValueError: if the optimizer's learning rate cannot go on while its step count restarts.
        """
        self.model = model
        self.optimizer = build_slots(optimizer, model.trainable_variables)
        self.optimizer_config = config_without_lead(optimizer)
        # Iterations that were over when the optimizer began to count.
        self._lead = schedule_lead(optimizer)
        if ignores_lead(optimizer) and getattr(model, "train_function", None) is not None:
            # It may be compiled already, with the schedule as it was.
            model.make_train_function(force=True)

    @property
    def step(self) -> int:
        """Iterations trained so far, as the learning-rate schedule counts them."""
        return int(iteration_counter(self.optimizer).numpy()) + int(self._lead.numpy())

    def next_step(self) -> tf.Tensor:
        """The number of the step that is being trained, from 1; for use in compiled steps."""
        counter = tf.convert_to_tensor(iteration_counter(self.optimizer))
        return tf.cast(counter, tf.int64) + self._lead + 1

    @property
    def mask(self) -> Mask:
        """The masks that the model holds."""
        return get_mask(self.model)

    def weights(self) -> dict[str, np.ndarray]:
        """Values of all weights of the model by name; see the function `weights_of`."""
        return weights_of(self.model)

    def unite_statistics(self) -> None:
        """Gives all replicas the same statistics; see the function `unite_statistics`."""
        unite_statistics(self.model)

    def state(self) -> NetworkState:
        """A copy of weights, optimizer and step."""
        return NetworkState(self.step, self.weights(), optimizer_values(self.optimizer))

    def set_weights(self, weights: Mapping[str, np.ndarray], mask: Mask) -> None:
        """Sets the weights times the mask; see the function `set_weights`."""
        set_weights(self.model, weights, mask)

    def restore(self, state: NetworkState, mask: Mask) -> None:
        """Continues from a state of this network: weights, optimizer and step, under `mask`."""
        self.set_weights(state.weights, mask)
        set_optimizer_values(self.optimizer, state.optimizer)
        self._lead.assign(state.step - int(iteration_counter(self.optimizer).numpy()))

    def rewind(
        self,
        state: NetworkState,
        mask: Mask,
        *,
        rewind_optimizer: bool = False,
        learning_rate: float | None = None,
    ) -> None:
        """Returns the survivors and everything that is not pruned to an early state.

        Args:
          state: the network at the rewind step (arXiv 1912.05671, section 4).
          mask: the weights that remain; the others become 0.0.
          rewind_optimizer: return the optimizer to that state too, its slots and its step count.
            Otherwise it starts afresh, its step count included. The learning-rate schedule goes
            on from the rewind step either way.
          learning_rate: that holds from here on, in place of the optimizer's own.
        """
        reset_layer_states(self.model)
        if rewind_optimizer:
            hold_learning_rate(self.optimizer, learning_rate)
            self.restore(state, mask)
            return
        self.set_weights(state.weights, mask)
        reset_optimizer(self.optimizer, self.optimizer_config, self.model.trainable_variables)
        self._lead.assign(state.step)
        hold_learning_rate(self.optimizer, learning_rate)
        show_learning_rate(self.optimizer)


def unite_statistics(model: keras.Model) -> None:
    """Gives all replicas of a model the mean of their normalization statistics.

    Replicas train with statistics of their own. They are made equal before they are used or saved,
    so that a resumed run goes on with the very values. To be called by all workers.
    """
    replicas_of = model.distribute_strategy.experimental_local_results
    for variable in model_variables(model).values():
        if variable.synchronization == tf.VariableSynchronization.ON_READ:
            variable.assign(variable.read_value())
        elif _may_differ(variable):
            variable.assign(tf.reduce_mean(tf.stack(replicas_of(variable)), axis=0))


def _may_differ(variable: Any) -> bool:
    """Whether replicas keep values of their own without saying so, as statistics of Keras 3 do."""
    return (
        isinstance(variable, tf.distribute.DistributedValues)
        and variable.aggregation == tf.VariableAggregation.NONE
        and variable.dtype.is_floating
        and not variable.trainable
    )


def weights_of(model: keras.Model) -> dict[str, np.ndarray]:
    """Values of all weights of a prunable model by name, as the first replica has them.

    They stay as they are when the model is trained on, and cannot be written to: on a CPU they are
    not copied until the model's variables change.
    """
    # Not the variable's own value, which waits for all replicas where they may differ.
    replicas_of = model.distribute_strategy.experimental_local_results
    return {
        name: _read_only(replicas_of(variable)[0].value())
        for name, variable in model_variables(model).items()
    }


def _read_only(tensor: tf.Tensor) -> np.ndarray:
    """The tensor's memory; a variable that it is of takes other memory when it changes."""
    array = np.asarray(tensor)
    array.setflags(write=False)
    return array


def set_weights(model: keras.Model, weights: Mapping[str, np.ndarray], mask: Mask) -> None:
    """Sets all weights of a prunable model, times the mask, and its masks.

    Args:
      model: a model made by `prunable`.
      weights: weight name to array, for every weight of the model.
      mask: of the model's prunable weights.

    Raises:
      ValueError: if the weights or the mask are not those of this model.
    """
    check_weights_fit(model, weights, mask)
    for name, variable in model_variables(model).items():
        variable.assign(weights[name])
    if refresh_constants(model):
        _forget_compiled(model)
    set_mask(model, mask)
    if not all(array.all() for array in mask.values()):
        take_zeros_as_they_are(model)


def check_weights_fit(model: keras.Model, weights: Mapping[str, np.ndarray], mask: Mask) -> None:
    """Checks what `set_weights` is given.

    Raises:
      ValueError: if the weights or the mask are not those of this model.
    """
    variables = model_variables(model)
    if set(weights) != set(variables):
        difference = sorted(set(weights) ^ set(variables))
        raise ValueError(f"the weights are not those of this model; they differ in {difference}.")
    for name, variable in variables.items():
        if not variable.shape.is_compatible_with(np.shape(weights[name])):
            raise ValueError(
                f"{name} has shape {tuple(variable.shape)} in the model, but "
                f"{np.shape(weights[name])} in the given weights."
            )
    fitting_variables(model, mask)


def _forget_compiled(model: Any) -> None:
    """Has Keras compile its steps anew, which hold constants of layers."""
    for kind in ("train", "test", "predict"):
        if getattr(model, f"{kind}_function", None) is not None:
            getattr(model, f"make_{kind}_function")(force=True)
