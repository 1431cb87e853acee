"""What makes a model another one though its weights have the same names and shapes."""

import hashlib
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tf_lottery.config.arguments import is_several
from tf_lottery.masking.keras_versions import graph_calls, is_graph, keras_of
from tf_lottery.masking.layers import keras_variables, leaf_layers, sublayers, unwrapped
from tf_lottery.training.compiled_copy import compile_arguments

# Names are numbered by what a process has built before, Keras draws seeds that are not given, and
# the code of functions has the lines of their script in it.
_LEFT_OUT = frozenset({"name", "seed", "function", "fn", "module", "shared_object_id"})
_DIGITS = 16


def described_network(model: Any) -> dict[str, Any]:
    """Describes the layers of a model, and how they are connected.

    Args:
      model: a model of either Keras.

    Returns:
      The version of Keras, whose layers may have other settings in another one; and of each layer
      its class and a digest of its settings, "" of layers that do not tell them; and a digest of
      the connections in each graph.
    """
    keras = keras_of(model)
    layers = {path: unwrapped(layer) for path, layer in leaf_layers(model)}
    # Weights go by the paths of their layers.
    paths = {id(layer): path for path, layer in layers.items() if keras_variables(layer)}
    return {
        "keras": f"{keras.__name__} {keras.__version__}",
        "layers": [[type(layer).__name__, _digest_of(layer)] for layer in layers.values()],
        "graphs": [_digest(_connections(graph, paths)) for graph in _graphs(model, set())],
    }


def described_loss(loss: Any) -> Any:
    """Describes the loss of a compiled model, as JSON values; None where there is none."""
    if isinstance(loss, Mapping):
        return {str(name): described_loss(each) for name, each in loss.items()}
    if isinstance(loss, list | tuple):
        return [described_loss(each) for each in loss]
    if loss is None or isinstance(loss, str):
        return loss
    if hasattr(loss, "get_config"):
        return f"{type(loss).__name__} {_digest_of(loss)}".strip()
    return getattr(loss, "__name__", type(loss).__name__)


def described_loss_weights(model: Any) -> Any:
    """What a compiled model weights its losses with, as numbers; None where nothing is given."""
    weights = compile_arguments(model).get("loss_weights")
    if isinstance(weights, Mapping):
        return {str(name): float(weight) for name, weight in weights.items()}
    return [float(weight) for weight in weights] if is_several(weights) else weights


def network_difference(was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Says in a few words how a model differs from the one that is described; "" if it does not.

    Args:
      was: from `described_network`.
      now: that of the model.
    """
    if was["keras"] != now["keras"]:
        return ""
    layers: Sequence[Sequence[str]] = now["layers"]
    if len(was["layers"]) != len(layers):
        return f"the model has {len(layers)} layers, and had {len(was['layers'])}"
    for number, (before, (kind, settings)) in enumerate(zip(was["layers"], layers, strict=True)):
        if before[0] != kind:
            return f"layer {number + 1} of the model was {before[0]}, is {kind}"
        if before[1] != settings and before[1] and settings:
            return f"layer {number + 1} of the model ({kind}) has other settings"
    # Those that older versions described lack it.
    if was.get("graphs", now["graphs"]) != now["graphs"]:
        return "the layers of the model are connected in another way"
    return ""


def _graphs(part: Any, seen: set[int]) -> Iterator[Any]:
    """The Sequential and functional models in a model, itself among them, each once."""
    part = unwrapped(part)
    if id(part) in seen:
        return
    seen.add(id(part))
    if is_graph(part):
        yield part
    held = part.layers if is_graph(part) else [layer for _, layer in sublayers(part)]
    for layer in held:
        yield from _graphs(layer, seen)


def _connections(graph: Any, paths: Mapping[int, str]) -> list[Any]:
    """What each output of a graph is computed by, in whatever order Keras keeps the calls."""
    if isinstance(graph, keras_of(graph).Sequential):
        return [_called(layer, paths) for layer in graph.layers]
    computed: dict[Any, str] = {_key(each): f"input {i}" for i, each in enumerate(graph.inputs)}

    def known(value: Any) -> Any:
        return computed.get(_key(value), value)

    for call in graph_calls(graph):
        given = tf.nest.map_structure(known, [call.arguments, call.keywords])
        for number, output in enumerate(call.outputs):
            computed.setdefault(_key(output), _digest([_called(call.layer, paths), given, number]))
    return [computed[_key(output)] for output in graph.outputs]


def _key(value: Any) -> Any:
    layer, *numbers = getattr(value, "_keras_history", [value])
    return id(layer), *numbers


def _called(layer: Any, paths: Mapping[int, str]) -> list[str]:
    layer = unwrapped(layer)
    settings = "" if is_graph(layer) else _digest_of(layer)
    # Of the layers that tf_keras makes of operations, which is left out of their settings.
    operation = str(getattr(layer, "symbol", ""))
    return [type(layer).__name__ + operation, paths.get(id(layer), ""), settings]


def _digest_of(thing: Any) -> str:
    try:
        # Keras warns of functions that take the place of its own objects.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            config = thing.get_config()
    # What users write may raise anything, and need not be able to tell.
    except Exception:
        return ""
    return _digest(config)


def _digest(values: Any) -> str:
    text = json.dumps(_without_names(values), sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _without_names(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            str(key): _without_names(each) for key, each in value.items() if key not in _LEFT_OUT
        }
    if isinstance(value, list | tuple):
        return [_without_names(each) for each in value]
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, slice):
        return repr(value)
    return getattr(value, "__name__", type(value).__name__)
