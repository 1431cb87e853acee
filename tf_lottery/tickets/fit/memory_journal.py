"""Keeps the levels of a search in memory."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tf_lottery.masking.masks import Mask
from tf_lottery.training.network import NetworkState


class MemoryJournal:
    """A `LevelJournal` that lasts as long as the process.

    Of a level it keeps the weights that remain, and a bit of the mask for each that might.
    """

    def __init__(self):
        """Starts empty."""
        self._levels: dict[int, tuple[Mapping[str, np.ndarray], dict[str, _PackedMask]]] = {}
        self._rewind_state: NetworkState | None = None

    def is_complete(self, level: int) -> bool:
        """Whether the level was saved."""
        return level in self._levels

    def load(self, level: int) -> tuple[Mapping[str, np.ndarray], Mask]:
        """Trained weights and mask of a level; weights that are pruned are 0.0."""
        remaining, packed = self._levels[level]
        mask = Mask.of_new({name: each.unpacked() for name, each in packed.items()})
        weights = {
            name: _scattered(array, mask[name]) if name in mask else array
            for name, array in remaining.items()
        }
        return weights, mask

    def save(
        self, level: int, weights: Mapping[str, np.ndarray], mask: Mask, record: Mapping[str, Any]
    ) -> None:
        """Completes a level; the record is the history's to keep."""
        remaining = {
            name: _gathered(array, mask[name]) if name in mask else array
            for name, array in weights.items()
        }
        self._levels[level] = remaining, {name: _PackedMask.of(mask[name]) for name in mask}

    def rewind_state(self) -> NetworkState:
        """The state given to `save_rewind_state`.

        Raises:
          ValueError: if there is none.
        """
        if self._rewind_state is None:
            raise ValueError(
                "rewind_step: level 0 ended before it was reached; rewind to an earlier step."
            )
        return self._rewind_state

    def has_rewind_state(self) -> bool:
        """Whether `save_rewind_state` was called."""
        return self._rewind_state is not None

    def save_rewind_state(self, state: NetworkState) -> None:
        """Keeps the network at the rewind step."""
        self._rewind_state = state


@dataclass(frozen=True)
class _PackedMask:
    shape: tuple[int, ...]
    bits: np.ndarray

    @classmethod
    def of(cls, mask: np.ndarray) -> "_PackedMask":
        return cls(mask.shape, np.packbits(mask))

    def unpacked(self) -> np.ndarray:
        return (
            np.unpackbits(self.bits, count=math.prod(self.shape)).astype(bool).reshape(self.shape)
        )


def _gathered(array: np.ndarray, mask: np.ndarray) -> np.ndarray:
    # Where nothing is pruned, the array need not be copied.
    return array.ravel() if mask.all() else array[mask]


def _scattered(remaining: np.ndarray, mask: np.ndarray) -> np.ndarray:
    if remaining.size == mask.size:
        return remaining.reshape(mask.shape)
    array = np.zeros(mask.shape, remaining.dtype)
    array[mask] = remaining
    return array
