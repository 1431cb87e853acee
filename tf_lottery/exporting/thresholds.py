"""Above which number an output of one unit stands for class 1."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tf_keras

from tf_lottery.exporting.plain_network import Arrays, PlainNetwork, identifier
from tf_lottery.masking.keras_versions import is_graph, keras_class_names, tensor_origin

_OF_PROBABILITIES, _OF_LOGITS = 0.5, 0.0
# Losses whose outputs come close to the labels, 0 and 1.
_CLOSE_TO_LABELS = (
    *("binary_crossentropy", "binary_focal_crossentropy"),
    *("mean_squared_error", "mean_absolute_error", "huber", "log_cosh"),
)
_SAME_NUMBERS = {"Flatten", "Reshape", "Dropout"}


def binary_thresholds(network: PlainNetwork, outputs: Arrays) -> dict[str, float]:
    """Thresholds by the names of the outputs of one unit.

    It is 0.5 for a sigmoid, and else what the loss that the model is compiled with says. Without a
    loss that tells it is 0, and for a subclassed model, of which the last layer is not known, 0.5
    if all outputs are between 0 and 1.

    Args:
      network: the network.
      outputs: what it computes, by name.
    """
    thresholds = {}
    for number, output in enumerate(network.outputs):
        if not is_binary(output.shape):
            continue
        if _is_sigmoid(network, number):
            thresholds[output.name] = _OF_PROBABILITIES
            continue
        of_loss = _of_loss(_loss_of(network, number))
        thresholds[output.name] = (
            _of_outputs(network, outputs[output.name]) if of_loss is None else of_loss
        )
    return thresholds


def is_binary(shape: Sequence[int | None]) -> bool:
    """Whether outputs of a shape, that of an example, are one number."""
    return tuple(shape) in ((), (1,))


def _of_outputs(network: PlainNetwork, outputs: np.ndarray) -> float:
    between = bool(np.all((outputs >= 0) & (outputs <= 1)))
    return _OF_PROBABILITIES if between and not is_graph(network.model) else _OF_LOGITS


def _loss_of(network: PlainNetwork, number: int) -> Any:
    """The loss of an output: there may be one for all, a list, or a dictionary."""
    loss = network.loss
    if isinstance(loss, Mapping):
        by_name = {identifier(str(name)): own for name, own in loss.items()}
        return by_name.get(network.outputs[number].name)
    if isinstance(loss, list | tuple):
        return loss[number] if number < len(loss) else None
    return loss


def _of_loss(loss: Any) -> float | None:
    if isinstance(loss, str):
        # Keras 3 knows the same names.
        try:
            loss = tf_keras.losses.get(loss)
        except ValueError:
            return None
    is_partial = isinstance(loss, functools.partial)
    options = loss.keywords if is_partial else getattr(loss, "__dict__", {})
    options = {**options, **(getattr(loss, "_fn_kwargs", None) or {})}
    if "from_logits" in options:
        return _OF_LOGITS if options["from_logits"] else _OF_PROBABILITIES
    function = getattr(loss, "func", getattr(loss, "fn", loss))
    name = getattr(function, "__name__", "")
    return _OF_PROBABILITIES if name in _CLOSE_TO_LABELS else None


def _is_sigmoid(network: PlainNetwork, number: int) -> bool:
    """Whether an output of a graph is that of a sigmoid: the loss may be told otherwise by mistake.

    A subclassed model has no graph.
    """
    return is_graph(network.model) and _comes_from_sigmoid(network.model.outputs[number])


def _comes_from_sigmoid(tensor: Any) -> bool:
    origin = tensor_origin(tensor)
    layer = origin.layer
    if origin.is_input:
        return False
    if is_graph(layer):
        return _comes_from_sigmoid(layer.outputs[origin.output])
    activation = getattr(getattr(layer, "activation", None), "__name__", "")
    # A function of TensorFlow, an operation of Keras 3, or a layer.
    names = (activation, str(getattr(layer, "symbol", "")), type(layer).__name__)
    if any("sigmoid" in name.lower() for name in names):
        return True
    passes = activation == "linear" and "Activation" in keras_class_names(layer)
    if passes or _SAME_NUMBERS & set(keras_class_names(layer)):
        return _comes_from_sigmoid(origin.inputs[0])
    return False
