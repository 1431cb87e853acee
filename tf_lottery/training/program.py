"""The compiled training loop."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_lottery.pruning.prunable import leaf_layers
from tf_lottery.pruning.wrapper import prunable_kernels, unwrapped
from tf_lottery.training.execution import ExecutionPlan
from tf_lottery.training.network import Network


class TrainingMetrics(NamedTuple):
    """Means over the training steps since the last time they were read."""

    loss: float
    accuracy: float


class TrainingProgram:
    """Runs training steps of a network, many to a call.

    Batches are gathered outside of the compiled code, which would copy the whole data set at each
    call, for several steps at once; the compiled loop then runs over those batches.
    """

    def __init__(
        self,
        network: Network,
        images: np.ndarray,
        labels: np.ndarray,
        *,
        batch_size: int,
        weight_decay: float,
        plan: ExecutionPlan,
    ):
        """Places the data and compiles nothing yet.

        Args:
          network: the network; its variables were created in the scope of the current strategy.
          images: `[examples, ...]` raw inputs of the model.
          labels: `[examples]` class numbers.
          batch_size: examples in a step, over all replicas.
          weight_decay: factor w of the penalty w/2 * |kernel|^2.
          plan: what to compile.

        Raises:
          ValueError: if the replicas cannot share the batch equally.
        """
        self._network, self._plan = network, plan
        self._strategy = tf.distribute.get_strategy()
        self._replicas = self._strategy.num_replicas_in_sync
        if batch_size % self._replicas:
            raise ValueError(
                f"batch_size={batch_size} is not a multiple of the {self._replicas} replicas."
            )
        self._batch_size = batch_size
        self._images, self._labels = images, labels
        if plan.data_on_device:
            self._images, self._labels = tf.constant(images), tf.constant(labels)
        self._weight_decay = weight_decay
        self._kernels = _kernel_ids(network)
        self._loss_sum, self._correct = self._accumulator(tf.float32), self._accumulator(tf.int32)
        self._first_bad_step = self._accumulator(tf.int64)
        self._steps_measured = 0
        self._reset()
        # Replicas cannot wait for each other within a loop: theirs is around the replicas.
        self._chunk = plan.steps_per_execution if self._replicas == 1 else 1
        self._update = self._apply_gradients
        self._execute = self._run_batches if self._replicas == 1 else self._run_one_batch
        if plan.compile_step:
            self._execute = tf.function(self._execute, jit_compile=True, autograph=False)
        elif plan.compile_update:
            self._update = tf.function(self._apply_gradients, jit_compile=True, autograph=False)
        self._run = tf.function(
            self._run_steps,
            input_signature=[tf.TensorSpec([None], tf.int32), tf.TensorSpec([], tf.int32)],
            # Converting Keras' and our sources takes seconds, and there is nothing to convert.
            autograph=False,
        )
        self._run_sent = tf.function(self._run_sent_batches, autograph=False)

    def run(self, order: np.ndarray, first: int, last: int) -> None:
        """Runs the steps `first` to `last` (exclusive) of an epoch.

        Args:
          order: `[examples]` the epoch's permutation of the examples.
          first: position in the epoch, in steps.
          last: position after the last step.
        """
        wanted = order[first * self._batch_size : last * self._batch_size]
        # The last call of the compiled loop may run fewer steps but takes batches of full shape.
        padding = (-(last - first) % self._chunk) * self._batch_size
        indices = np.concatenate([wanted, np.zeros(padding, wanted.dtype)]).astype(np.int32)
        if self._plan.data_on_device:
            self._run(tf.constant(indices), tf.constant(last - first))
        else:
            self._send(indices, last - first)
        self._steps_measured += last - first

    def metrics(self) -> TrainingMetrics:
        """Reads and resets the metrics; waits for the steps to be done."""
        examples = max(1, self._steps_measured * self._batch_size)
        result = TrainingMetrics(
            self._read_sum(self._loss_sum) / max(1, self._steps_measured),
            self._read_sum(self._correct) / examples,
        )
        self._reset()
        return result

    def first_bad_step(self) -> int | None:
        """First iteration with a loss that was not finite since the metrics were read."""
        values = self._strategy.experimental_local_results(self._first_bad_step)
        bad = [int(value.numpy()) for value in values if int(value.numpy()) >= 0]
        return min(bad) if bad else None

    def _accumulator(self, dtype: tf.DType) -> tf.Variable:
        with self._strategy.scope():
            return tf.Variable(
                tf.zeros([], dtype),
                trainable=False,
                synchronization=tf.VariableSynchronization.ON_READ,
                aggregation=tf.VariableAggregation.SUM,
            )

    def _read_sum(self, accumulator: tf.Variable) -> float:
        values = self._strategy.experimental_local_results(accumulator)
        return float(sum(value.numpy().astype(np.float64) for value in values))

    def _reset(self) -> None:
        for accumulator, start in (
            (self._loss_sum, 0),
            (self._correct, 0),
            (self._first_bad_step, -1),
        ):
            for variable in self._strategy.experimental_local_results(accumulator):
                variable.assign(start)
        self._steps_measured = 0

    def _run_steps(self, indices: tf.Tensor, count: tf.Tensor) -> None:
        chunk = self._chunk

        def run_chunk(done: tf.Tensor) -> list[tf.Tensor]:
            batches = tf.reshape(
                indices[done * self._batch_size : (done + chunk) * self._batch_size],
                [chunk, self._batch_size],
            )
            self._strategy.run(self._run_replica, args=(batches, tf.minimum(chunk, count - done)))
            return [done + chunk]

        tf.while_loop(lambda done: done < count, run_chunk, [tf.constant(0)])

    def _send(self, indices: np.ndarray, count: int) -> None:
        for done in range(0, count, self._chunk):
            batches = indices[done * self._batch_size : (done + self._chunk) * self._batch_size]
            batches = batches.reshape(self._chunk, self._batch_size)
            self._run_sent(
                tf.constant(self._images[batches]),
                tf.constant(self._labels[batches]),
                tf.constant(min(self._chunk, count - done)),
            )

    def _run_sent_batches(self, images: tf.Tensor, labels: tf.Tensor, count: tf.Tensor) -> None:
        def run_replica(count: tf.Tensor) -> None:
            self._execute(self._share(images), self._share(labels), count)

        self._strategy.run(run_replica, args=(count,))

    def _run_replica(self, batches: tf.Tensor, count: tf.Tensor) -> None:
        own = self._share(batches)
        self._execute(tf.gather(self._images, own), tf.gather(self._labels, own), count)

    def _share(self, batches: tf.Tensor) -> tf.Tensor:
        """The replica's part of each batch, `[steps, batch, ...]`."""
        share = self._batch_size // self._replicas
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        own = batches[:, replica * share : (replica + 1) * share]
        return tf.ensure_shape(own, [self._chunk, share, *batches.shape[2:]])

    def _run_batches(self, images: tf.Tensor, labels: tf.Tensor, count: tf.Tensor) -> None:
        def run_step(index: tf.Tensor) -> list[tf.Tensor]:
            self._train_step(images[index], labels[index])
            return [index + 1]

        # Not a loop over a range, which XLA would compile anew for every count.
        tf.while_loop(lambda index: index < count, run_step, [tf.constant(0)])

    def _run_one_batch(self, images: tf.Tensor, labels: tf.Tensor, count: tf.Tensor) -> None:
        self._train_step(images[0], labels[0])

    def _train_step(self, images: tf.Tensor, labels: tf.Tensor) -> None:
        model = self._network.model
        with tf.GradientTape() as tape:
            logits = tf.cast(model(tf.cast(images, tf.float32), training=True), tf.float32)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_sum(losses) / self._batch_size
            # Each replica adds its share of the penalties, as gradients are summed over replicas.
            penalty = tf.add_n(model.losses) / self._replicas if model.losses else 0.0
            total = loss + penalty
        variables = model.trainable_variables
        gradients = tape.gradient(total, variables)
        if self._weight_decay:
            factor = self._weight_decay / self._replicas
            gradients = [
                gradient + factor * variable if id(variable) in self._kernels else gradient
                for gradient, variable in zip(gradients, variables, strict=True)
            ]
        step = self._network.optimizer.iterations + 1
        unseen = tf.logical_and(self._first_bad_step < 0, ~tf.math.is_finite(total))
        self._first_bad_step.assign(tf.where(unseen, step, self._first_bad_step))
        self._loss_sum.assign_add(loss)
        hits = tf.equal(tf.argmax(logits, axis=-1, output_type=labels.dtype), labels)
        self._correct.assign_add(tf.reduce_sum(tf.cast(hits, tf.int32)))
        self._update(gradients)

    def _apply_gradients(self, gradients: list[tf.Tensor]) -> None:
        variables = self._network.model.trainable_variables
        self._network.optimizer.apply_gradients(zip(gradients, variables, strict=True))


def _kernel_ids(network: Network) -> set[int]:
    """Kernels of all Dense and convolution layers, whether they are pruned or not."""
    kernels = set()
    for _, layer in leaf_layers(network.model):
        inner = unwrapped(layer)
        kernels.update(id(getattr(inner, name)) for name in prunable_kernels(inner))
    return kernels
