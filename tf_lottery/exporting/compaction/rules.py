"""What the rules of layers say: how output channels depend on input channels."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Constants = np.ndarray
"""Float64 value of each channel that has the same value everywhere, for any input; else NaN."""

Tie = tuple[np.ndarray, np.ndarray]
"""Input channels, and the output channels made of them: they stay or go together."""

Part = tuple[np.ndarray | None, ...]
"""Of an array, what is known of the channels along each of its last axes; None: none are there.

Whether they stay, as booleans; or the numbers of their slots.
"""


@dataclass(frozen=True)
class Shrinkage:
    """A smaller layer.

    Attributes:
      weights: the arrays for its `set_weights`.
      config: changes of its configuration.
    """

    weights: list[np.ndarray]
    config: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Fixed:
    """A layer that stays as it is, with all of its inputs and outputs.

    Attributes:
      reason: why, for the report.
    """

    reason: str


class Rule:
    """A layer with one output, whose channels are the last axis.

    Attributes:
      layer: the layer, or an operation of Keras 3.
      sizes: numbers of channels of its inputs.
      size: number of channels of its output.
      ranks: numbers of axes of its inputs.
    """

    def __init__(self, layer: Any, sizes: Sequence[int], size: int, ranks: Sequence[int]):
        """Takes a layer, and what is known of one call of it."""
        self.layer = layer
        self.sizes = sizes
        self.size = size
        self.ranks = ranks

    @property
    def obstacle(self) -> str:
        """Why the layer has to stay as it is with all of its inputs and outputs; "" if not."""
        return ""

    def constants(self, inputs: Sequence[Constants]) -> Constants:
        """Which output channels are constant, given the constants of the inputs."""
        raise NotImplementedError

    def parts(self, kept: Sequence[np.ndarray], kept_outputs: np.ndarray) -> list[Part]:
        """What is known of the channels along the axes of each of the layer's weights.

        Args:
          kept: whether a channel stays, or its slot, for each input.
          kept_outputs: the same for the output.
        """
        raise NotImplementedError

    def shrunk(
        self, inputs: Sequence[Constants], kept: Sequence[np.ndarray], kept_outputs: np.ndarray
    ) -> Shrinkage:
        """The layer for the channels that stay.

        Args:
          inputs: constants of each input.
          kept: whether a channel stays, for each input.
          kept_outputs: the same for the output.
        """
        raise NotImplementedError


def finite_constants(values: np.ndarray, constant: np.ndarray) -> Constants:
    """Float64 values, NaN where they are not constant or not finite."""
    values = np.asarray(values, np.float64)
    return np.where(constant & np.isfinite(values), values, np.nan)


def taken(array: np.ndarray, part: Part) -> np.ndarray:
    """The part of an array that stays."""
    for axis, kept in enumerate(reversed(part), 1):
        if kept is not None:
            array = np.compress(kept, array, axis=-axis)
    return array
