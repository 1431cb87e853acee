"""Streams of examples that are read from the disk while training."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tf_lottery.data.encoded_examples import EncodedExamples
from tf_lottery.data.encoded_images import EncodedImages
from tf_lottery.data.order import Epoch, Noise, noise_seed
from tf_lottery.data.shares import StepShares, check_pipeline, evaluation_batches
from tf_lottery.data.streams import PARALLEL_CALLS, PREFETCHED_STEPS, opened


class TfdsTrainingStream:
    """Training examples read from the disk (see `TrainingStream`), cropped at random and resized.

    Every pipeline reads its own part of the set. Drawn for the epoch are the order of the files,
    which are read 16 at a time, and that of the examples within a buffer. Crops and flips are drawn
    for the epoch and the position in it. The stream has no draws (0 columns).

    The memory it takes does not grow with the set. It holds encoded images, `shuffle_buffer` and a
    few dozens more; decoded ones, one per CPU core; and crops, PREFETCHED_STEPS + 1 batches of each
    replica.

    Attributes:
      stored: the examples.
      examples: how many there are.
    """

    def __init__(
        self,
        stored: EncodedExamples,
        images: EncodedImages,
        *,
        shuffle_buffer: int,
        smallest_crop: float,
        random_flip: bool,
    ):
        """Takes the examples.

        Args:
          stored: the examples.
          images: crops their images.
          shuffle_buffer: encoded examples among which the next is drawn.
          smallest_crop: smallest area of a crop, as a fraction of the image; 1: the crop for
            evaluation.
          random_flip: whether half of the crops are mirrored left to right.
        """
        self.stored, self._images = stored, images
        self._shuffle_buffer = shuffle_buffer
        self._smallest_crop, self._random_flip = smallest_crop, random_flip
        self.examples = len(stored)

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
        """Opens an epoch at a step; see `TrainingStream.batches`.

        The examples of the steps before `first` are read but not decoded.
        """
        shares = StepShares(self.examples, batch_size, first, pipeline, pipelines, replicas)
        start, stop = (steps * shares.pipeline_size for steps in (first, shares.steps))
        encoded = self.stored.share(pipeline, pipelines).open(noise_seed(epoch, Noise.FILE_ORDER))
        encoded = _shuffled(encoded, self._shuffle_buffer, noise_seed(epoch, Noise.SHUFFLE_BUFFER))
        crops = (
            encoded.skip(start)
            .take(stop - start)
            .enumerate(start)
            .map(
                self._crop_function(epoch, shares),
                num_parallel_calls=PARALLEL_CALLS,
                deterministic=True,
            )
            .batch(shares.size, drop_remainder=True)
        )
        return opened(crops, PREFETCHED_STEPS * replicas)

    def evaluation(self, examples: int) -> TfdsEvaluationStream:
        """Returns the first stored training examples as they are cropped for evaluation.

        Args:
          examples: how many, at most.
        """
        return TfdsEvaluationStream(self.stored.slice(0, examples), self._images)

    def _crop_function(self, epoch: Epoch, shares: StepShares):
        image_set = self.stored.image_set
        epoch_seed = noise_seed(epoch, Noise.CROPS).generate_state(2).view(np.int32)

        def crop(index: tf.Tensor, example: dict[str, tf.Tensor]) -> tuple[tf.Tensor, ...]:
            step, place = index // shares.pipeline_size, index % shares.pipeline_size
            place += shares.pipeline * shares.pipeline_size
            position = step * shares.batch_size + place
            seed = tf.random.fold_in(epoch_seed, position)
            crop_seed, flip_seed = tf.unstack(tf.random.split(seed))
            image = self._images.random_crop(
                example[image_set.image_key], crop_seed, self._smallest_crop
            )
            if self._random_flip:
                image = tf.image.stateless_random_flip_left_right(image, flip_seed)
            label = tf.cast(example[image_set.label_key], tf.int32)
            return image, label, tf.zeros([0], tf.int32)

        return crop


class TfdsEvaluationStream:
    """Examples to evaluate on (see `EvaluationStream`), read from the disk and cropped centrally.

    The memory it takes does not grow with the set: one decoded image per CPU core, and
    PREFETCHED_STEPS + 1 batches.

    Attributes:
      stored: the examples.
      examples: how many there are.
    """

    def __init__(self, stored: EncodedExamples, images: EncodedImages):
        """Takes the examples.

        Args:
          stored: the examples.
          images: crops their images.
        """
        self.stored, self._images = stored, images
        self.examples = len(stored)

    def __len__(self) -> int:
        """Returns the number of examples."""
        return self.examples

    def batches(self, batch_size: int, *, pipeline: int = 0, pipelines: int = 1) -> tf.data.Dataset:
        """Opens a pipeline's part of the examples; see `EvaluationStream.batches`."""
        check_pipeline(pipeline, pipelines)
        count = evaluation_batches(self.examples, batch_size, pipelines)
        own = self.stored.share(pipeline, pipelines)
        nothing = (tf.zeros(self._images.shape, tf.uint8), tf.constant(-1))
        crops = tf.data.Dataset.from_tensors(nothing).repeat(count * batch_size - len(own))
        if len(own):
            encoded = own.open()
            decoded = encoded.map(self._crop, num_parallel_calls=PARALLEL_CALLS, deterministic=True)
            crops = decoded.concatenate(crops)
        return opened(crops.batch(batch_size, drop_remainder=True), PREFETCHED_STEPS)

    def _crop(self, example: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        image_set = self.stored.image_set
        image = self._images.central_crop(example[image_set.image_key])
        return image, tf.cast(example[image_set.label_key], tf.int32)


def _shuffled(
    examples: tf.data.Dataset, buffer: int, seed: np.random.SeedSequence
) -> tf.data.Dataset:
    """Shuffles by this seed alone; `Dataset.shuffle` mixes in the one of tf.random.set_seed."""
    spec = examples.element_spec
    words = seed.generate_state(2, np.uint64).view(np.int64)
    variant = tf.raw_ops.ShuffleDataset(
        input_dataset=tf.data.experimental.to_variant(examples),
        buffer_size=buffer,
        seed=words[0],
        seed2=words[1],
        output_types=[part.dtype for part in tf.nest.flatten(spec)],
        output_shapes=[part.shape for part in tf.nest.flatten(spec)],
        reshuffle_each_iteration=False,
    )
    return tf.data.experimental.from_variant(variant, spec)
