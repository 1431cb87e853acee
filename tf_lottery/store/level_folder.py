"""The folder of one level: its masks, trained weights and metrics."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tf_lottery.store.checkpoint import CheckpointFolder
from tf_lottery.store.errors import RunFolderError
from tf_lottery.store.recorded import Recorded
from tf_lottery.store.seal import checksum, read_seal, seal, verify_seal
from tf_lottery.store.tensors import tensor_files

_SEAL_NAME = "level.json"


class LevelFolder:
    """Where a level's files are, and whether the level is complete.

    Args:
      path: the folder; it need not exist.
    """

    def __init__(self, path: Path):
        self._path = path

    @property
    def path(self) -> Path:
        """The folder."""
        return self._path

    @property
    def masks_path(self) -> Path:
        """The masks, an .npz file."""
        return self._path / "masks.npz"

    @property
    def weights_prefix(self) -> Path:
        """The trained weights, for `save_tensors` and `load_tensors`."""
        return self._path / "weights"

    @property
    def metrics_path(self) -> Path:
        """The evaluations during training, for a `MetricsLog`."""
        return self._path / "metrics.csv"

    @property
    def checkpoints(self) -> CheckpointFolder:
        """The state of the training in progress."""
        return CheckpointFolder(self._path / "checkpoint")

    def is_complete(self) -> bool:
        """Returns whether the level was trained to its end and sealed."""
        return (self._path / _SEAL_NAME).exists()

    def complete(self, record: dict[str, Any]) -> None:
        """Seals the masks, weights and metrics into level.json; drops the checkpoints.

        Args:
          record: what the level found, as JSON; floats and NaN keep their exact value.

        Raises:
          RunFolderError: the level is complete already.
          DamagedFileError: the masks, the weights or the metrics are missing.
          StorageError: the disk is full, read-only, …
        """
        if self.is_complete():
            raise RunFolderError(f"{self._path.absolute()} is complete already")
        seal(self._path, sorted(self.file_names()), record, _SEAL_NAME)
        self.checkpoints.clear()

    def file_names(self) -> set[str]:
        """Names of the files that a complete level has besides its seal."""
        files = (self.masks_path, *tensor_files(self.weights_prefix), self.metrics_path)
        return {file.name for file in files}

    def record(self) -> dict[str, Any]:
        """Returns the record of a complete level, without reading the level's other files.

        Raises:
          RunFolderError: the level is not complete.
          DamagedFileError: level.json is truncated or edited.
        """
        return Recorded(self.seal()["record"], self._path / _SEAL_NAME)

    def ticket(self) -> str:
        """Returns a checksum of the masks and trained weights of a complete level.

        Raises:
          RunFolderError: the level is not complete.
          DamagedFileError: level.json is truncated or edited.
        """
        files = self.seal()["files"]
        return checksum({name: files[name] for name in files if name != self.metrics_path.name})

    def seal(self) -> dict[str, Any]:
        """Returns level.json, as `read_seal` does.

        Raises:
          RunFolderError: the level is not complete.
          DamagedFileError: level.json is truncated or edited.
        """
        content = read_seal(self._path, _SEAL_NAME)
        if content is None:
            raise RunFolderError(f"{self._path.absolute()} is not complete: no {_SEAL_NAME}")
        return content

    def verify(self, file_names: Sequence[str] | None = None) -> None:
        """Checks the files of a complete level.

        Args:
          file_names: the files to check; all of them when left out.

        Raises:
          DamagedFileError: a file is missing, truncated or edited.
        """
        verify_seal(self._path, file_names, name=_SEAL_NAME)
