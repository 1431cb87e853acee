"""Training on batches that the host reads while the devices train."""

import tensorflow as tf

from tf_lottery.data import Epoch, TrainingStream
from tf_lottery.training.execution import ExecutionPlan
from tf_lottery.training.step import TrainingStep
from tf_lottery.training.traced import traced
from tf_lottery.training.training_program import TrainingProgram


class StreamedProgram(TrainingProgram):
    """Trains on batches that the host reads while the devices train."""

    def __init__(
        self, step: TrainingStep, stream: TrainingStream, batch_size: int, plan: ExecutionPlan
    ):
        """Opens nothing yet.

        Args:
          step: one training step; its network was made in the scope of the current strategy.
          stream: gives the batches of an epoch.
          batch_size: examples in a step, over all replicas, which share it equally.
          plan: what to compile.
        """
        super().__init__(step, batch_size)
        self._stream = stream
        self._strategy = tf.distribute.get_strategy()
        self._execute = step.__call__
        if plan.compile_loop:
            self._execute = tf.function(self._execute, jit_compile=True, autograph=False)
        self._run = traced(self._run_steps)
        self._batches: tf.distribute.DistributedIterator | None = None
        self._position: tuple[Epoch, int] | None = None

    def _train(self, epoch: Epoch, first: int, last: int) -> None:
        if self._position != (epoch, first):
            self._batches = self._open(epoch, first)
        self._run(self._batches, tf.constant(last - first))
        self._position = (epoch, last)

    def _open(self, epoch: Epoch, first: int) -> tf.distribute.DistributedIterator:
        def batches(context: tf.distribute.InputContext) -> tf.data.Dataset:
            pipelines = context.num_input_pipelines
            return self._stream.batches(
                epoch,
                first,
                self._batch_size,
                pipeline=context.input_pipeline_id,
                pipelines=pipelines,
                replicas=self._strategy.num_replicas_in_sync // pipelines,
            )

        return iter(self._strategy.distribute_datasets_from_function(batches))

    def _run_steps(self, batches: tf.distribute.DistributedIterator, count: tf.Tensor) -> None:
        def run_step(done: tf.Tensor) -> list[tf.Tensor]:
            self._strategy.run(self._execute, args=batches.get_next())
            return [done + 1]

        tf.while_loop(lambda done: done < count, run_step, [tf.constant(0)])
