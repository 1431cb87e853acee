"""How PyTorch lays out the weights of a layer, and the features behind a Flatten."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tf_lottery.exporting.compaction.calls import Call, CallGraph
from tf_lottery.masking.keras_versions import keras_class_names

# For each feature in PyTorch its place in Keras, `[features]`; None where both are the same.
Order = np.ndarray | None

# Layers that take and give positions with their features, in PyTorch too.
_OF_SEQUENCES = {
    *("Dense", "EinsumDense", "Embedding", "MultiHeadAttention", "Attention"),
    *("Bidirectional", "GRU", "LSTM", "RNN", "SimpleRNN", "TimeDistributed"),
}
# Layers behind which each feature is where it was.
_PASSING = {
    *("Activation", "ActivityRegularization", "ELU", "Identity", "LeakyReLU", "PReLU", "ReLU"),
    *("AlphaDropout", "Dropout", "GaussianDropout", "GaussianNoise", "Softmax", "ThresholdedReLU"),
    *("BatchNormalization", "LayerNormalization", "SyncBatchNormalization", "Rescaling"),
    *("Add", "Average", "Flatten", "Maximum", "Minimum", "Multiply", "Subtract"),
}


@dataclass(frozen=True)
class TorchArray:
    """An array of a layer as PyTorch has it.

    Attributes:
      name: within the layer, such as "weight".
      weight: within the Keras layer, such as "kernel".
      to_torch: of an array as Keras has it, makes one as PyTorch has it.
      to_keras: the inverse.
    """

    name: str
    weight: str
    to_torch: Callable[[np.ndarray], np.ndarray]
    to_keras: Callable[[np.ndarray], np.ndarray]


def torch_arrays(layer: Any, path: str, order: Order) -> list[TorchArray]:
    """The arrays of a layer.

    Args:
      layer: of a graph, without masks.
      path: of the layer, for the message.
      order: of the features that come to it.

    Raises:
      ValueError: if it is not known how PyTorch has a layer of its kind.
    """
    for kind in keras_class_names(layer):
        if kind in _LAYOUTS:
            return list(_LAYOUTS[kind](layer, order))
    raise ValueError(
        f"{path} is a {type(layer).__name__}, of which it is not known how PyTorch lays out its "
        f"weights; known are {', '.join(sorted(_LAYOUTS))}."
    )


def feature_orders(graph: CallGraph) -> dict[int, Order]:
    """Where the features of flat tensors are from, as PyTorch flattens.

    Images and what convolutions give have their channels last in Keras, and first in PyTorch, and
    are flattened so. All other tensors, such as sequences, are the same in both.

    Args:
      graph: of a model without masks.

    Returns:
      The order of the features of each tensor, by its number.

    Raises:
      ValueError: if flat features are mixed before they come to a Dense layer; names the layer.
    """
    orders: dict[int, Order] = {}
    moved: set[int] = set()
    for call in graph.calls:
        order = _order_behind(call, graph, orders, moved)
        orders |= dict.fromkeys(call.outputs, order)
        if _moves_channels(call, graph, moved):
            moved |= set(call.outputs)
    return orders


def _moves_channels(call: Call, graph: CallGraph, moved: set[int]) -> bool:
    """Whether what a call gives has its channels last in Keras, and first in PyTorch.

    Args:
      call: the call.
      graph: that it is part of.
      moved: numbers of the tensors before it of which that is so.
    """
    kinds, shape = set(keras_class_names(call.layer)), graph.shapes[call.outputs[0]]
    if len(shape) < 3 or kinds & _OF_SEQUENCES:
        return False
    if call.is_input or "Reshape" in kinds:
        return len(shape) > 3
    if "BatchNormalization" in kinds and _axis(call.layer) % len(shape) != len(shape) - 1:
        return False
    if getattr(call.layer, "data_format", None) is not None:
        return call.layer.data_format == "channels_last"
    return any(tensor in moved for tensor in call.inputs)


def _axis(layer: Any) -> int:
    """The axis along which a normalization of Keras 2 or 3 has its statistics."""
    return layer.axis[0] if isinstance(layer.axis, list | tuple) else layer.axis


def _check_reshape(call: Call, sizes: list[int], made: list[int]) -> None:
    """Checks that images are made of other tensors, or others of them, in one way alone."""
    is_flattened, keeps_channels = len(made) == 1, sizes[-1] == made[-1]
    has_one = 1 in (made[-1], math.prod(made[:-1]), sizes[-1] if len(sizes) > 2 else 0)
    if not (is_flattened or keeps_channels or has_one):
        raise ValueError(
            f"{call.path} makes {tuple(made)} of {tuple(sizes)}, in which PyTorch, whose channels "
            "are first, has its numbers in another order."
        )


def _order_behind(call: Call, graph: CallGraph, orders: dict[int, Order], moved: set[int]) -> Order:
    kinds = set(keras_class_names(call.layer))
    sizes = [size or 0 for tensor in call.inputs[:1] for size in graph.shapes[tensor][1:]]
    made = [size or 0 for tensor in call.outputs[:1] for size in graph.shapes[tensor][1:]]
    if "Reshape" in kinds and min(len(sizes), len(made)) < 3 <= max(len(sizes), len(made)):
        _check_reshape(call, sizes, made)
    if ("Flatten" in kinds or ("Reshape" in kinds and len(made) == 1)) and len(sizes) > 1:
        if "Flatten" in kinds and call.layer.data_format == "channels_first":
            # Keras moves the channels to the end before it flattens.
            sizes = [*sizes[1:], sizes[0]]
        elif call.inputs[0] not in moved:
            return None
        places = np.arange(math.prod(sizes)).reshape(sizes)
        order = np.moveaxis(places, -1, 0).ravel()
        return None if np.array_equal(order, places.ravel()) else order
    given = [orders[tensor] for tensor in call.inputs]
    if "Dense" in kinds or all(order is None for order in given):
        return None
    first = given[0]
    if not kinds & _PASSING or not all(same_order(order, first) for order in given):
        raise ValueError(
            f"{call.path} takes features that a Flatten gives; PyTorch has them in another order, "
            f"which is not known behind a {type(call.layer).__name__} of them."
        )
    return first


def same_order(one: Order, other: Order) -> bool:
    """Whether two orders are the same."""
    return one is other or (one is not None and other is not None and np.array_equal(one, other))


def _same(array: np.ndarray) -> np.ndarray:
    return array


def _moved(name: str, weight: str, axes: tuple[int, ...]) -> TorchArray:
    back = tuple(np.argsort(axes))
    return TorchArray(
        name, weight, lambda array: array.transpose(axes), lambda array: array.transpose(back)
    )


def _kept(name: str, weight: str) -> TorchArray:
    return TorchArray(name, weight, _same, _same)


def _ordered(name: str, weight: str, order: Order) -> TorchArray:
    """An array with one value for each feature."""
    if order is None:
        return _kept(name, weight)
    back = np.argsort(order)
    return TorchArray(name, weight, lambda array: array[order], lambda array: array[back])


def _dense(layer: Any, order: Order) -> Iterator[TorchArray]:
    if order is None:
        yield _moved("weight", "kernel", (1, 0))
    else:
        back = np.argsort(order)
        yield TorchArray(
            "weight", "kernel", lambda array: array[order].T, lambda array: array.T[back]
        )
    yield from _bias(layer)


def _convolution(layer: Any, order: Order) -> Iterator[TorchArray]:
    yield _moved("weight", "kernel", _last_two_first(len(layer.kernel.shape)))
    yield from _bias(layer)


def _last_two_first(rank: int) -> tuple[int, ...]:
    return (rank - 1, rank - 2, *range(rank - 2))


def _of_depth(name: str, weight: str, shape: tuple[int, ...]) -> TorchArray:
    """A kernel `[..., channels, multiplier]`, which PyTorch has as that of so many groups."""
    *sizes, channels, multiplier = shape
    first = (len(sizes), len(sizes) + 1, *range(len(sizes)))
    back = tuple(np.argsort(first))
    split = (channels, multiplier, *sizes)
    return TorchArray(
        name,
        weight,
        lambda array: array.transpose(first).reshape(channels * multiplier, 1, *sizes),
        lambda array: array.reshape(split).transpose(back),
    )


def _depthwise(layer: Any, order: Order) -> Iterator[TorchArray]:
    # The Kerases differ in its name.
    kernel = "depthwise_kernel" if hasattr(layer, "depthwise_kernel") else "kernel"
    yield _of_depth("weight", kernel, tuple(getattr(layer, kernel).shape))
    yield from _bias(layer)


def _separable(layer: Any, order: Order) -> Iterator[TorchArray]:
    yield _of_depth("depthwise.weight", "depthwise_kernel", tuple(layer.depthwise_kernel.shape))
    axes = _last_two_first(len(layer.pointwise_kernel.shape))
    yield _moved("pointwise.weight", "pointwise_kernel", axes)
    if layer.use_bias:
        yield _kept("pointwise.bias", "bias")


def _bias(layer: Any) -> Iterator[TorchArray]:
    if layer.use_bias:
        yield _kept("bias", "bias")


def _batch_norm(layer: Any, order: Order) -> Iterator[TorchArray]:
    yield from _scale_and_shift(layer, order)
    yield _ordered("running_mean", "moving_mean", order)
    yield _ordered("running_var", "moving_variance", order)


def _layer_norm(layer: Any, order: Order) -> Iterator[TorchArray]:
    yield from _scale_and_shift(layer, order)


def _scale_and_shift(layer: Any, order: Order) -> Iterator[TorchArray]:
    if layer.scale:
        yield _ordered("weight", "gamma", order)
    if layer.center:
        yield _ordered("bias", "beta", order)


def _embedding(layer: Any, order: Order) -> Iterator[TorchArray]:
    yield _kept("weight", "embeddings")


_LAYOUTS: dict[str, Callable[[Any, Order], Iterator[TorchArray]]] = {
    "Dense": _dense,
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D"), _convolution),
    **dict.fromkeys(("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"), _convolution),
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D"), _depthwise),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), _separable),
    **dict.fromkeys(("BatchNormalization", "SyncBatchNormalization"), _batch_norm),
    "Embedding": _embedding,
    "LayerNormalization": _layer_norm,
}
