"""What each level of a search leaves behind, wherever it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

import numpy as np

from tf_lottery.masking.masks import Mask

if TYPE_CHECKING:  # It imports TensorFlow, for which those that only look do not wait.
    from tf_lottery.training.network import NetworkState

# The weights that a level's training ended with, or those of the rewind step.
TicketWeights = Literal["trained", "rewind"]
TICKET_WEIGHTS = get_args(TicketWeights)


class LevelJournal(Protocol):
    """Keeps what each level leaves behind, in memory or in a folder."""

    def is_complete(self, level: int) -> bool:
        """Whether the level was saved."""
        ...

    def load(self, level: int) -> tuple[Mapping[str, np.ndarray], Mask]:
        """Trained weights and mask of a complete level."""
        ...

    def save(
        self, level: int, weights: Mapping[str, np.ndarray], mask: Mask, record: Mapping[str, Any]
    ) -> None:
        """Completes a level."""
        ...

    def save_rewind_state(self, state: NetworkState) -> None:
        """Keeps the network at the rewind step, on the way through level 0."""
        ...

    def rewind_state(self) -> NetworkState:
        """The network at the rewind step of level 0."""
        ...
