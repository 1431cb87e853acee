"""Keeps levels in the folder of a run or of a search."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_lottery.masking.masks import Mask
from tf_lottery.store.atomic import atomic_path
from tf_lottery.store.errors import DamagedFileError
from tf_lottery.store.levels import LevelsFolder
from tf_lottery.store.search_remedy import search_of
from tf_lottery.store.tensors import load_tensors, save_tensors
from tf_lottery.training.network import NetworkState


class RunJournal:
    """A `LevelJournal` that lasts."""

    def __init__(self, run: LevelsFolder):
        """Reads and writes the levels of `run`."""
        self._run = run

    def is_complete(self, level: int) -> bool:
        """Whether the level is sealed in the run folder."""
        return self._run.level(level).is_complete()

    def load(self, level: int) -> tuple[Mapping[str, np.ndarray], Mask]:
        """Trained weights and mask of a complete level.

        Raises:
          DamagedFileError: if a file of the level is not as it was written.
        """
        folder = self._run.level(level)
        folder.verify()
        try:
            mask = Mask.load(folder.masks_path)
        except ValueError as error:
            raise DamagedFileError(folder.masks_path, f"cannot be read ({error})") from error
        return load_tensors(folder.weights_prefix), mask

    def save(
        self, level: int, weights: Mapping[str, np.ndarray], mask: Mask, record: Mapping[str, Any]
    ) -> None:
        """Writes masks and weights beside the level's metrics, and seals them."""
        folder = self._run.level(level)
        with atomic_path(folder.masks_path) as path:
            mask.save(path)
        save_tensors(folder.weights_prefix, weights)
        folder.complete(dict(record))

    def rewind_state(self) -> NetworkState:
        """The network at the rewind step.

        Raises:
          DamagedFileError: if it was deleted, or its files are not as they were written.
        """
        rewind = self._run.rewind
        if not rewind.exists():
            raise DamagedFileError(
                rewind.path,
                "is missing",
                None
                if search_of(rewind.path)
                else f"Delete {self._run.level(0).path} as well: training level 0 again makes both "
                "anew.",
            )
        tensors, record = rewind.load()
        return NetworkState.from_tensors(record["step"], tensors)

    def save_rewind_state(self, state: NetworkState) -> None:
        """Keeps the network at the rewind step, unless an interrupted process did so already."""
        if not self._run.rewind.exists():
            self._run.rewind.save(state.tensors(), {"step": state.step})
