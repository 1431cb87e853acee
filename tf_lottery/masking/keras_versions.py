"""Keras 2, which is tf_keras, and Keras 3: to which of them a model or layer belongs."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import FunctionType, ModuleType
from typing import Any

import tensorflow as tf
import tf_keras

# Attributes that `compile`, `fit` and the like give a model of either Keras.
_SET_BY_TRAINING = frozenset(
    {"history", "loss", "optimizer", "stop_evaluating", "stop_predicting", "stop_training"}
)


def keras_of(thing: Any) -> ModuleType:
    """The Keras of a model or layer; that it is one of either is what `is_layer` says."""
    keras = _keras_3()
    if keras is not None and isinstance(thing, keras.layers.Layer):
        return keras
    return tf_keras


def is_keras_3(thing: Any) -> bool:
    """Whether this is a layer or model of Keras 3, which is not imported to find out."""
    return keras_of(thing) is not tf_keras


def keras_of_optimizer(optimizer: Any) -> ModuleType:
    """The Keras of an optimizer."""
    keras = _keras_3()
    if keras is not None and isinstance(optimizer, keras.optimizers.Optimizer):
        return keras
    return tf_keras


def keras_name(thing: Any) -> str | None:
    """The Keras that a model, optimizer or callback is of: "keras" (Keras 3) or "tf_keras"."""
    packages = {kind.__module__.split(".")[0] for kind in type(thing).__mro__}
    return next((name for name in ("keras", "tf_keras") if name in packages), None)


def is_layer(thing: Any) -> bool:
    """Whether this is a layer or model of either Keras; metrics of Keras 2 do not count."""
    return is_keras_3(thing) or (
        isinstance(thing, tf_keras.layers.Layer) and not isinstance(thing, tf_keras.metrics.Metric)
    )


def is_model(thing: Any) -> bool:
    """Whether this is a model of either Keras."""
    return is_layer(thing) and isinstance(thing, keras_of(thing).Model)


def is_graph(thing: Any) -> bool:
    """Whether this is a Sequential or functional model, and its graph all that it computes."""
    return has_graph(thing) and _is_inherited(thing, "call")


def trains_as_keras_does(model: Any) -> bool:
    """Whether the steps of `fit`, and their loss, are those of Keras, and not of the user's."""
    return has_step_of_keras(model) and _is_inherited(model, "compute_loss")


def has_step_of_keras(model: Any) -> bool:
    """Whether the steps of `fit` are those of Keras, which use the optimizer of `compile`."""
    return _is_inherited(model, "train_step")


def has_graph(thing: Any) -> bool:
    """Whether this is a Sequential or functional model, also one with a `call` of its own."""
    if not is_model(thing):
        return False
    if is_keras_3(thing):
        keras = keras_of(thing)
        return isinstance(thing, keras.Sequential | keras.Function)
    return isinstance(thing, tf_keras.Sequential) or thing._is_graph_network


def is_copied_as_it_is(model: Any) -> bool:
    """Whether Keras can copy a model together with its class.

    It makes a plain model of a Sequential one of a user's class, and of a functional one whose
    class has a constructor: a copy would lose its `train_step`.
    """
    sequential = keras_of(model).Sequential
    if not is_graph(model):
        return False
    return unmasked_class(model) is sequential or (
        not isinstance(model, sequential) and _is_inherited(model, "__init__")
    )


def unmasked_class(model: Any) -> type:
    """The class of a model, without what tf_lottery adds to it so that it saves its masks."""
    return getattr(type(model), "unmasked_class", type(model))


@cache
def attributes_of_keras(keras: ModuleType) -> frozenset[str]:
    """Attributes that a layer or model has before its user gives it any."""
    x = keras.Input((1,), name="any")
    examples = (
        keras.layers.Layer(name="any"),
        keras.Model(name="any"),
        keras.Model(x, x, name="any"),
        keras.Sequential([x], name="any"),
    )
    return frozenset(attribute for example in examples for attribute in vars(example))


def names_of_keras(model: Any) -> frozenset[str]:
    """Attributes of a model that are Keras's own, and not what the user has given it."""
    keras = keras_of(model)
    names = attributes_of_keras(keras) | _SET_BY_TRAINING
    history = getattr(model, "history", None)
    is_of_keras = history is None or isinstance(history, keras.callbacks.History)
    return names if is_of_keras else names - {"history"}


