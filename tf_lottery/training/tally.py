"""Loss and accuracy, summed up over steps and replicas on the devices."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_lottery.training.workers import Workers


class Sums(NamedTuple):
    """Sums over the examples since the last reading.

    Attributes:
      loss: of cross-entropies, or of what else was added.
      correct: number of right answers.
    """

    loss: float
    correct: int


class Tally:
    """Adds up on each replica, and over the replicas when it is read."""

    def __init__(self):
        """Creates the sums in the scope of the current strategy."""
        self._strategy = tf.distribute.get_strategy()
        self._workers = Workers(self._strategy)
        self._loss = self._variable(tf.float32)
        # 64 bits: GPUs keep small integers in the host's memory.
        self._correct = self._variable(tf.int64)
        self._bad_step = self._variable(tf.int64)
        self.reset()

    def add(self, loss: tf.Tensor, correct: tf.Tensor) -> None:
        """Adds a replica's sums, scalars; to be called by each replica."""
        self._loss.assign_add(loss)
        self._correct.assign_add(tf.cast(correct, tf.int64))

    def note_step(self, step: tf.Tensor, finite: tf.Tensor) -> None:
        """Remembers the first step that was not finite; to be called by each replica."""
        unseen = tf.logical_and(self._bad_step < 0, ~finite)
        self._bad_step.assign(tf.where(unseen, step, self._bad_step))

    def read(self) -> Sums:
        """Reads and resets the sums; waits for the steps to be done."""
        loss = self._workers.sum(np.array([sum(self._values(self._loss))], np.float64))
        correct = self._workers.sum(np.array([sum(self._values(self._correct))], np.int64))
        self.reset()
        return Sums(float(loss[0]), int(correct[0]))

    def first_bad_step(self) -> int | None:
        """First step noted as not finite by any replica since the last reading."""
        bad = [int(value) for value in self._values(self._bad_step) if value >= 0]
        found = [step for step in self._workers.all(min(bad, default=-1)) if step >= 0]
        return min(found, default=None)

    def reset(self) -> None:
        """Starts anew."""
        for variable, start in ((self._loss, 0), (self._correct, 0), (self._bad_step, -1)):
            for local in self._strategy.experimental_local_results(variable):
                local.assign(start)

    def _values(self, variable: tf.Variable) -> list[np.ndarray]:
        local = self._strategy.experimental_local_results(variable)
        return [value.numpy().astype(np.float64 if value.dtype.is_floating else np.int64)
                for value in local]  # fmt: skip

    def _variable(self, dtype: tf.DType) -> tf.Variable:
        with self._strategy.scope():
            return tf.Variable(
                tf.zeros([], dtype),
                trainable=False,
                synchronization=tf.VariableSynchronization.ON_READ,
                aggregation=tf.VariableAggregation.SUM,
            )
