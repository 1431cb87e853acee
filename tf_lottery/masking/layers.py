"""The layers of a model, down to those that hold the weights, by stable paths."""

from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from tf_lottery.masking.keras_versions import (
    attributes_of_keras,
    has_graph,
    is_graph,
    is_layer,
    keras_of,
    tensorflow_variable,
)
from tf_lottery.masking.wrapper import unwrapped

# Most attributes are of these types, and looking at others takes longer.
_HOLD_NO_LAYER = (type(None), bool, int, float, str)


def leaf_layers(model: Any) -> Iterator[tuple[str, Any]]:
    """Layers of a model and of the models and layers in it, each once, with their paths.

    Layers of Sequential and functional models go by their names. What is in other layers and models
    goes by the attributes that hold it, as the names of such layers differ from copy to copy:
    "lstm/cell", "block/attention/_query_dense", "block/feed_forward/0". A wrapper that holds masks
    has the path of its layer. Layers and subclassed models that hold others come before those.
    """
    yield from _of_graph(model, "", set()) if is_graph(model) else _of_layer(model, "", set())


def graph_layers(model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Layers of a Sequential or functional model and of such models in it, with their paths.

    Other than in `leaf_layers`, what is in other layers and models is not looked at.
    """
    for layer in model.layers:
        path = prefix + unwrapped(layer).name
        if is_graph(layer):
            yield from graph_layers(layer, f"{path}/")
        else:
            yield path, layer


def sublayers(layer: Any) -> list[tuple[str, Any]]:
    """The layers that a layer or subclassed model holds, by attribute; for lists, "attribute/0".

    Those of a graph, which a model may call in a way of its own, go by their names.
    """
    inherited = attributes_of_keras(keras_of(layer))
    of_graph = [(held.name, held) for held in layer.layers] if has_graph(layer) else []
    return of_graph + [
        found
        for attribute, value in vars(layer).items()
        if not isinstance(value, _HOLD_NO_LAYER)
        and attribute not in inherited
        and not attribute.startswith("_self_")
        for found in _layers_in(attribute, value)
    ]


def layers_of_tfmot(model: Any) -> Iterator[tuple[str, type]]:
    """Paths and classes of the layers that come with tfmot, which wraps those that it changes."""
    for path, layer in leaf_layers(model):
        if type(layer).__module__.split(".")[0] == "tensorflow_model_optimization":
            yield path or layer.name, type(layer)


def shared_parts(model: Any) -> dict[str, list[str]]:
    """The layers and weights of a model that several of its layers hold.

    Keras copies the layers that a layer holds with it: in a copy, each would have one of its own.
    A layer that is called several times is not among them.

    Returns:
      Path of the layer or weight to the paths of those that hold it.
    """
    holders: dict[int, list[str]] = {}
    names: dict[int, str] = {}

    def hold(part: Any, name: str, holder: str) -> None:
        names.setdefault(id(part), name)
        known = holders.setdefault(id(part), [])
        if holder not in known:
            known.append(holder)

    graph = dict(graph_layers(model)) if is_graph(model) else {}
    for path, layer in graph.items():
        hold(layer, path, "the graph")
    for path, layer in leaf_layers(model):
        for attribute, held in sublayers(unwrapped(layer)):
            if held.weights:
                hold(held, f"{path}/{attribute}" if path else attribute, path or model.name)
        for weight in own_weights(layer):
            hold(weight, f"{path}/{_last_part(weight.name)}", path or model.name)
    return {names[key]: found for key, found in holders.items() if len(found) > 1}


def keras_variables(model: Any) -> dict[str, Any]:
    """All weights of a model, masks excepted, by names such as "block/dense_1/kernel"."""
    named: dict[str, Any] = {}
    seen = set()
    for path, layer in leaf_layers(model):
        for variable in own_weights(layer):
            if id(variable) in seen:
                continue
            seen.add(id(variable))
            name = f"{path}/{_last_part(variable.name)}" if path else _last_part(variable.name)
            while name in named:
                name += "_"
            named[name] = variable
    return named


def reset_layer_states(model: Any) -> None:
    """Forgets what stateful recurrent layers have kept of the examples before."""
    for _, layer in leaf_layers(model):
        if getattr(layer, "stateful", False):
            reset = getattr(layer, "reset_states", None) or getattr(layer, "reset_state", None)
            if reset is not None:
                reset()


def model_variables(model: Any) -> dict[str, tf.Variable]:
    """The variables of TensorFlow that hold the weights of `keras_variables`."""
    return {name: tensorflow_variable(weight) for name, weight in keras_variables(model).items()}


def own_weights(layer: Any) -> list[Any]:
    """Weights of a layer that are not those of a layer in it; masks excepted."""
    layer = unwrapped(layer)
    of_others = {id(weight) for _, held in sublayers(layer) for weight in held.weights}
    # Keras 2 counts vocabularies as weights, which have no type.
    return [
        weight
        for weight in layer.weights
        if id(weight) not in of_others and hasattr(weight, "dtype")
    ]


def _of_graph(model: Any, prefix: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    for layer in model.layers:
        yield from _once(layer, prefix + unwrapped(layer).name, seen, by_name=True)


def _of_layer(layer: Any, path: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    yield path, layer
    prefix = f"{path}/" if path else ""
    for name, held in sublayers(unwrapped(layer)):
        yield from _once(held, prefix + name, seen, by_name=False)


def _once(layer: Any, path: str, seen: set[int], *, by_name: bool) -> Iterator[tuple[str, Any]]:
    if id(layer) in seen:
        return
    seen.add(id(layer))
    if not is_graph(layer):
        yield from _of_layer(layer, path, seen)
    elif by_name:
        yield from _of_graph(layer, f"{path}/", seen)
    else:
        for index, held in enumerate(layer.layers):
            yield from _once(held, f"{path}/{index}", seen, by_name=False)


def _layers_in(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if is_layer(value):
        yield name, value
    elif isinstance(value, list | tuple):
        for index, held in enumerate(value):
            yield from _layers_in(f"{name}/{index}", held)
    elif isinstance(value, dict):
        for key, held in value.items():
            yield from _layers_in(f"{name}/{key}", held)


def _last_part(name: str) -> str:
    return name.split("/")[-1].split(":")[0]
