"""A few examples that tell that the loss of many is too large."""

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tf_lottery.data import Split
from tf_lottery.training.execution import ExecutionPlan
from tf_lottery.training.traced import traced

# Of all examples, looked at one after the other: mostly the first are enough.
_SHARES = (0.02, 0.04, 0.14)
# Losses of an example differ in their last bits from batch to batch.
_ROUNDING = 1e-4


class HardestExamples:
    """The examples with the largest losses, a fifth of all.

    No loss is negative: where the sum of theirs alone is above a bound, so is that of all examples.
    An overfitting network has most of its loss on a few: the first fiftieth of all is often enough.
    """

    def __init__(self, model: keras.Model, data: Split, plan: ExecutionPlan):
        """Chooses none yet.

        Args:
          model: maps raw images to logits; made in the scope of a strategy with one replica.
          data: images and labels.
          plan: whether to compile, and the batch.
        """
        self._data, self._batch = data, min(plan.evaluation_batch, len(data))
        self._hardest: list[tuple[tf.Tensor, tf.Tensor]] = []

        def losses(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            logits = tf.cast(model(tf.cast(images, tf.float32), training=False), tf.float32)
            return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)

        compiled = plan.compiles_evaluation
        self._losses = traced(losses, jit_compile=compiled)

    def choose(self) -> None:
        """Chooses the examples by the losses that the network has now."""
        data, losses = self._data, np.empty(len(self._data))
        for start in range(0, len(data), self._batch):
            # The last batch is as large as the others, so that nothing is compiled for it.
            first = min(start, len(data) - self._batch)
            rows = slice(first, first + self._batch)
            losses[rows] = self._losses(data.images[rows], data.labels[rows])
        ends = np.ceil(np.cumsum(_SHARES) * len(data)).astype(int)
        order = np.argsort(-losses, kind="stable")[: ends[-1]]
        self._hardest = [
            (tf.constant(data.images[rows]), tf.constant(data.labels[rows]))
            for rows in np.split(order, ends[:-1])
        ]

    def show_loss_above(self, mean_loss: float) -> bool:
        """Whether they alone show that the mean loss of all examples is above another.

        Args:
          mean_loss: the other, in nats.
        """
        bound, total = mean_loss * len(self._data) * (1 + _ROUNDING), 0.0
        for images, labels in self._hardest:
            total += float(np.sum(self._losses(images, labels), dtype=np.float64))
            if total > bound:
                return True
        return False
