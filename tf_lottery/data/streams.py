"""Streams of batches for training and evaluation, and those over arrays in the host's memory."""

import os
from typing import Protocol

import numpy as np
import tensorflow as tf

from tf_lottery.data.augmentation import Augmentation
from tf_lottery.data.dataset import Split
from tf_lottery.data.order import Epoch, epoch_order
from tf_lottery.data.shared_memory import shared_tensor
from tf_lottery.data.shares import (
    StepShares,
    check_pipeline,
    evaluation_batches,
    pipeline_range,
)

# Not tf.data.AUTOTUNE, which may buffer hundreds of batches while the consumer pauses.
PREFETCHED_STEPS = 4
PARALLEL_CALLS = os.cpu_count() or 1


class TrainingStream(Protocol):
    """Training examples, in the order of an epoch that depends on nothing but its name.

    Attributes:
      examples: how many there are; so says `len()`.
    """

    examples: int

    def __len__(self) -> int:
        """Returns the number of examples."""
        ...

    def batches(
        self,
        epoch: Epoch,
        first: int,
        batch_size: int,
        *,
        pipeline: int = 0,
        pipelines: int = 1,
        replicas: int = 1,
    ) -> tf.data.Dataset:
        """Opens an epoch at a step; equal arguments give equal bits.

        Args:
          epoch: the epoch.
          first: steps of the epoch that are left out because they are done.
          batch_size: examples of a step, over all pipelines and replicas.
          pipeline: number of this pipeline, from 0.
          pipelines: how many pipelines there are.
          replicas: replicas that each pipeline feeds.

        Returns:
          For each step up to the epoch's last full batch, and for each replica of the pipeline in
          turn: images `[share, height, width, channels]`, labels int32 `[share]` and draws of the
          augmentation int32 `[share, columns]`, where
          `share = batch_size / (pipelines * replicas)`.

        Raises:
          ValueError: if the replicas cannot share the batch equally, if no batch can be filled,
            or if `first` or `pipeline` is out of its range.
        """
        ...


class EvaluationStream(Protocol):
    """Examples to evaluate on, each exactly once.

    Attributes:
      examples: how many there are; so says `len()`.
    """

    examples: int

    def __len__(self) -> int:
        """Returns the number of examples."""
        ...

    def batches(self, batch_size: int, *, pipeline: int = 0, pipelines: int = 1) -> tf.data.Dataset:
        """Opens a pipeline's part of the examples.

        Args:
          batch_size: examples of one batch of this pipeline.
          pipeline: number of this pipeline, from 0.
          pipelines: how many pipelines there are.

        Returns:
          Images `[batch_size, height, width, channels]` and labels int32 `[batch_size]`. Every
          pipeline yields the same number of batches; what its examples do not fill has label -1.

        Raises:
          ValueError: if `batch_size` or `pipeline` is out of its range.
        """
        ...


class ArrayStream:
    """Training examples from arrays (see `TrainingStream`), copied only if TensorFlow must.

    The draws are those of the augmentation; the images are yielded unchanged.
    """

    def __init__(self, split: Split, augmentation: Augmentation):
        """Checks that the augmentation fits the images.

        Args:
          split: the examples.
          augmentation: what is drawn for them.

        Raises:
          ValueError: if images of this shape cannot be changed so.
        """
        augmentation.check(split.images.shape[1:])
        self._tensors = shared_tensor(split.images), shared_tensor(split.labels)
        self._augmentation = augmentation
        self.examples = len(split)

    def __len__(self) -> int:
        """Returns the number of examples."""
        return self.examples

    def batches(
        self,
        epoch: Epoch,
        first: int,
        batch_size: int,
        *,
        pipeline: int = 0,
        pipelines: int = 1,
        replicas: int = 1,
    ) -> tf.data.Dataset:
        """Opens an epoch at a step; see `TrainingStream.batches`."""
        shares = StepShares(self.examples, batch_size, first, pipeline, pipelines, replicas)
        image_shape = self._tensors[0].shape[1:]
        indices = _own(epoch_order(epoch, self.examples), shares)
        draws = _own(self._augmentation.draw(epoch, self.examples, image_shape), shares)
        stream = tf.data.Dataset.from_tensor_slices((indices, draws)).map(
            lambda indices, draws: (*_gather(self._tensors, indices), draws),
            num_parallel_calls=PARALLEL_CALLS,
            deterministic=True,
        )
        return opened(stream, PREFETCHED_STEPS * replicas)


class ArrayEvaluationStream:
    """Evaluation examples from arrays (see `EvaluationStream`), copied only if TensorFlow must."""

    def __init__(self, split: Split):
        """Takes the examples.

        Args:
          split: the examples.
        """
        self._tensors = shared_tensor(split.images), shared_tensor(split.labels)
        self.examples = len(split)

    def __len__(self) -> int:
        """Returns the number of examples."""
        return self.examples

    def batches(self, batch_size: int, *, pipeline: int = 0, pipelines: int = 1) -> tf.data.Dataset:
        """Opens a pipeline's part of the examples; see `EvaluationStream.batches`."""
        check_pipeline(pipeline, pipelines)
        count = evaluation_batches(self.examples, batch_size, pipelines)
        own = np.arange(*pipeline_range(self.examples, pipeline, pipelines), dtype=np.int32)
        padding = count * batch_size - len(own)
        indices = np.concatenate([own, np.zeros(padding, np.int32)])
        is_example = np.arange(len(indices)) < len(own)

        def read(indices: tf.Tensor, is_example: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            images, labels = _gather(self._tensors, indices)
            return images, tf.where(is_example, labels, -1)

        stream = tf.data.Dataset.from_tensor_slices(
            (indices.reshape(count, batch_size), is_example.reshape(count, batch_size))
        )
        stream = stream.map(read, num_parallel_calls=PARALLEL_CALLS, deterministic=True)
        return opened(stream, PREFETCHED_STEPS)


def opened(batches: tf.data.Dataset, prefetched: int) -> tf.data.Dataset:
    """Gives a stream of batches what all streams have.

    Args:
      batches: the stream.
      prefetched: how many batches are made in advance.

    Returns:
      The same batches in the same order, made in the background.
    """
    options = tf.data.Options()
    options.deterministic = True
    # Closing a stream, at the end of each epoch, may wait for the thread that tunes it to wake up,
    # which sleeps for up to a minute.
    options.autotune.enabled = False
    return batches.prefetch(prefetched).with_options(options)


def _own(in_epoch_order: np.ndarray, shares: StepShares) -> np.ndarray:
    """Cuts `[examples, ...]` to the pipeline's elements, `[elements, share, ...]`."""
    rest = in_epoch_order.shape[1:]
    in_steps = in_epoch_order[: shares.steps * shares.batch_size].reshape(
        shares.steps, shares.pipelines, shares.replicas, shares.size, *rest
    )
    own = in_steps[shares.first :, shares.pipeline]
    return own.reshape(len(own) * shares.replicas, shares.size, *rest)


def _gather(tensors: tuple[tf.Tensor, tf.Tensor], indices: tf.Tensor) -> tuple[tf.Tensor, ...]:
    images, labels = tensors
    return tf.gather(images, indices), tf.gather(labels, indices)
