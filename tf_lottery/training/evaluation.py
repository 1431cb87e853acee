"""Loss and accuracy of a network on a split of the data."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tf_lottery.training.execution import ExecutionPlan


class Evaluation(NamedTuple):
    """Mean cross-entropy and fraction of right answers."""

    loss: float
    accuracy: float


class Evaluator:
    """Evaluates one model on one split, as often as wanted, compiled once."""

    def __init__(
        self, model: keras.Model, images: np.ndarray, labels: np.ndarray, plan: ExecutionPlan
    ):
        """Places the data in memory.

        Args:
          model: maps raw images to logits.
          images: `[examples, ...]`.
          labels: `[examples]` class numbers.
          plan: whether to compile, and the batch.
        """
        self._model = model
        self._images, self._labels = tf.constant(images), tf.constant(labels)
        self._examples = len(labels)
        self._batch = min(plan.evaluation_batch, self._examples)
        self._compiled = tf.function(self._sums, jit_compile=plan.compile_step, autograph=False)
        self._run = tf.function(self._run_batches, autograph=False)

    def __call__(self) -> Evaluation:
        """Evaluates the model as it is now."""
        losses, correct = self._run()
        total = float(np.sum(losses.numpy(), dtype=np.float64))
        return Evaluation(total / self._examples, int(correct) / self._examples)

    def _run_batches(self) -> tuple[tf.Tensor, tf.Tensor]:
        batches = -(-self._examples // self._batch)

        def run_batch(index, losses, correct):
            # The last batch is filled up with examples that were counted already: static shapes.
            first = tf.minimum(index * self._batch, self._examples - self._batch)
            images = self._images[first : first + self._batch]
            labels = self._labels[first : first + self._batch]
            loss, hits = self._compiled(
                tf.ensure_shape(images, [self._batch, *self._images.shape[1:]]),
                tf.ensure_shape(labels, [self._batch]),
                tf.range(self._batch) >= index * self._batch - first,
            )
            return index + 1, losses.write(index, loss), correct + hits

        _, losses, correct = tf.while_loop(
            lambda index, *_: index < batches,
            run_batch,
            (tf.constant(0), tf.TensorArray(tf.float32, batches), tf.constant(0)),
        )
        return losses.stack(), correct

    def _sums(
        self, images: tf.Tensor, labels: tf.Tensor, new: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        logits = tf.cast(self._model(tf.cast(images, tf.float32), training=False), tf.float32)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        hits = tf.equal(tf.argmax(logits, axis=-1, output_type=labels.dtype), labels)
        zero = tf.zeros([], losses.dtype)
        return (
            tf.reduce_sum(tf.where(new, losses, zero)),
            tf.reduce_sum(tf.cast(tf.logical_and(hits, new), tf.int32)),
        )
