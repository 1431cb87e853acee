"""Training on data in the memory of the devices."""

from dataclasses import dataclass
from functools import lru_cache
from weakref import WeakValueDictionary

import numpy as np
import tensorflow as tf

from tf_lottery.data import Augmentation, Epoch, Split, epoch_order
from tf_lottery.data.shared_memory import shared_tensor
from tf_lottery.training.execution import ExecutionPlan
from tf_lottery.training.step import TrainingStep
from tf_lottery.training.strategy import merges
from tf_lottery.training.traced import traced
from tf_lottery.training.training_program import TrainingProgram


class ResidentProgram(TrainingProgram):
    """Trains on data that lie in the memory of every device.

    Batches are gathered outside of the compiled code, which would copy the whole data set at each
    call, for several steps at once; the compiled loop then runs over those batches.
    """

    def __init__(
        self,
        step: TrainingStep,
        data: Split,
        augmentation: Augmentation,
        batch_size: int,
        plan: ExecutionPlan,
    ):
        """Places the data; compiles nothing yet.

        Args:
          step: one training step; its network was made in the scope of the current strategy.
          data: images and labels.
          augmentation: draws the random numbers that the step is given.
          batch_size: examples in a step, over all replicas, which share it equally.
          plan: what to compile.
        """
        super().__init__(step, batch_size)
        self._augmentation = augmentation
        self._strategy = tf.distribute.get_strategy()
        self._replicas = self._strategy.num_replicas_in_sync
        self._examples, self._image_shape = len(data), data.images.shape[1:]
        self._data = place(data)
        # Replicas cannot wait for each other within a loop: theirs is around the replicas.
        single = not merges(self._strategy)
        self._chunk = plan.steps_per_execution if single else 1
        self._execute = self._run_batches if single else self._run_one_batch
        if plan.compile_loop:
            self._execute = tf.function(self._execute, jit_compile=True, autograph=False)
        self._run = traced(
            self._run_steps,
            input_signature=[
                tf.TensorSpec([None], tf.int32),
                tf.TensorSpec([None, augmentation.columns], tf.int32),
                tf.TensorSpec([], tf.int32),
            ],
        )
        self._rows = lru_cache(maxsize=1)(self._draw_rows)

    def _train(self, epoch: Epoch, first: int, last: int) -> None:
        order, draws = self._rows(epoch)
        # The last call of the compiled loop may run fewer steps but takes batches of full shape.
        wanted = np.arange(first * self._batch_size, last * self._batch_size)
        padding = (-(last - first) % self._chunk) * self._batch_size
        rows = np.concatenate([wanted, np.zeros(padding, wanted.dtype)])
        self._run(tf.constant(order[rows]), tf.constant(draws[rows]), tf.constant(last - first))

    def _draw_rows(self, epoch: Epoch) -> tuple[np.ndarray, np.ndarray]:
        order = epoch_order(epoch, self._examples)
        return order, self._augmentation.draw(epoch, self._examples, self._image_shape)

    def _run_steps(self, indices: tf.Tensor, draws: tf.Tensor, count: tf.Tensor) -> None:
        def run_chunk(done: tf.Tensor) -> list[tf.Tensor]:
            steps = tf.minimum(self._chunk, count - done)
            chunk = slice(done * self._batch_size, (done + self._chunk) * self._batch_size)
            self._strategy.run(
                self._run_replica,
                args=(self._data.images, self._data.labels, indices[chunk], draws[chunk], steps),
            )
            return [done + self._chunk]

        tf.while_loop(lambda done: done < count, run_chunk, [tf.constant(0)])

    def _run_replica(
        self,
        images: tf.Tensor,
        labels: tf.Tensor,
        indices: tf.Tensor,
        draws: tf.Tensor,
        count: tf.Tensor,
    ) -> None:
        own = self._share(indices)
        self._execute(tf.gather(images, own), tf.gather(labels, own), self._share(draws), count)

    def _share(self, rows: tf.Tensor) -> tf.Tensor:
        """The replica's part of each batch, `[steps, share, ...]`."""
        share = self._batch_size // self._replicas
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        batches = tf.reshape(rows, [self._chunk, self._batch_size, *rows.shape[1:]])
        own = batches[:, replica * share : (replica + 1) * share]
        return tf.ensure_shape(own, [self._chunk, share, *rows.shape[1:]])

    def _run_batches(
        self, images: tf.Tensor, labels: tf.Tensor, draws: tf.Tensor, count: tf.Tensor
    ) -> None:
        def run_step(index: tf.Tensor) -> list[tf.Tensor]:
            self._step(images[index], labels[index], draws[index])
            return [index + 1]

        # Not a loop over a range, which XLA would compile anew for every count.
        tf.while_loop(lambda index: index < count, run_step, [tf.constant(0)])

    def _run_one_batch(
        self, images: tf.Tensor, labels: tf.Tensor, draws: tf.Tensor, count: tf.Tensor
    ) -> None:
        self._step(images[0], labels[0], draws[0])


@dataclass(frozen=True, eq=False)
class PlacedData:
    """Examples in the memory of the devices.

    Attributes:
      of: the examples and the strategy of the devices, which while this lasts are no others.
      images: a tensor, or one per replica, to be given to `strategy.run`.
      labels: the same.
    """

    of: tuple[Split, tf.distribute.Strategy]
    images: tf.Tensor
    labels: tf.Tensor


# A process may train and evaluate several networks on the same data.
_PLACED: WeakValueDictionary[tuple[int, int], PlacedData] = WeakValueDictionary()


def place(data: Split) -> PlacedData:
    """Copies examples to each device of the current strategy, unless they are there already."""
    strategy = tf.distribute.get_strategy()
    key = id(data), id(strategy)
    placed = _PLACED.get(key)
    if placed is None:
        images, labels = _on_every_device(data.images), _on_every_device(data.labels)
        placed = _PLACED[key] = PlacedData((data, strategy), images, labels)
    return placed


def _on_every_device(array: np.ndarray) -> tf.Tensor:
    strategy = tf.distribute.get_strategy()
    if strategy.num_replicas_in_sync == 1:
        # In the host's memory it stays where it is.
        on_host = not tf.config.list_logical_devices("GPU")
        return shared_tensor(array) if on_host else tf.constant(array)
    devices = iter(strategy.extended.worker_devices)

    def copy(context: tf.distribute.InputContext) -> tf.Tensor:
        with tf.device(next(devices)):
            return tf.identity(array)

    return strategy.experimental_distribute_values_from_function(copy)
