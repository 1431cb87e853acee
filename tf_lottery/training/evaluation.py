"""Loss and accuracy of a network on a split of the data."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tf_lottery.data import EvaluationStream, Split
from tf_lottery.training.execution import ExecutionPlan
from tf_lottery.training.resident import place
from tf_lottery.training.tally import Tally
from tf_lottery.training.traced import traced


class Evaluation(NamedTuple):
    """Mean cross-entropy and fraction of right answers."""

    loss: float
    accuracy: float


class Evaluator:
    """Evaluates one model on data in the devices' memory, as often as wanted, compiled once.

    The batches, and the sums of their losses, are the same however many replicas share them.
    """

    def __init__(self, model: keras.Model, data: Split, plan: ExecutionPlan):
        """Places the data in memory.

        Args:
          model: maps raw images to logits; made in the scope of the current strategy.
          data: images and labels.
          plan: whether to compile, and the batch.
        """
        self._strategy = tf.distribute.get_strategy()
        self._replicas = self._strategy.num_replicas_in_sync
        self._data = place(data)
        self._examples = len(data)
        self._batch = min(plan.evaluation_batch, self._examples)
        self._sums = _batch_sums(model, plan)
        self._run = traced(self._run_replicas, input_signature=[])

    def __call__(self) -> Evaluation:
        """Evaluates the model as it is now."""
        losses, correct = self._run()
        total = float(np.sum(losses.numpy(), dtype=np.float64))
        return Evaluation(total / self._examples, int(correct) / self._examples)

    def _run_replicas(self) -> tuple[tf.Tensor, tf.Tensor]:
        results = self._strategy.run(self._run_batches, args=(self._data.images, self._data.labels))
        if self._replicas == 1:
            return results
        return tuple(self._strategy.reduce("SUM", result, axis=None) for result in results)

    def _run_batches(self, all_images: tf.Tensor, all_labels: tf.Tensor) -> tuple:
        batches = -(-self._examples // self._batch)

        def run_batch(index, losses, correct):
            # The last batch is filled up with examples that were counted already: static shapes.
            first = tf.minimum(index * self._batch, self._examples - self._batch)
            images = all_images[first : first + self._batch]
            labels = all_labels[first : first + self._batch]
            new = tf.range(self._batch) >= index * self._batch - first
            loss, hits = self._sums(
                tf.ensure_shape(images, [self._batch, *images.shape[1:]]),
                tf.where(new, tf.ensure_shape(labels, [self._batch]), -1),
            )
            losses = tf.tensor_scatter_nd_update(losses, [[index]], [loss])
            return index + self._replicas, losses, correct + hits

        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        _, losses, correct = tf.while_loop(
            lambda index, *_: index < batches,
            run_batch,
            (tf.convert_to_tensor(replica), tf.zeros([batches]), tf.zeros([], tf.int64)),
        )
        return losses, correct


class StreamedEvaluator:
    """Evaluates one model on batches that the host reads meanwhile."""

    def __init__(self, model: keras.Model, stream: EvaluationStream, plan: ExecutionPlan):
        """Opens nothing yet.

        Args:
          model: maps raw images to logits; made in the scope of the current strategy.
          stream: gives the batches.
          plan: whether to compile, and the batch.
        """
        self._strategy = tf.distribute.get_strategy()
        self._stream, self._batch = stream, plan.evaluation_batch
        self._tally, self._sums = Tally(), _batch_sums(model, plan)
        self._run = traced(self._run_batches)

    def __call__(self) -> Evaluation:
        """Evaluates the model as it is now."""
        steps: list[int] = []

        def batches(context: tf.distribute.InputContext) -> tf.data.Dataset:
            pipelines = context.num_input_pipelines
            share = self._stream.batches(
                self._batch, pipeline=context.input_pipeline_id, pipelines=pipelines
            )
            filled, rounds = _whole_rounds(share, self._strategy.num_replicas_in_sync // pipelines)
            steps.append(rounds)
            return filled

        iterator = iter(self._strategy.distribute_datasets_from_function(batches))
        self._tally.reset()
        self._run(iterator, tf.constant(steps[0]))
        sums, examples = self._tally.read(), self._stream.examples
        return Evaluation(sums.loss / examples, sums.correct / examples)

    def _run_batches(self, batches: tf.distribute.DistributedIterator, count: tf.Tensor) -> None:
        def add(images: tf.Tensor, labels: tf.Tensor) -> None:
            self._tally.add(*self._sums(images, labels))

        def run_batch(done: tf.Tensor) -> list[tf.Tensor]:
            self._strategy.run(add, args=batches.get_next())
            return [done + 1]

        tf.while_loop(lambda done: done < count, run_batch, [tf.constant(0)])


def _whole_rounds(batches: tf.data.Dataset, replicas: int) -> tuple[tf.data.Dataset, int]:
    """Adds ignored batches until each replica gets as many as the others."""
    count = int(batches.cardinality())
    missing = -count % replicas
    ignored = batches.take(1).map(lambda images, labels: (images, -tf.ones_like(labels)))
    filled = batches.concatenate(ignored.repeat(missing)) if missing else batches
    return filled, (count + missing) // replicas


def _batch_sums(model: keras.Model, plan: ExecutionPlan):
    """A function (images, labels) -> sums of losses and of right answers; labels -1 are ignored."""

    def sums(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        logits = tf.cast(model(tf.cast(images, tf.float32), training=False), tf.float32)
        counted = labels >= 0
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.maximum(labels, 0), logits)
        hits = tf.equal(tf.argmax(logits, axis=-1, output_type=labels.dtype), labels)
        return (
            tf.reduce_sum(tf.where(counted, losses, tf.zeros([], losses.dtype))),
            tf.math.count_nonzero(tf.logical_and(hits, counted)),
        )

    if plan.compiles_evaluation:
        return tf.function(sums, jit_compile=True, autograph=False)
    return sums
