"""Copies Sequential and functional models, with wrappers that hold masks or without."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tf_lottery.masking.keras_versions import (
    graph_calls,
    has_vocabulary,
    is_copied_as_it_is,
    is_graph,
    is_keras_3,
    is_layer,
    keras_class_names,
    keras_of,
    names_of_keras,
)
from tf_lottery.masking.layers import leaf_layers, shared_parts, sublayers
from tf_lottery.masking.masked_graph import OWN_METHODS, forget_masks
from tf_lottery.masking.used_weights import weights_used_directly
from tf_lottery.masking.users_objects import users_objects_known
from tf_lottery.masking.wrapper import MaskedLayer, unwrapped

Layer = keras.layers.Layer


def why_not_copied(model: Any) -> str | None:
    """Why Keras cannot copy a model so that the copy computes the same and has what it has.

    Args:
      model: a built model.

    Returns:
      The reason, as a sentence's end; None if it can be copied.
    """
    if not is_graph(model):
        return "it is a subclassed model"
    if not is_copied_as_it_is(model):
        return "its class has a constructor"
    return holds_weights_elsewhere(model)


def holds_weights_elsewhere(graph: Any) -> str | None:
    """Says which weights a copy of a graph would have twice, or lack.

    Args:
      graph: a built Sequential or functional model.

    Returns:
      As a sentence's end; None if there are none.
    """
    if shared := shared_parts(graph):
        part, holders = next(iter(shared.items()))
        return f"{part} is part of several of its layers ({', '.join(holders)})"
    called = {id(call.layer) for call in graph_calls(graph)}
    for name, value in _own_attributes(graph).items():
        if any(_has_variables(part) for part in _parts(value) if id(part) not in called):
            return f"its attribute {name} has weights outside its graph"
    for user, weight in weights_used_directly(graph).items():
        return f"its layer {user} uses the weight {weight} without calling its layer"
    return None


def plain_copy(model: Any) -> Any:
    """Copies a model without wrappers, and without the masks that constraints hold.

    Args:
      model: a built Sequential or functional model of either Keras.

    Raises:
      ValueError: if a layer in it has no configuration to copy it by.
    """
    copies: dict[int, tuple[Layer, Layer]] = {}
    clone = clone_with(model, lambda layer: copied_layer(unwrapped(layer)), copies)
    _copy_weights(copies)
    refresh_constants(clone)
    return clone


def wrapped_copy(model: keras.Model, pruning_rates: Mapping[int, float | None]) -> keras.Model:
    """Copies a model with some of its layers in wrappers that hold masks of ones.

    Args:
      model: a built Sequential or functional tf_keras model; wrappers that it has are left out.
      pruning_rates: id of every layer, or wrapper, to wrap, to its own pruning rate.

    Raises:
      ValueError: if a layer in it has no configuration to copy it by.
    """

    def copy(layer: Layer) -> Layer:
        copy = copied_layer(unwrapped(layer))
        if id(layer) not in pruning_rates:
            return copy
        return MaskedLayer(copy, pruning_rate=pruning_rates[id(layer)])

    copies: dict[int, tuple[Layer, Layer]] = {}
    clone = clone_with(model, copy, copies)
    _copy_weights(copies)
    return clone


def clone_with(
    model: Any,
    copy_layer: Callable[[Any], Any],
    copies: dict[int, tuple[Any, Any]] | None = None,
    new_inputs: Callable[[Any], Any] = lambda nested: None,
) -> Any:
    """Copies the graph of a model and of the graphs in it, with other layers and fresh weights.

    Args:
      model: a built Sequential or functional model of either Keras.
      copy_layer: makes the layer for the place of a layer; it is called once for each. Layers with
        vocabularies stay the same.
      copies: takes id of a layer to the layer and its copy, graphs excepted.
      new_inputs: for a graph in the model, the symbolic inputs of its copy, as the graph takes
        them; None for inputs like its own.

    Returns:
      The copy, which is not compiled.
    """
    copies = {} if copies is None else copies
    models: dict[int, Any] = {}
    same: dict[int, Any] = {}

    def copy(layer: Any) -> Any:
        if is_graph(layer):
            if id(layer) not in models:
                models[id(layer)] = copied_graph(layer, new_inputs(layer))
            return models[id(layer)]
        if has_vocabulary(layer):
            # Keras would copy it without what it was adapted to; training does not change it.
            same[id(layer)] = layer
            return layer
        if id(layer) not in copies:
            copies[id(layer)] = (layer, copy_layer(layer))
        return copies[id(layer)][1]

    def copied_graph(graph: Any, inputs: Any) -> Any:
        with _uncompiled(graph):
            clone = keras_of(graph).models.clone_model(graph, inputs, clone_function=copy)
        forget_masks(clone)
        its_copy = {key: layer for key, (_, layer) in copies.items()} | models | same
        for name, value in _own_attributes(graph).items():
            if not _is_lost_with_class(graph, value, its_copy):
                setattr(clone, name, _with_copies(value, its_copy))
        return clone

    return copied_graph(model, None)


def copied_layer(layer: Any, kind: type | None = None, **changes: Any) -> Any:
    """A new layer of the same name and configuration, without weights yet.

    Args:
      layer: a layer, or a subclassed model.
      kind: class of the new layer; by default the same.
      **changes: of the configuration.

    Raises:
      ValueError: if the layer has no configuration that makes a layer.
    """
    try:
        with users_objects_known(layer):
            config = layer.get_config() | changes
            # Keras 2 leaves two arguments out of the configuration.
            of_keras_2 = isinstance(layer, keras.layers.BatchNormalization)
            if of_keras_2 and layer.synchronized:
                config["synchronized"] = True
            copy = (kind or type(layer)).from_config(config)
        if of_keras_2 and layer.fused is False:
            copy.fused = False
    except Exception as error:  # Any: it is the user's class that fails.
        raise ValueError(
            f"{layer.name} ({type(layer).__name__}) cannot be copied: {_first_line(error)}. Give "
            "its class a get_config that returns the arguments of its constructor."
        ) from error
    if copy.name != layer.name:
        # The configuration of a subclassed model lacks the name, by which weights are known.
        setattr(copy, "name" if is_keras_3(layer) else "_name", layer.name)
    return copy


def refresh_constants(model: Any) -> bool:
    """Makes a model compute with its weights, where they were set after it was built.

    The constants of a `Normalization` layer are made of its weights, by Keras 3 only once, and in
    tf_keras those of a `Discretization` layer.

    Returns:
      Whether one is another now; what is compiled computes with the one before.
    """
    changed = False
    for _, layer in leaf_layers(model):
        names = keras_class_names(layer)
        if "Normalization" in names or ("Discretization" in names and not is_keras_3(layer)):
            before = _constants_of(layer)
            layer.finalize_state()
            changed |= before != _constants_of(layer)
    return changed


def _constants_of(layer: Any) -> list[bytes]:
    names = "mean", "variance", "bin_boundaries"
    values = (getattr(layer, name, None) for name in names)
    return [np.asarray(value).tobytes() for value in values if value is not None]


def freeze_alike(layer: Any, copy: Any) -> None:
    """Freezes in a copy of a layer or model what is frozen in it: configurations do not tell all.

    Args:
      layer: of either Keras.
      copy: a layer of the same structure, wrappers that hold masks excepted.
    """
    for each, its_copy in ((layer, copy), (unwrapped(layer), unwrapped(copy))):
        if its_copy.trainable != each.trainable:
            its_copy.trainable = each.trainable
    held, its_copies = _held_by(layer), _held_by(copy)
    # Layers that were given to a layer after it was made are not in its copy.
    if len(held) == len(its_copies):
        for each, its_copy in zip(held, its_copies, strict=True):
            freeze_alike(each, its_copy)


def _own_attributes(model: Any) -> dict[str, Any]:
    """What the user has given a Sequential or functional model besides its graph."""
    of_keras = names_of_keras(model)
    return {
        name: value
        for name, value in vars(model).items()
        if name not in of_keras and name not in OWN_METHODS and not name.startswith("_")
    }


def _parts(value: Any) -> list[Any]:
    """What an attribute holds: the items of lists and dictionaries, or itself."""
    return tf.nest.flatten(value)


def _has_variables(part: Any) -> bool:
    return hasattr(part, "assign") or bool(getattr(part, "variables", None))


def _with_copies(value: Any, its_copy: Mapping[int, Any]) -> Any:
    """An attribute of a copy: with the copies of the layers that it holds, also in lists."""
    if id(value) in its_copy:
        return its_copy[id(value)]
    if not any(id(part) in its_copy for part in _parts(value)):
        return value
    if isinstance(value, Mapping):
        return {key: _with_copies(each, its_copy) for key, each in value.items()}
    items = [_with_copies(each, its_copy) for each in value]
    return tuple(items) if isinstance(value, tuple) else items


def _is_lost_with_class(graph: Any, value: Any, its_copy: Mapping[int, Any]) -> bool:
    """Whether an attribute is of no use without the class, whose constructor made it.

    Keras 2 copies the graph alone. It writes a layer that is an attribute too under the name of
    the attribute, where the file's reader, which knows the graph alone, does not look for it.
    """
    if is_keras_3(graph) or is_copied_as_it_is(graph):
        return False
    return any(id(part) in its_copy for part in _parts(value))


def _held_by(layer: Any) -> list[Any]:
    layer = unwrapped(layer)
    if is_graph(layer):
        return list(layer.layers)
    return [held for _, held in sublayers(layer)]


@contextmanager
def _uncompiled(model: Any) -> Iterator[None]:
    """Keeps Keras 3 from compiling a copy, where it fails if a loss or metric cannot be saved."""
    compiled = is_keras_3(model) and model.compiled
    if compiled:
        model.compiled = False
    try:
        yield
    finally:
        if compiled:
            model.compiled = True


def _copy_weights(copies: Mapping[int, tuple[Layer, Layer]]) -> None:
    for layer, copy in copies.values():
        # Graphs of Keras 3 also hold operations, which have no weights; and attributes of a model
        # may hold layers outside its graph, which a copy does not call.
        if is_layer(layer) and (copy.built or not layer.built):
            unwrapped(copy).set_weights(_weight_values(unwrapped(layer)))


def _weight_values(layer: Layer) -> list[np.ndarray]:
    """What `layer.get_weights()` returns, by the replicas of this worker alone.

    Normalization statistics differ among replicas; to average them over the replicas of all
    workers, `get_weights` would wait until the other workers call it too.
    """
    if not any(isinstance(weight, tf.distribute.DistributedValues) for weight in layer.weights):
        return layer.get_weights()
    return [
        np.mean(
            [replica.numpy() for replica in weight.values],
            axis=0,
            dtype=weight.dtype.as_numpy_dtype,
        )
        if weight.synchronization == tf.VariableSynchronization.ON_READ
        else weight.numpy()
        for weight in layer.weights
    ]


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).partition("\n")[0].rstrip(".")
