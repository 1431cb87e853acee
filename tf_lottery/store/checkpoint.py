"""The state of a training in progress, from which a killed run continues."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tf_lottery.store.atomic import remove_folder
from tf_lottery.store.sealed_tensors import SealedTensors

SLOT_NAME = re.compile(r"step_([0-9]+)")


class Checkpoint(NamedTuple):
    """A saved state.

    Attributes:
      step: iterations done.
      tensors: arrays by name.
      record: what else training needs to continue, as JSON.
    """

    step: int
    tensors: dict[str, np.ndarray]
    record: dict[str, Any]


class CheckpointFolder:
    """Keeps the latest state of one training, as `step_<step>/`.

    Args:
      folder: where; it need not exist.
    """

    def __init__(self, folder: Path):
        self._folder = folder

    def save(self, step: int, tensors: Mapping[str, np.ndarray], record: dict[str, Any]) -> None:
        """Saves a state, and only then removes all others.

        Args:
          step: iterations done.
          tensors: at least one array, by name.
          record: JSON; floats and NaN keep their exact value.

        Raises:
          StorageError: the disk is full, read-only, …; the previous state is still there.
        """
        self._slot(step).save(tensors, record, replace=True)
        for other in self._steps():
            if other != step:
                remove_folder(self._slot(other).path)

    def latest_step(self) -> int | None:
        """The iterations of the latest state; None when none was saved."""
        return max(self._steps(), default=None)

    def latest(self) -> Checkpoint | None:
        """Loads the state with the most iterations.

        Returns:
          The state, or None when none was saved.

        Raises:
          DamagedFileError: a file of it is missing, truncated or edited.
        """
        step = max(self._steps(), default=None)
        return None if step is None else Checkpoint(step, *self._slot(step).load())

    def clear(self) -> None:
        """Removes all states, and the folder.

        Raises:
          StorageError: the system does not allow it.
        """
        remove_folder(self._folder)

    def _slot(self, step: int) -> SealedTensors:
        return SealedTensors(self._folder / f"step_{step}")

    def _steps(self) -> list[int]:
        if not self._folder.is_dir():
            return []
        names = (SLOT_NAME.fullmatch(path.name) for path in self._folder.iterdir())
        return [int(name[1]) for name in names if name]
