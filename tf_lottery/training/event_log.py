"""TensorBoard logs of one level."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf

from tf_lottery.store.errors import StorageError
from tf_lottery.store.schema import METRICS, LevelSummary, MetricsRow, density_rows


def write_levels(folder: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Writes what remains of each level's kernels as TensorBoard scalars, whose steps are levels.

    Args:
      folder: for these events alone; what is there gives way.
      records: of the levels.

    Raises:
      StorageError: if the system refuses to write.
    """
    with EventLog(folder).levels() as write:
        for record in records:
            write(record)


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

    @contextmanager
    def levels(self) -> Iterator[Callable[[Mapping[str, Any]], None]]:
        """Gives what writes the record of a level, and closes the files at the end."""

        def write(record: Mapping[str, Any]) -> None:
            with self._storage_errors(), self._writer.as_default(step=record["level"]):
                summary = LevelSummary.from_record(record)
                tf.summary.scalar("density", summary.density)
                for row in density_rows(record):
                    if row["density"] is not None:
                        tf.summary.scalar(f"density_of_kernels/{row['kernel']}", row["density"])
                for tag, value in (
                    ("multiply_adds", summary.multiply_adds),
                    ("accuracy/test", summary.test_accuracy),
                ):
                    if value is not None:
                        tf.summary.scalar(tag, value)

        yield write
        self.close()

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
