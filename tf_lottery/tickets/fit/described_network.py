"""What makes a model another one though its weights have the same names and shapes."""

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tf_lottery.config.arguments import is_several
from tf_lottery.masking.keras_versions import keras_of
from tf_lottery.masking.layers import leaf_layers, unwrapped
from tf_lottery.training.compiled_copy import compile_arguments

# Names are numbered by what a process has built before, Keras draws seeds that are not given, and
# the code of functions has the lines of their script in it.
_LEFT_OUT = frozenset({"name", "seed", "function", "fn", "module", "shared_object_id"})
_DIGITS = 16


def described_network(model: Any) -> dict[str, Any]:
    """Describes the layers of a model.

    Args:
      model: a model of either Keras.

    Returns:
      The version of Keras, whose layers may have other settings in another one; and of each layer
      its class and a digest of its settings, "" of layers that do not tell them.
    """
    keras = keras_of(model)
    layers = (unwrapped(layer) for _, layer in leaf_layers(model))
    return {
        "keras": f"{keras.__name__} {keras.__version__}",
        "layers": [[type(layer).__name__, _digest_of(layer)] for layer in layers],
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
    return ""


def _digest_of(thing: Any) -> str:
    try:
        # Keras warns of functions that take the place of its own objects.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            config = thing.get_config()
    # What users write may raise anything, and need not be able to tell.
    except Exception:
        return ""
    text = json.dumps(_without_names(config), sort_keys=True, default=_plain)
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
    return getattr(value, "__name__", type(value).__name__)
