"""The layers of a model and of the models in it, as one list of calls."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import tensorflow as tf
import tf_keras as keras


@dataclass(frozen=True)
class Call:
    """A call of a layer, as the graph of a model has it.

    Attributes:
      path: names of the models around the layer and of the layer, such as "block/dense_1".
      layer: the layer, or a nested model that is taken as a whole.
      inputs: numbers of the tensors that it takes.
      outputs: numbers of the tensors that it gives.
      shared: whether the layer is called elsewhere in the graph too.
      with_options: whether it is called with more than tensors, such as `training=True`.
    """

    path: str
    layer: keras.layers.Layer
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    shared: bool
    with_options: bool


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


def read_calls(model: keras.Model) -> CallGraph:
    """Reads the graph of a Sequential or functional model.

    The calls of a nested model take its place if it has one input and is called once.
    """
    reader = _Reader(Counter(id(node.layer) for node in _all_nodes(model)))
    reader.read(model, "")
    reader.graph.outputs = tuple(reader.numbers[id(tensor)] for tensor in model.outputs)
    return reader.graph


class _Reader:
    def __init__(self, uses: Counter):
        self.graph = CallGraph()
        self.numbers: dict[int, int] = {}
        self._uses = uses

    def read(self, model: keras.Model, prefix: str) -> None:
        for node in _nodes(model):
            outputs = tf.nest.flatten(node.outputs)
            if node.is_input and id(outputs[0]) in self.numbers:
                continue
            if self._can_be_opened(node):
                self._open(node, f"{prefix}{node.layer.name}/")
                continue
            self.graph.calls.append(
                Call(
                    prefix + node.layer.name,
                    node.layer,
                    tuple(self.numbers[id(tensor)] for tensor in node.keras_inputs),
                    tuple(self._numbered(tensor) for tensor in outputs),
                    self._uses[id(node.layer)] > 1,
                    _has_options(node),
                )
            )

    def _can_be_opened(self, node) -> bool:
        nested = node.layer
        return (
            isinstance(nested, keras.Model)
            and len(nested.inputs) == len(node.keras_inputs) == 1
            and self._uses[id(nested)] == 1
            and not _has_options(node)
            # A model reshapes inputs that lack an axis.
            and node.keras_inputs[0].shape[1:] == nested.inputs[0].shape[1:]
        )

    def _open(self, node, prefix: str) -> None:
        nested = node.layer
        entrance = self.numbers[id(node.keras_inputs[0])]
        self.numbers[id(nested.inputs[0])] = self.graph.entrances[id(nested)] = entrance
        self.read(nested, prefix)
        for outer, inner in zip(tf.nest.flatten(node.outputs), nested.outputs, strict=True):
            self.numbers[id(outer)] = self.numbers[id(inner)]

    def _numbered(self, tensor: tf.Tensor) -> int:
        number = self.numbers[id(tensor)] = len(self.graph.shapes)
        self.graph.shapes.append(tuple(tensor.shape))
        return number


def _nodes(model: keras.Model) -> Iterator:
    """The nodes of a model's own graph, from its inputs to its outputs."""
    for depth in sorted(model._nodes_by_depth, reverse=True):
        yield from model._nodes_by_depth[depth]


def _all_nodes(model: keras.Model) -> Iterator:
    for node in _nodes(model):
        yield node
        if isinstance(node.layer, keras.Model):
            yield from _all_nodes(node.layer)


def _has_options(node) -> bool:
    tensors = {id(tensor) for tensor in node.keras_inputs}
    arguments = tf.nest.flatten(node.call_args)
    options = tf.nest.flatten(node.call_kwargs)
    return any(id(value) not in tensors for value in arguments) or any(
        value is not None and value is not False for value in options
    )
