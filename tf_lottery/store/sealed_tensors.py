"""A folder of named arrays and a JSON record that is there whole, unchanged, or not at all."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tf_lottery.store.atomic import atomic_folder
from tf_lottery.store.errors import RunFolderError
from tf_lottery.store.seal import seal, verify_seal
from tf_lottery.store.tensors import load_tensors, save_tensors


class SealedTensors:
    """Arrays and a record, written once and verified at every reading.

    Args:
      folder: where they are: `tensors.*` (a TensorFlow checkpoint) and `seal.json`.
    """

    def __init__(self, folder: Path):
        self._folder = folder

    @property
    def path(self) -> Path:
        """The folder."""
        return self._folder

    def exists(self) -> bool:
        """Returns whether they have been saved."""
        return self._folder.exists()

    def save(
        self,
        tensors: Mapping[str, np.ndarray],
        record: dict[str, Any],
        *,
        replace: bool = False,
    ) -> None:
        """Saves arrays and a record.

        Args:
          tensors: at least one array, by name.
          record: JSON; floats and NaN keep their exact value.
          replace: whether to replace what was saved before.

        Raises:
          RunFolderError: something has been saved, and `replace` is false.
          StorageError: the disk is full, read-only, …
        """
        if self.exists() and not replace:
            raise RunFolderError(f"{self._folder.absolute()} exists already and is never replaced")
        with atomic_folder(self._folder, replace=replace) as temporary:
            files = save_tensors(temporary / "tensors", tensors)
            seal(temporary, [file.name for file in files], record)

    def load(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Loads what was saved, after verifying it.

        Returns:
          The arrays by name, and the record.

        Raises:
          DamagedFileError: a file is missing, truncated or edited.
        """
        record = verify_seal(self._folder)
        return load_tensors(self._folder / "tensors"), record
