"""Networks by name: one file per family."""

import warnings
from typing import Any

from tf_lottery.models.registry import (
    check_model_name,
    example_models,
    model_names,
    register_model,
)
from tf_lottery.startup import import_quietly

_BUILDING = ("build_model", "draw_model")

__all__ = [
    "build_model",
    "check_model_name",
    "draw_model",
    "example_models",
    "model_names",
    "register_model",
]


def __getattr__(name: str) -> Any:
    if name == "register":
        warnings.warn(
            "tf_lottery.models.register is called register_model, and goes with 0.3",
            DeprecationWarning,
            stacklevel=2,
        )
        return register_model
    if name not in _BUILDING:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_quietly("tf_lottery.models.build"), name)
