"""The layers of a model and of the models in it, as one list of calls."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from tf_lottery.masking.keras_versions import GraphCall, graph_calls, is_graph, is_layer


@dataclass(frozen=True)
class Call:
    """A call of a layer, as the graph of a model has it.

    Attributes:
      path: names of the models around the layer and of the layer, such as "block/dense_1".
      layer: the layer; a nested model that is taken as a whole; an operation of Keras 3.
      inputs: numbers of the tensors that it takes.
      outputs: numbers of the tensors that it gives.
      shared: whether the layer is called elsewhere in the graph too.
      with_options: whether it is called with more than tensors, such as `training=True`.
      is_input: whether it stands for an input of the model.
    """

    path: str
    layer: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    shared: bool
    with_options: bool
    is_input: bool

    @property
    def parameters(self) -> int:
        """Number of the layer's weights of all kinds."""
        return self.layer.count_params() if is_layer(self.layer) else 0


@dataclass
class CallGraph:
    """The calls of a model, each after those whose outputs it takes.

    Attributes:
      calls: with those of nested models in their places.
      shapes: of every tensor, by number; unknown sizes are None.
      outputs: numbers of the model's outputs.
      entrances: id of a nested model to the number of its input.
    """

    calls: list[Call] = field(default_factory=list)
    shapes: list[tuple[int | None, ...]] = field(default_factory=list)
    outputs: tuple[int, ...] = ()
    entrances: dict[int, int] = field(default_factory=dict)

    def channels(self, tensor: int) -> int:
        """Size of a tensor's last axis; 0 if it has none beside the batch, or an unknown one."""
        shape = self.shapes[tensor]
        return (shape[-1] or 0) if len(shape) > 1 else 0


def read_calls(model: Any) -> CallGraph:
    """Reads the graph of a Sequential or functional model of either Keras.

    The calls of a nested model take its place if it has one input and is called once.
    """
    reader = _Reader(Counter(id(call.layer) for call in _all_calls(model)))
    reader.read(model, "")
    reader.graph.outputs = tuple(reader.numbers[id(tensor)] for tensor in model.outputs)
    return reader.graph


class _Reader:
    def __init__(self, uses: Counter):
        self.graph = CallGraph()
        self.numbers: dict[int, int] = {}
        self._uses = uses

    def read(self, model: Any, prefix: str) -> None:
        for call in graph_calls(model):
            if call.is_input and id(call.outputs[0]) in self.numbers:
                continue
            if self._can_be_opened(call):
                self._open(call, f"{prefix}{call.layer.name}/")
                continue
            self.graph.calls.append(
                Call(
                    prefix + call.layer.name,
                    call.layer,
                    tuple(self.numbers[id(tensor)] for tensor in call.inputs),
                    tuple(self._numbered(tensor) for tensor in call.outputs),
                    self._uses[id(call.layer)] > 1,
                    _has_options(call),
                    call.is_input,
                )
            )

    def _can_be_opened(self, call: GraphCall) -> bool:
        nested = call.layer
        return (
            is_graph(nested)
            and len(nested.inputs) == len(call.inputs) == 1
            and self._uses[id(nested)] == 1
            and not _has_options(call)
            # A model reshapes inputs that lack an axis.
            and call.inputs[0].shape[1:] == nested.inputs[0].shape[1:]
        )

    def _open(self, call: GraphCall, prefix: str) -> None:
        nested = call.layer
        entrance = self.numbers[id(call.inputs[0])]
        self.numbers[id(nested.inputs[0])] = self.graph.entrances[id(nested)] = entrance
        self.read(nested, prefix)
        for outer, inner in zip(call.outputs, nested.outputs, strict=True):
            self.numbers[id(outer)] = self.numbers[id(inner)]

    def _numbered(self, tensor: Any) -> int:
        number = self.numbers[id(tensor)] = len(self.graph.shapes)
        self.graph.shapes.append(tuple(tensor.shape))
        return number


def _all_calls(model: Any) -> Iterator[GraphCall]:
    for call in graph_calls(model):
        yield call
        if is_graph(call.layer):
            yield from _all_calls(call.layer)


def _has_options(call: GraphCall) -> bool:
    tensors = {id(tensor) for tensor in call.inputs}
    arguments = tf.nest.flatten(call.arguments)
    options = tf.nest.flatten(call.keywords)
    return any(id(value) not in tensors for value in arguments) or any(
        value is not None and value is not False for value in options
    )
