"""TensorBoard logs of one level."""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf

from tf_lottery.store.errors import StorageError


class EventLog:
    """Writes evaluations as TensorBoard scalars."""

    def __init__(self, folder: Path, rows: Iterable[Mapping[str, float | None]] = ()):
        """Starts the log anew: events cannot be taken back when training resumes earlier.

        Args:
          folder: of this level alone.
          rows: evaluations so far, as given to `append`.

        Raises:
          StorageError: if the system refuses to write; so do the other methods.
        """
        self._folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        with self._storage_errors():
            self._writer = tf.summary.create_file_writer(str(folder))
        for row in rows:
            self.append(row)

    def append(self, row: Mapping[str, float | None]) -> None:
        """Writes a row of metrics: "step", and "test_loss" as the scalar "loss/test"."""
        with self._storage_errors(), self._writer.as_default(step=row["step"]):
            for name, value in row.items():
                if name != "step" and value is not None:
                    split, measure, *what_of = name.split("_")
                    tf.summary.scalar(f"{measure}/{'_'.join([split, *what_of])}", value)

    def close(self) -> None:
        """Flushes and closes the files."""
        with self._storage_errors():
            self._writer.close()

    @contextmanager
    def _storage_errors(self) -> Iterator[None]:
        try:
            yield
        except tf.errors.OpError as error:
            raise StorageError(self._folder, error.message) from error
