"""What each level of a search leaves behind, wherever it is kept."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from tf_lottery.pruning.masks import Mask
from tf_lottery.training.network import NetworkState


class LevelJournal(Protocol):
    """Keeps what each level leaves behind, in memory or in a run folder."""

    def is_complete(self, level: int) -> bool:
        """Whether the level was saved."""

    def load(self, level: int) -> tuple[Mapping[str, np.ndarray], Mask]:
        """Trained weights and mask of a complete level."""

    def save(
        self, level: int, weights: Mapping[str, np.ndarray], mask: Mask, record: Mapping[str, Any]
    ) -> None:
        """Completes a level."""

    def rewind_state(self) -> NetworkState:
        """The network at the rewind step of level 0."""
