"""What makes a search the same as one that another process began."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from tf_lottery.pruning.layers import model_variables
from tf_lottery.training.network import Network


def search_arguments(network: Network, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Describes a search as JSON values.

    Args:
      network: what is searched: the names and shapes of its weights and the configuration of its
        optimizer count.
      arguments: of the search; functions go by their names.
    """
    variables = model_variables(network.model)
    weights = {name: list(variable.shape) for name, variable in variables.items()}
    # Keras 3 numbers the optimizers of a process.
    optimizer = {**network.optimizer_config, "name": type(network.optimizer).__name__}
    described = {**arguments, "weights": weights, "optimizer": optimizer}
    return json.loads(json.dumps(described, default=_described))


def _described(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return dataclasses.asdict(value)
    if hasattr(value, "item"):
        return value.item()
    return getattr(value, "__qualname__", type(value).__name__)