def keras_class_names(layer: Any) -> list[str]:
    """Names of the classes of Keras that a layer is of, the most special one first."""
    return [kind.__name__ for kind in type(layer).__mro__ if _comes_with_keras(kind)]


def is_of_keras(thing: Any) -> bool:
    """Whether a function, or the class of a layer or of another object, comes with Keras."""
    return _comes_with_keras(thing if isinstance(thing, FunctionType) else type(thing))


def inner_optimizer(optimizer: Any) -> Any:
    """The optimizer that one with a loss scale scales the loss for; of any other, itself."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def averages_weights(model: Any) -> bool:
    """Whether Keras assigns averages of a model's weights when training ends."""
    return bool(getattr(inner_optimizer(getattr(model, "optimizer", None)), "use_ema", False))


def has_vocabulary(layer: Any) -> bool:
    """Whether a layer looks up words or numbers in a table, which is no weight."""
    return not {"IndexLookup", "TextVectorization"}.isdisjoint(keras_class_names(layer))


def may_make_masks(layer: Any) -> bool:
    """Whether the outputs of a layer may come with a mask that its inputs lack."""
    if not _is_inherited(layer, "compute_mask") or getattr(layer, "mask_zero", False):
        return True
    return not {"Lambda", "Masking"}.isdisjoint(keras_class_names(layer))


def tensorflow_variable(variable: Any) -> tf.Variable:
    """The TensorFlow variable in a variable of Keras 3; one of Keras 2 is such a variable."""
    return variable if isinstance(variable, tf.Variable) else getattr(variable, "_value", variable)


@dataclass(frozen=True)
class GraphCall:
    """A call in the graph of a model.

    Attributes:
      layer: the layer, or, in Keras 3, an operation that is none.
      arguments: what it is called with, by position.
      keywords: what it is called with, by name.
      inputs: the symbolic tensors among both.
      outputs: the symbolic tensors that it gives.
      is_input: whether it stands for an input of a graph.
    """

    layer: Any
    arguments: Any
    keywords: Any
    inputs: list[Any]
    outputs: list[Any]
    is_input: bool


def graph_calls(model: Any) -> Iterator[GraphCall]:
    """The calls in the graph of a model, each after those whose outputs it takes.

    Those in models in it are not among them.

    Args:
      model: a built Sequential or functional model of either Keras.
    """
    # Keras 3 keeps the graph of a Sequential model in a functional one.
    sequential = is_keras_3(model) and isinstance(model, keras_of(model).Sequential)
    nodes = (model._functional if sequential else model)._nodes_by_depth
    for depth in sorted(nodes, reverse=True):
        yield from map(_graph_call, nodes[depth])


@dataclass(frozen=True)
class TensorOrigin:
    """What a symbolic tensor in the graph of a model is computed by.

    Attributes:
      layer: the layer, or, in Keras 3, an operation that is none.
      output: number of the tensor among the layer's outputs.
      inputs: symbolic tensors that the layer was called with.
      is_input: whether it is an input of a graph.
    """

    layer: Any
    output: int
    inputs: list[Any]
    is_input: bool


def tensor_origin(tensor: Any) -> TensorOrigin:
    """Looks up what a symbolic tensor of either Keras is computed by."""
    layer, node_number, output = tensor._keras_history
    call = _graph_call(layer._inbound_nodes[node_number])
    return TensorOrigin(layer, output, call.inputs, call.is_input)


def _graph_call(node: Any) -> GraphCall:
    if hasattr(node, "keras_inputs"):
        layer, arguments, keywords = node.layer, node.call_args, node.call_kwargs
        inputs = node.keras_inputs
    else:
        layer, arguments, keywords = node.operation, node.arguments.args, node.arguments.kwargs
        inputs = node.input_tensors
    outputs = tf.nest.flatten(node.outputs)
    return GraphCall(layer, arguments, keywords, list(inputs), outputs, node.is_input)


def _is_inherited(thing: Any, method: str) -> bool:
    """Whether a method is that of a class of Keras."""
    return _comes_with_keras(next(kind for kind in type(thing).__mro__ if method in vars(kind)))


def _comes_with_keras(kind: type | FunctionType) -> bool:
    return kind.__module__.split(".")[0] in ("keras", "tf_keras")


def _keras_3() -> ModuleType | None:
    # A layer of Keras 3 exists only where somebody has imported it.
    keras = sys.modules.get("keras")
    version = getattr(keras, "__version__", "")
    return keras if version.partition(".")[0] == "3" else None
