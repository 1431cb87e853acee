"""Keeps the levels of a search in memory."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_lottery.masking.masks import Mask
from tf_lottery.training.network import NetworkState


class MemoryJournal:
    """A `LevelJournal` that lasts as long as the process."""

    def __init__(self):
        """Starts empty."""
        self._levels: dict[int, tuple[Mapping[str, np.ndarray], Mask]] = {}
        self._rewind_state: NetworkState | None = None

    def is_complete(self, level: int) -> bool:
        """Whether the level was saved."""
        return level in self._levels

    def load(self, level: int) -> tuple[Mapping[str, np.ndarray], Mask]:
        """Trained weights and mask of a level."""
        return self._levels[level]

    def save(
        self, level: int, weights: Mapping[str, np.ndarray], mask: Mask, record: Mapping[str, Any]
    ) -> None:
        """Completes a level; the record is the history's to keep."""
        self._levels[level] = (weights, mask)

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
