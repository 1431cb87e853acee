"""The registry of models and one file per family."""

from tf_lottery.models import conv, lenet  # noqa: F401 - importing a family registers it
from tf_lottery.models.registry import (
    build_model,
    check_model_name,
    example_models,
    model_names,
    register,
)

__all__ = ["build_model", "check_model_name", "example_models", "model_names", "register"]
