"""TensorBoard logs of one level."""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf

from tf_lottery.store.errors import StorageError
from tf_lottery.store.schema import METRICS, MetricsRow


class EventLog:
    """Writes evaluations as TensorBoard scalars."""

    def __init__(self, folder: Path, rows: Iterable[MetricsRow] = ()):
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

    def append(self, row: MetricsRow) -> None:
        """Writes what a row of metrics holds as scalars by the tags of `METRICS`."""
        with self._storage_errors(), self._writer.as_default(step=row["step"]):
            for metric in METRICS:
                if row.get(metric.column) is not None:
                    tf.summary.scalar(metric.tag, row[metric.column])

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
