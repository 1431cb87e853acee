"""TensorBoard logs of one level."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import tensorflow as tf


class EventLog:
    """Writes evaluations as TensorBoard scalars."""

    def __init__(self, folder: Path, rows: Iterable[Mapping[str, float | None]] = ()):
        """Starts the log anew: events cannot be taken back when training resumes earlier.

        Args:
          folder: of this level alone.
          rows: evaluations so far, as given to `append`.
        """
        shutil.rmtree(folder, ignore_errors=True)
        self._writer = tf.summary.create_file_writer(str(folder))
        for row in rows:
            self.append(row)

    def append(self, row: Mapping[str, float | None]) -> None:
        """Writes a row of metrics: "step", and "train_loss" as the scalar "loss/train"."""
        with self._writer.as_default(step=row["step"]):
            for name, value in row.items():
                if name != "step" and value is not None:
                    split, measure = name.split("_", 1)
                    tf.summary.scalar(f"{measure}/{split}", value)

    def close(self) -> None:
        """Flushes and closes the files."""
        self._writer.close()
