"""The registry of models and one file per family."""

from tf_lottery.models import (  # noqa: F401 - importing a family registers it
    applications,
    cifar_resnet,
    conv,
    imagenet_resnet,
    lenet,
    vgg,
    wide_resnet,
)
from tf_lottery.models.registry import (
    build_model,
    cheapest_models,
    check_model_name,
    draw_model,
    example_models,
    model_names,
    register,
)

__all__ = [
    "build_model",
    "cheapest_models",
    "check_model_name",
    "draw_model",
    "example_models",
    "model_names",
    "register",
]
