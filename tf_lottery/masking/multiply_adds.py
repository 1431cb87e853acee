"""Multiplications with additions that a network does for an example, by the weights that remain."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tf_lottery.masking.keras_versions import (
    graph_calls,
    is_graph,
    is_of_keras,
    tensorflow_variable,
)
from tf_lottery.masking.kernels import find_kernels
from tf_lottery.masking.layer_kinds import layer_kind
from tf_lottery.masking.wrapper import unwrapped
from tf_lottery.store.schema import MULTIPLY_ADDS, NOT_COUNTED

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Operations:
    """What a network does for an example.

    Attributes:
      multiply_adds: by the name of the kernel.
      not_counted: paths of the layers whose kernels are not among them.
    """

    multiply_adds: Mapping[str, int]
    not_counted: tuple[str, ...] = ()

    @property
    def total(self) -> int | None:
        """Multiply-adds of all kernels; None if those of none are known."""
        return sum(self.multiply_adds.values()) if self.multiply_adds else None

    def record(self) -> dict[str, Any]:
        """The same as JSON values, for the record of a level."""
        record: dict[str, Any] = {MULTIPLY_ADDS: dict(self.multiply_adds)}
        return {**record, NOT_COUNTED: list(self.not_counted)} if self.not_counted else record


@dataclass(frozen=True)
class WeightUses:
    """How often a network uses each of its weights for an example.

    Attributes:
      uses: by the name of the kernel.
      sizes: number of weights of these kernels.
      not_counted: paths of the layers with kernels of other kinds: recurrent layers, embeddings,
        attention, layers of the user's, and those whose inputs have no fixed size.
    """

    uses: Mapping[str, int]
    sizes: Mapping[str, int]
    not_counted: tuple[str, ...] = ()

    def by(self, weights: Mapping[str, np.ndarray]) -> Operations:
        """What the network does with the weights that are not 0.

        Args:
          weights: masks or weights, by kernel; of kernels without, all weights count.
        """
        counts = {name: int(np.count_nonzero(array)) for name, array in weights.items()}
        return Operations(
            {name: uses * counts.get(name, self.sizes[name]) for name, uses in self.uses.items()},
            self.not_counted,
        )


def weight_uses(model: Any) -> WeightUses:
    """Counts for each kernel of a model how often an example makes use of each of its weights.

    A weight of a Dense layer is used once for every position of its inputs, one of a convolution,
    grouped, depthwise or separable too, once for every position of its outputs, and one of a
    transposed convolution once for every position of its inputs. At borders all positions count,
    as is usual. Biases, normalization, activations and pooling are left out, as is usual too.

    Args:
      model: a built model of either Keras, prunable or not.
    """
    search = find_kernels(model)
    kernels = search.kernels
    calls: dict[int, list[int | None]] = {id(kernel.layer): [] for kernel in kernels}
    for layer, given, made in _calls(model) if is_graph(model) else ():
        if id(layer) in calls:
            calls[id(layer)].append(_positions(layer, given, made))
    found = {kernel.name: _sum_if_known(calls[id(kernel.layer)]) for kernel in kernels}
    counted = {name: count for name, count in found.items() if count is not None}
    others = [*(name for name in found if name not in counted), *search.unknown]
    return WeightUses(
        counted,
        {k.name: math.prod(k.variable.shape) for k in kernels if k.name in counted},
        tuple(dict.fromkeys(name.rpartition("/")[0] for name in others)),
    )


def _sum_if_known(positions: list[int | None]) -> int | None:
    """The sum over the calls of a layer; None if it is not called, or one is not known."""
    known = [each for each in positions if each is not None]
    return sum(known) if known and len(known) == len(positions) else None


def weights_of_kernels(model: Any) -> dict[str, np.ndarray]:
    """The kernels of a model, by name."""
    return {
        kernel.name: tensorflow_variable(kernel.variable).numpy()
        for kernel in find_kernels(model).kernels
    }


def _calls(model: Any) -> Iterator[tuple[Any, Shape, Shape]]:
    """The layers that a graph calls, once for each call, with the shapes of inputs and outputs."""
    for call in graph_calls(model):
        if call.is_input or not call.inputs:
            continue
        if is_graph(call.layer):
            # Its own inputs have the sizes with which it was made.
            same = tuple(call.inputs[0].shape) == tuple(call.layer.inputs[0].shape)
            for layer, given, made in _calls(call.layer):
                yield (layer, given, made) if same else (layer, (None, None), (None, None))
            continue
        yield unwrapped(call.layer), tuple(call.inputs[0].shape), tuple(call.outputs[0].shape)


def _positions(layer: Any, given: Shape, made: Shape) -> int | None:
    """How often a call uses each weight of the layer; None if that is not known."""
    if not is_of_keras(layer):
        return None
    kind = layer_kind(layer)
    if kind is None or kind.used_at is None:
        return None
    sizes = _spatial(layer, given if kind.used_at == "inputs" else made)
    known = [size for size in sizes if size is not None]
    return math.prod(known) if len(known) == len(sizes) else None


def _spatial(layer: Any, shape: Shape) -> Shape:
    channels_first = getattr(layer, "data_format", None) == "channels_first"
    return shape[2:] if channels_first else shape[1:-1]
