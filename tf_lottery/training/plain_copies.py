"""Plain copies of prunable networks, on which derivatives are taken."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import tf_keras as keras

from tf_lottery.pruning.prunable import leaf_layers, model_variables
from tf_lottery.pruning.wrapper import unwrapped

_T = TypeVar("_T")

_BATCH_NORMALIZATIONS = (
    keras.layers.BatchNormalization,
    keras.layers.experimental.SyncBatchNormalization,
)
_PREPROCESSING = (keras.layers.Normalization, keras.layers.Rescaling)
_ACTIVATIONS = (
    keras.layers.ELU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ReLU,
    keras.layers.Softmax,
    keras.layers.ThresholdedReLU,
)


class _BatchStatistics(keras.layers.BatchNormalization):
    """Normalizes with the statistics of the batch in inference too."""

    def call(self, inputs, training=None, mask=None):
        return super().call(inputs, training=True, mask=mask)


class PlainCopy:
    """A copy of a network on one device, whose weights are set by name."""

    def __init__(self, model: keras.Model):
        """Takes the copied model."""
        self.model = model
        self.variables = model_variables(model)

    def set_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        """Sets the weights that the copy has; they are cast to its dtypes."""
        for name, variable in self.variables.items():
            variable.assign(weights[name].astype(variable.dtype.as_numpy_dtype))
        for _, layer in leaf_layers(self.model):
            # Keras computes with constants that it derives from the weights of this layer.
            if isinstance(layer, keras.layers.Normalization):
                layer.finalize_state()


class FlowCopy(PlainCopy):
    """A linear copy that passes on what is positive: its weights are absolute values."""

    def __init__(self, model: keras.Model):
        """Takes the copied model."""
        super().__init__(model)
        self._means = {
            id(layer.moving_mean)
            for _, layer in leaf_layers(model)
            if isinstance(layer, _BATCH_NORMALIZATIONS)
        }

    def set_weights(self, weights: Mapping[str, np.ndarray]) -> None:
        """Sets absolute values, and the means that a normalization subtracts to 0."""
        super().set_weights(
            {
                name: np.abs(weights[name]) * (id(variable) not in self._means)
                for name, variable in self.variables.items()
            }
        )


def copy_for_gradients(model: keras.Model) -> PlainCopy:
    """Copies a network as it is in training, but without noise.

    Batches are normalized by their own statistics, dropout is left out, and everything is computed
    in the dtype of the weights, also where the network computes in another one.

    Args:
      model: a model made by `prunable`.

    Returns:
      The copy, to be called with `training=False`.
    """

    def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        # A normalization that is frozen uses its statistics in training too.
        by_batch = isinstance(layer, _BATCH_NORMALIZATIONS) and layer.trainable
        return _rebuilt(layer, layer.variable_dtype, _BatchStatistics if by_batch else type(layer))

    return undistributed(lambda: PlainCopy(_copied(model, copy)))


def copy_for_flow(model: keras.Model) -> FlowCopy:
    """Copies a network as SynFlow sees it (arXiv 2006.05467, section 6), in float64.

    There are no activations, which pass on positive numbers if they are rectifiers, and no
    preprocessing of the inputs: ones reach the first layer as ones. Normalizations scale by their
    moving variances.

    Args:
      model: a model made by `prunable`.

    Returns:
      The copy, to be called with `training=False`.
    """

    def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, _PREPROCESSING + _ACTIVATIONS):
            return keras.layers.Activation("linear", name=layer.name, dtype="float64")
        changes = {"activation": "linear"} if "activation" in layer.get_config() else {}
        return _rebuilt(layer, "float64", type(layer), **changes)

    return undistributed(lambda: FlowCopy(_copied(model, copy)))


def undistributed(function: Callable[[], _T]) -> _T:
    """Calls a function outside of the scope of any strategy, which is the thread's."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(function).result()


def _rebuilt(
    layer: keras.layers.Layer, dtype: str, kind: type[keras.layers.Layer], **changes: Any
) -> keras.layers.Layer:
    config = layer.get_config() | {"dtype": dtype} | changes
    # Not to draw from the random numbers of the user's training.
    zeros = {key: "zeros" for key in config if key.endswith("_initializer")}
    return kind.from_config(config | zeros)


def _copied(
    model: keras.Model, copy_layer: Callable[[keras.layers.Layer], keras.layers.Layer]
) -> keras.Model:
    copies: dict[int, keras.layers.Layer] = {}

    def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        inner = unwrapped(layer)
        if id(inner) not in copies:
            nested = isinstance(inner, keras.Model)
            copies[id(inner)] = (
                keras.models.clone_model(inner, clone_function=copy)
                if nested
                else copy_layer(inner)
            )
        return copies[id(inner)]

    return keras.models.clone_model(model, clone_function=copy)
