"""Warns of layers that a search has pruned away."""

from tf_lottery.masking.masks import Mask
from tf_lottery.messages import warn_user
from tf_lottery.store.empty_layers import CONSEQUENCE, no_weight_remains


class EmptyLayerWarning(UserWarning):
    """Pruning has left no weight of a layer."""


def warn_of_empty_layers(level: int, mask: Mask) -> None:
    """Warns if a mask leaves no weight of a layer.

    Args:
      level: that it was pruned to.
      mask: of the level.
    """
    layers = mask.empty_layers()
    if layers:
        warn_user(
            f"level {level}: {no_weight_remains(layers)}. {CONSEQUENCE} Prune less, or with "
            "scope='layerwise', which leaves weights in each layer.",
            EmptyLayerWarning,
        )
