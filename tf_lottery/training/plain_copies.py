"""Plain copies of prunable networks, on which derivatives are taken."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from types import ModuleType
from typing import Any, TypeVar

import numpy as np

from tf_lottery.masking.copies import (
    clone_with,
    copied_layer,
    holds_weights_elsewhere,
    refresh_constants,
)
from tf_lottery.masking.keras_versions import (
    is_graph,
    is_of_keras,
    keras_class_names,
    keras_of,
    tensorflow_variable,
)
from tf_lottery.masking.layers import leaf_layers, model_variables, sublayers
from tf_lottery.masking.wrapper import unwrapped

_T = TypeVar("_T")

_BATCH_NORMALIZATIONS = {"BatchNormalization", "SyncBatchNormalization"}
_NOT_IN_THE_FLOW = {
    "Normalization",
    "Rescaling",
    "ELU",
    "LeakyReLU",
    "PReLU",
    "ReLU",
    "Softmax",
    "ThresholdedReLU",
}


class PlainCopy:
    """A copy of a network on one device, whose weights are set by name."""

    def __init__(self, model: Any):
        """Takes the copied model."""
        self.model = model
        self.variables = model_variables(model)

    def set_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        """Sets the weights that the copy has; they are cast to its dtypes."""
        for name, variable in self.variables.items():
            variable.assign(weights[name].astype(variable.dtype.as_numpy_dtype))
        refresh_constants(self.model)


class FlowCopy(PlainCopy):
    """A linear copy that passes on what is positive: its weights are absolute values."""

    def __init__(self, model: Any):
        """Takes the copied model."""
        super().__init__(model)
        self._means = {
            id(tensorflow_variable(layer.moving_mean))
            for _, layer in leaf_layers(model)
            if is_batch_normalization(layer)
        }

    def set_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        """Sets absolute values, and the means that a normalization subtracts to 0."""
        super().set_weights(
            {
                name: np.abs(weights[name]) * (id(variable) not in self._means)
                for name, variable in self.variables.items()
            }
        )


def copy_for_gradients(model: Any) -> PlainCopy:
    """Copies a network as it is in training, but without noise.

    Batches are normalized by their own statistics, dropout is left out, and everything is computed
    in the dtype of the weights, also where the network computes in another one. Within layers that
    hold other layers, normalizations use their moving statistics.

    Args:
      model: a model made by `prunable`.

    Returns:
      The copy, to be called with `training=False`.

    Raises:
      ValueError: if it is a subclassed model.
    """

    def copy(layer: Any) -> Any:
        layer = unwrapped(layer)
        # A normalization that is frozen uses its statistics in training too.
        by_batch = is_batch_normalization(layer) and layer.trainable
        kind = _batch_statistics(keras_of(layer)) if by_batch else type(layer)
        return _rebuilt(layer, layer.variable_dtype, kind)

    _check_graph(model, "derivatives of the loss")
    return undistributed(lambda: PlainCopy(clone_with(model, copy)))


def copy_for_flow(model: Any) -> FlowCopy:
    """Copies a network as SynFlow sees it (arXiv 2006.05467, section 6), in float64.

    There are no activations, which pass on positive numbers if they are rectifiers, and no
    preprocessing of the inputs: ones reach the first layer as ones. Normalizations scale by their
    moving variances.

    Args:
      model: a model made by `prunable`.

    Returns:
      The copy, to be called with `training=False`.

    Raises:
      ValueError: if it is a subclassed model, or has layers that hold others, as recurrent and
        attention layers do: there is no linear copy of them.
    """

    def copy(layer: Any) -> Any:
        layer = unwrapped(layer)
        if not is_of_keras(layer) or any(held.weights for _, held in sublayers(layer)):
            raise ValueError(
                f"score 'synflow' is for networks of dense layers, convolutions and batch "
                f"normalizations; {layer.name} is a {type(layer).__name__}."
            )
        if {*keras_class_names(layer)} & _NOT_IN_THE_FLOW:
            kind = keras_of(layer).layers.Activation
            return kind("linear", name=layer.name, dtype="float64")
        changes = {"activation": "linear"} if "activation" in layer.get_config() else {}
        return _rebuilt(layer, "float64", type(layer), **changes)

    _check_graph(model, "the synaptic flow")
    return undistributed(lambda: FlowCopy(clone_with(model, copy)))


def is_batch_normalization(layer: Any) -> bool:
    """Whether a layer of either Keras normalizes batches."""
    return bool({*keras_class_names(layer)} & _BATCH_NORMALIZATIONS)


def undistributed(function: Callable[[], _T]) -> _T:
    """Calls a function outside of the scope of any strategy, which is the thread's."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(function).result()


def _rebuilt(layer: Any, dtype: str, kind: type, **changes: Any) -> Any:
    # Not to draw from the random numbers of the user's training.
    zeros = {key: "zeros" for key in layer.get_config() if key.endswith("_initializer")}
    return copied_layer(layer, kind, dtype=dtype, **zeros, **changes)


@cache
def _batch_statistics(keras: ModuleType) -> type:
    class BatchStatistics(keras.layers.BatchNormalization):
        """Normalizes with the statistics of the batch in inference too."""

        def call(self, inputs, training=None, mask=None):
            return super().call(inputs, training=True, mask=mask)

    return BatchStatistics


def _check_graph(model: Any, what: str) -> None:
    if not is_graph(model):
        raise ValueError(
            f"{what} are taken on a copy of the network, but Keras cannot copy {model.name}, a "
            "subclassed model; use a score of weights alone, such as 'magnitude', or write it as "
            "keras.Model(inputs, outputs)."
        )
    if reason := holds_weights_elsewhere(model):
        raise ValueError(
            f"{what} are taken on a copy of the network, but Keras cannot copy {model.name} with "
            f"all its weights: {reason}; use a score of weights alone, such as 'magnitude'."
        )
