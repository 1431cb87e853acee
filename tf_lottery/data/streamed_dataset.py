"""Data sets that are read from the disk while training."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from tf_lottery.data.encoded_images import EncodedImages
from tf_lottery.data.splits import check_held_out
from tf_lottery.data.tfds_set import ImageSet, StoredExamples, reading_errors
from tf_lottery.data.tfds_streams import TfdsEvaluationStream, TfdsTrainingStream

_STATISTICS_EXAMPLES = 1000
_STATISTICS_BATCH = 50
# The means and variances that published ImageNet networks standardise their inputs by.
_KNOWN_STATISTICS = {
    "imagenet2012": (
        (123.675, 116.28, 103.53),
        (58.395**2, 57.12**2, 57.375**2),
    )
}


@dataclass(frozen=True, eq=False)
class StreamedDataset:
    """An image-classification set on the disk; `load_streamed` makes it.

    Attributes:
      name: the name it was loaded by.
      classes: number of classes.
      input_shape: `(height, width, channels)` of the crops.
      train: examples to train on.
      validation: examples held out of the training examples, or None where none are.
      test: examples that are only reported.
      identity: what tells the set from others.
      class_names: as of `Dataset`.
      notes: as of `Dataset`.
    """

    name: str
    classes: int
    input_shape: tuple[int, int, int]
    train: TfdsTrainingStream
    validation: TfdsEvaluationStream | None
    test: TfdsEvaluationStream
    identity: dict[str, Any] = field(repr=False)
    class_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()

    def pixel_statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Returns what standardises the training images.

        Returns:
          The means and the (population) variances, one value per channel: the well-known ones of
          imagenet2012, else those of the evaluation crops of the first 1000 stored training
          examples.

        Raises:
          ValueError: if the prepared copy is damaged.
        """
        known = _KNOWN_STATISTICS.get(self.identity["set"])
        return known or self._estimated_statistics

    def fingerprint(self) -> str:
        """Returns the SHA-256 of the set's metadata: which examples there are, and their size."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()

    @contextmanager
    def naming_unreadable(self) -> Iterator[None]:
        """Raises a `ValueError` that names the images that cannot be read, where they are why."""
        image_set = self.train.stored.image_set
        try:
            yield
        except tf.errors.OpError as error:
            damage = image_set.unreadable()
            # As the operations are called that read, on one device or several.
            if damage is None and "GetNext" in error.message:
                damage = image_set.damage(error)
            if damage is None:
                raise
            raise damage from error

    @cached_property
    def _estimated_statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        # Sums of uint8 pixels and of their squares are exact integers.
        sums = squares = np.zeros(self.input_shape[-1], np.int64)
        pixels = 0
        sample = self.train.evaluation(_STATISTICS_EXAMPLES)
        try:
            for images, labels in sample.batches(_STATISTICS_BATCH).as_numpy_iterator():
                values = images[labels >= 0].reshape(-1, images.shape[-1]).astype(np.int64)
                sums = sums + values.sum(axis=0)
                squares = squares + (values**2).sum(axis=0)
                pixels += len(values)
        except reading_errors() as error:
            raise self.train.stored.image_set.damage(error) from error
        mean = sums / pixels
        return tuple(mean.tolist()), tuple((squares / pixels - mean**2).tolist())


def load_streamed(
    image_set: ImageSet,
    *,
    manual_dir: str | None,
    validation_examples: int,
    split_seed: int,
    image_size: int | None,
    shuffle_buffer: int,
    smallest_crop: float,
    random_flip: bool,
) -> StreamedDataset:
    """Prepares a set and opens it for streaming; reads next to nothing.

    Args:
      image_set: the set.
      manual_dir: a folder with the set's downloaded archives, or None.
      validation_examples: how many training examples to hold out, in one piece of their stored
        order, which is random.
      split_seed: draws which ones.
      image_size: side of the crops; None: as stored, for a set of one image size.
      shuffle_buffer: encoded examples among which the next is drawn.
      smallest_crop: smallest area of a training crop, as a fraction of the image.
      random_flip: whether half of the training crops are mirrored.

    Returns:
      The data set.

    Raises:
      ValueError: if the set's images cannot be streamed, if it cannot be prepared, has no training
        or test split or too few examples for the held-out ones, or if its prepared copy is
        damaged.
    """
    images = _encoded_images(image_set, image_size)
    image_set.prepare(manual_dir)
    try:
        test = image_set.stored(image_set.labelled_test_split())
        train, held_out = image_set.stored("train"), None
        _check_files(train)
        _check_files(test)
    except reading_errors() as error:
        raise image_set.damage(error) from error
    if validation_examples:
        check_held_out(len(train), validation_examples, split_seed)
        train, held_out = train.hold_out(validation_examples, split_seed)
    return StreamedDataset(
        name=image_set.name,
        classes=image_set.classes,
        input_shape=images.shape,
        train=TfdsTrainingStream(
            train,
            images,
            shuffle_buffer=shuffle_buffer,
            smallest_crop=smallest_crop,
            random_flip=random_flip,
        ),
        validation=None if held_out is None else TfdsEvaluationStream(held_out, images),
        test=TfdsEvaluationStream(test, images),
        identity=_identity(image_set, images, train, test),
        class_names=image_set.class_names,
    )


def _encoded_images(image_set: ImageSet, image_size: int | None) -> EncodedImages:
    feature, flag = image_set.image, image_set.flag
    if image_size is None and image_set.image_sizes_differ:
        raise ValueError(
            f"{flag} has images of varying size, shape {feature.shape}: say with --image_size to "
            "which size they are cropped and resized, such as --image_size=224."
        )
    if feature.np_dtype != np.uint8 or feature.shape[-1] not in (1, 3):
        raise ValueError(
            f"{flag} cannot be streamed: its images have shape {feature.shape} and type "
            f"{np.dtype(feature.np_dtype)}; 1 or 3 channels of type uint8 are needed."
        )
    height, width = feature.shape[:2] if image_size is None else (image_size, image_size)
    return EncodedImages(feature, (height, width))


def _check_files(stored: StoredExamples) -> None:
    splits = stored.image_set.builder.info.splits
    for path in splits[stored.split].filepaths if splits else ():
        if not path.exists():
            raise FileNotFoundError(path)


def _identity(
    image_set: ImageSet, images: EncodedImages, train: StoredExamples, test: StoredExamples
) -> dict[str, Any]:
    info = image_set.builder.info
    return {
        "set": image_set.builder.name,
        "name_and_version": info.full_name,
        "shard_lengths": {
            stored.split: list(info.splits[stored.split].shard_lengths) if info.splits else []
            for stored in (train, test)
        },
        "train": train.ranges,
        "test": test.ranges,
        "crop": images.shape,
    }
