"""Keeps the levels of a search where the chief of several workers keeps them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_lottery.masking.masks import Mask
from tf_lottery.tickets.run_journal import RunJournal
from tf_lottery.training.network import NetworkState
from tf_lottery.training.workers import Message, Workers


class SharedJournal:
    """A `LevelJournal` that only the chief reads and writes; it tells the others what it read."""

    def __init__(self, journal: RunJournal | None, workers: Workers):
        """Shares a journal.

        Args:
          journal: the chief's; None for the other workers.
          workers: all of them; they have to call the same methods in the same order.
        """
        self._journal, self._workers = journal, workers

    @property
    def _kept(self) -> RunJournal:
        if self._journal is None:
            raise RuntimeError("the chief alone has a journal")
        return self._journal

    def is_complete(self, level: int) -> bool:
        """Whether the chief has the level."""
        return self._workers.from_chief(lambda: Message(self._kept.is_complete(level))).record

    def load(self, level: int) -> tuple[Mapping[str, np.ndarray], Mask]:
        """Trained weights and mask of a complete level; errors as in `RunJournal.load`."""

        def read() -> Message:
            weights, mask = self._kept.load(level)
            masks = {f"mask/{name}": array for name, array in mask.items()}
            return Message(None, {f"weights/{name}": w for name, w in weights.items()} | masks)

        tensors = self._workers.from_chief(read).tensors
        return _below("weights/", tensors), Mask(_below("mask/", tensors))

    def save(
        self, level: int, weights: Mapping[str, np.ndarray], mask: Mask, record: Mapping[str, Any]
    ) -> None:
        """Lets the chief complete a level."""
        self._workers.on_chief(lambda: self._kept.save(level, weights, mask, record))

    def rewind_state(self) -> NetworkState:
        """The network at the rewind step; errors as in `RunJournal.rewind_state`."""

        def read() -> Message:
            state = self._kept.rewind_state()
            return Message(state.step, state.tensors())

        step, tensors = self._workers.from_chief(read)
        return NetworkState.from_tensors(step, tensors)

    def save_rewind_state(self, state: NetworkState) -> None:
        """Lets the chief keep the network at the rewind step."""
        self._workers.on_chief(lambda: self._kept.save_rewind_state(state))


def _below(prefix: str, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        name.removeprefix(prefix): array
        for name, array in tensors.items()
        if name.startswith(prefix)
    }
