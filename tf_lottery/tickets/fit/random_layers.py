"""Layers that draw random numbers while they are trained, which no search saves."""

from typing import Any

from tf_lottery.masking.keras_versions import keras_class_names
from tf_lottery.masking.layers import leaf_layers
from tf_lottery.masking.wrapper import unwrapped


def random_layers(model: Any) -> list[str]:
    """Names the layers with dropout, noise or random augmentation."""
    found = ((path, unwrapped(layer)) for path, layer in leaf_layers(model))
    return [path for path, layer in found if _draws(layer)]


def _draws(layer: Any) -> bool:
    names = keras_class_names(layer)
    if any(name.startswith("Random") for name in names):
        return True
    own = {"GaussianNoise": "stddev"} | dict.fromkeys((n for n in names if "Dropout" in n), "rate")
    # Of dropout and noise; of recurrent layers and attention.
    strengths = [getattr(layer, own[name], 0) for name in names if name in own]
    strengths += [getattr(layer, name, 0) for name in ("dropout", "recurrent_dropout")]
    return any(isinstance(strength, float) and strength > 0 for strength in strengths)
