"""Checks that data for `fit` fit each other and the model; Keras would complain within a graph."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import tensorflow as tf
import tf_keras as keras

from tf_lottery.config.arguments import refusal
from tf_lottery.masking.keras_versions import is_graph, trains_as_keras_does


def check_fit_data(model: Any, x: Any, fit_arguments: Mapping[str, Any]) -> None:
    """Checks data that are given to `fit`.

    Args:
      model: a compiled model.
      x: arrays, or a data set, of which nothing is read; anything else passes.
      fit_arguments: the other arguments, y among them.

    Raises:
      ValueError: names the argument, its shape or length, and what is right.
    """
    given = {name: fit_arguments.get(name) for name in ("y", "sample_weight")}
    _check_lengths({"x": x, **given})
    check_ends({"x": x, **fit_arguments})
    data = fit_arguments.get("validation_data")
    if isinstance(data, tuple):
        _check_lengths({f"validation_data[{place}]": part for place, part in enumerate(data)})
    loss = getattr(model, "loss", None)
    needs_labels = trains_as_keras_does(model) and (isinstance(loss, str) or callable(loss))
    if given["y"] is None and _examples(x) and needs_labels:
        name = loss if isinstance(loss, str) else getattr(loss, "name", loss)
        raise refusal("y", None, f"give the labels that the model's loss, {name}, compares with")
    _check_inputs(model, x)


def check_ends(fit_arguments: Mapping[str, Any]) -> None:
    """Checks that an epoch ends, and its validation: Keras 3 would go on for ever.

    Args:
      fit_arguments: arguments of `fit`, x among them.

    Raises:
      ValueError: if a data set has no end, and nothing says how much of it is an epoch.
    """
    for argument, steps in (("x", "steps_per_epoch"), ("validation_data", "validation_steps")):
        data = fit_arguments.get(argument)
        endless = isinstance(data, tf.data.Dataset) and (
            int(tf.data.experimental.cardinality(data)) == tf.data.INFINITE_CARDINALITY
        )
        if endless and fit_arguments.get(steps) is None:
            raise ValueError(
                f"{argument} is a data set without end, as of repeat(): give {steps}, or a data "
                "set that is not repeated."
            )


def _examples(data: Any) -> list[int]:
    """The lengths of arrays, of which there may be several; none of anything else."""
    leaves = [] if data is None else tf.nest.flatten(data)
    shapes: list[Any] = [getattr(leaf, "shape", None) or () for leaf in leaves]
    if not all(map(len, shapes)):
        return []
    return [int(shape[0]) for shape in shapes if shape[0] is not None]


def _check_lengths(arrays: Mapping[str, Any]) -> None:
    lengths = {name: found[0] for name, data in arrays.items() if (found := _examples(data))}
    for (first, expected), (name, length) in pairwise(lengths.items()):
        if length != expected:
            raise ValueError(
                f"{name} has {length} examples, and {first} has {expected}: give as many of both."
            )


def _check_inputs(model: Any, x: Any) -> None:
    inputs = getattr(model, "inputs", None) if is_graph(model) else None
    given = x
    if isinstance(x, Mapping):
        if inputs is not None:
            _check_names(model, x)
        return
    if isinstance(x, tf.data.Dataset):
        given = keras.utils.unpack_x_y_sample_weight(x.element_spec)[0]
    shape = getattr(given, "shape", None)
    if inputs is None or len(inputs) != 1 or shape is None or not _is_known(shape):
        return
    takes, own = tuple(inputs[0].shape)[1:], tuple(shape)[1:]
    if len(takes) == len(own) and all(a in (None, b) for a, b in zip(takes, own, strict=True)):
        return
    # Keras takes some others too, such as images without the axis of their one channel.
    dtype = tf.as_dtype(inputs[0].dtype)
    try:
        model(tf.fill((1, *own), "" if dtype == tf.string else tf.zeros((), dtype)), training=False)
    except Exception as error:
        right = f"the model takes examples of shape {_text(takes)}"
        raise ValueError(f"x has examples of shape {_text(own)}, and {right}.") from error


def _check_names(model: Any, x: Mapping[str, Any]) -> None:
    names = list(getattr(model, "input_names", [tensor.name for tensor in model.inputs]))
    if isinstance(model.input, Mapping):
        names += model.input
    if set(names).isdisjoint(x):
        raise ValueError(
            f"x names the inputs {', '.join(map(str, x))}, and those of the model are "
            f"{', '.join(dict.fromkeys(names))}."
        )


def _is_known(shape: Any) -> bool:
    rank = getattr(shape, "rank", len(tuple(shape)) if isinstance(shape, tuple) else None)
    return bool(rank) and None not in tuple(shape)[1:]


def _text(shape: tuple[int | None, ...]) -> str:
    sizes = ["any" if size is None else str(size) for size in shape]
    return f"({sizes[0]},)" if len(sizes) == 1 else f"({', '.join(sizes)})"
