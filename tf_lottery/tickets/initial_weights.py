"""Weights of a file in place of drawn ones: networks that were trained elsewhere are searched."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tensorflow as tf
import tf_keras as keras

from tf_lottery.config.initial_weights import weight_files
from tf_lottery.config.layer_patterns import layers_like, read_patterns
from tf_lottery.masking.layers import graph_layers, model_variables, own_weights
from tf_lottery.masking.wrapper import unwrapped
from tf_lottery.messages import listed

_OF_PIXELS = "normalization"
_OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
_OF_OBJECTS = re.compile(r"(?:.*/)?layer_with_weights-(\d+)/([^/]+)/\.ATTRIBUTES/VARIABLE_VALUE")

# The weights of a layer by the names that they have in the model.
_Layer = tuple[str, keras.layers.Layer, list[tuple[str, Any]]]


def give_initial_weights(model: keras.Model, path: str, drawn: str) -> None:
    """Sets the weights of a model to those of a file; those of some layers stay as they are.

    Args:
      model: made by `build_prunable_model`; what standardises its pixels is left alone.
      path: as given to `--initial_weights`: weights that Keras 2 or 3 has saved, or a checkpoint,
        of Keras or of a level of a run folder.
      drawn: as given to `--initial_weights_except`: patterns of the layers that stay.

    Raises:
      ValueError: if the file cannot be read, lacks a weight, has one of another shape or one that
        is not finite; names the weights.
    """
    flag = f"--initial_weights={path}"
    layers = list(_layers(model))
    stays = _layers_drawn([name for name, _, _ in layers], drawn)
    found = _read(flag, path, layers)
    variables = {
        name: variable
        for name, variable in model_variables(model).items()
        if name.split("/")[0] != _OF_PIXELS and name.rpartition("/")[0] not in stays
    }
    problems = []
    for name, variable in variables.items():
        value, shape = found.get(name), tuple(variable.shape)
        if value is None:
            problems.append(f"it has no {name}")
        elif value.shape != shape:
            problems.append(f"{name} has shape {value.shape} in it and {shape} in the network")
        elif not np.isfinite(value).all():
            problems.append(f"{name} has values in it that are not finite")
    if problems:
        last = layers[-1][0] if layers else "output"
        raise ValueError(
            f"{flag}: {listed(problems, between='; ')}. Layers that are to be drawn all the same "
            f"are named by --initial_weights_except, such as --initial_weights_except={last}."
        )
    for name, variable in variables.items():
        variable.assign(found[name])


def _layers_drawn(names: Sequence[str], drawn: str) -> set[str]:
    flag = "--initial_weights_except"
    return {
        name
        for part in read_patterns(flag, drawn)
        for name in layers_like(part, names, flag, drawn)
    }


def _layers(model: keras.Model) -> Iterator[_Layer]:
    """The layers with weights, in their order, without that which standardises the pixels."""
    names = {id(variable): name for name, variable in model_variables(model).items()}
    for path, layer in graph_layers(model):
        weights = [
            (names[id(weight)], weight) for weight in own_weights(layer) if id(weight) in names
        ]
        if weights and path != _OF_PIXELS:
            yield path, unwrapped(layer), weights


def _read(flag: str, path: str, layers: Sequence[_Layer]) -> dict[str, np.ndarray]:
    """The weights in a file, by the names that those of the model have."""
    files = weight_files(path)
    try:
        if len(files) > 1:
            return _of_checkpoint(str(Path(path).expanduser()).removesuffix(".index"), layers)
        if not h5py.is_hdf5(files[0]):
            raise ValueError(
                "it is neither an HDF5 file of Keras, such as x.weights.h5, nor a checkpoint"
            )
        with h5py.File(files[0], "r") as file:
            whole: Any = file.get("model_weights", file)
            if "layer_names" in whole.attrs:
                return _by_name(whole)
            stored: Any = file.get("layers")
            if stored is None:
                raise ValueError("it has no layers in it")
            return _by_place(stored, layers)
    except (OSError, KeyError, tf.errors.OpError, ValueError) as error:
        text = " ".join(str(error).split())
        raise ValueError(
            f"{flag} cannot be read ({text}). Give a file of model.save_weights, such as "
            "x.weights.h5, or a checkpoint, such as RUN/level_0/weights."
        ) from error


def _by_name(file: Any) -> dict[str, np.ndarray]:
    """The weights of a file in Keras' older format, which has the names of layers and weights."""
    found = {}
    for layer in file.attrs["layer_names"]:
        group = file[layer]
        for name in group.attrs["weight_names"]:
            text = name.decode() if isinstance(name, bytes) else str(name)
            found[text.split(":")[0]] = np.asarray(group[name])
    return found


def _by_place(stored: Any, layers: Sequence[_Layer]) -> dict[str, np.ndarray]:
    """The weights of a file in Keras' newer format, which counts the layers of each class."""
    counted: dict[str, int] = {}
    places = []
    for path, layer, _ in layers:
        kind = _snake_case(type(layer).__name__.removeprefix("Sync"))
        number = counted.get(kind, 0)
        counted[kind] = number + 1
        places.append((f"{kind}_{number}" if number else kind, path))
    # Later versions of Keras 3 name layers as they are called.
    named = sum(path in stored for _, path in places) > sum(place in stored for place, _ in places)
    found = {}
    for (place, path), (_, _, weights) in zip(places, layers, strict=True):
        values = stored.get(f"{path if named else place}/vars", {})
        for number, (name, _) in enumerate(weights):
            if str(number) in values:
                found[name] = np.asarray(values[str(number)])
    return found


def _of_checkpoint(prefix: str, layers: Sequence[_Layer]) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(prefix)
    shapes = reader.get_variable_to_shape_map()
    if _OBJECTS not in shapes:
        return {name: np.asarray(reader.get_tensor(name)) for name in shapes}
    found = {}
    for key in shapes:
        match = _OF_OBJECTS.fullmatch(key)
        if match and int(match[1]) < len(layers):
            for name, _ in layers[int(match[1])][2]:
                if name.rpartition("/")[2] == match[2]:
                    found[name] = np.asarray(reader.get_tensor(key))
    return found


def _snake_case(name: str) -> str:
    """A class's name as Keras writes it into files."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
