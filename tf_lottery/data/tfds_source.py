"""Image-classification sets of tensorflow-datasets, read into memory."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tf_lottery.data.dataset import Dataset, checked_dataset
from tf_lottery.data.image_size import check_padding, pad_images
from tf_lottery.data.memory import check_fits_memory
from tf_lottery.data.shared_memory import shareable_empty
from tf_lottery.data.tfds_set import ImageSet, reading_errors
from tf_lottery.store.machine import available_memory

if TYPE_CHECKING:
    import tensorflow as tf

_BATCH_BYTES = 2**25
_LARGEST_BATCH = 1024


def load_into_memory(
    image_set: ImageSet, manual_dir: str | None = None, image_size: int | None = None
) -> Dataset:
    """Prepares a set and reads all of it, in its stored order.

    "train" is the training split. "test" is the test split or, in a set that has none or only an
    unlabelled one, "validation"; other splits are not used.

    Args:
      image_set: the set; its images have one size.
      manual_dir: a folder with the set's downloaded archives, for machines without internet.
      image_size: side of the images; smaller ones are surrounded with zeros. None: as stored.

    Returns:
      The checked data set, without validation examples.

    Raises:
      ValueError: if the set has no training or test split, has larger images, cannot be prepared,
        does not fit the memory, or if its prepared copy is damaged.
    """
    if image_size is not None:
        check_padding(image_set.name, image_set.image.shape, image_size)
    image_bytes = _image_bytes(image_set, image_size)
    _check_known_sizes(image_set, image_bytes)
    image_set.prepare(manual_dir)
    try:
        splits = ("train", image_set.labelled_test_split())
        counts = [len(image_set.stored(split)) for split in splits]
        check_fits_memory(image_set.name, sum(counts) * image_bytes, available_memory())
        train, test = (
            _read(image_set, split, examples, image_size)
            for split, examples in zip(splits, counts, strict=True)
        )
    except reading_errors() as error:
        raise image_set.damage(error) from error
    dataset = checked_dataset(image_set.name, image_set.classes, train, test)
    return replace(dataset, class_names=image_set.class_names)


def _image_bytes(image_set: ImageSet, image_size: int | None) -> int:
    *sides, channels = image_set.image.shape
    pixels = math.prod(sides) if image_size is None else image_size**2
    return pixels * channels * (1 if image_set.image.np_dtype == np.uint8 else 4)


def _check_known_sizes(image_set: ImageSet, image_bytes: int) -> None:
    """Refuses what is known to be too large before anything is downloaded or prepared."""
    splits = image_set.builder.info.splits
    if splits:
        used = {"train", image_set.test_split()}
        examples = sum(splits[split].num_examples for split in used)
        check_fits_memory(image_set.name, examples * image_bytes, available_memory())


def _read(
    image_set: ImageSet, split: str, examples: int, image_size: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Fills preallocated arrays, so that the set is never held twice."""
    height, width, channels = image_set.image.shape
    dtype = np.dtype(np.uint8 if image_set.image.np_dtype == np.uint8 else np.float32)
    shape = (image_size or height, image_size or width, channels)
    images = shareable_empty((examples, *shape), dtype)
    labels = np.empty(examples, np.int32)
    batch_size = max(1, min(_LARGEST_BATCH, _BATCH_BYTES // (math.prod(shape) * dtype.itemsize)))
    start = 0
    for image_batch, label_batch in _batches(image_set, split, batch_size).as_numpy_iterator():
        end = start + len(label_batch)
        images[start:end] = pad_images(image_batch, image_size) if image_size else image_batch
        labels[start:end] = label_batch
        start = end
    return images, labels


def _batches(image_set: ImageSet, split: str, size: int) -> tf.data.Dataset:
    """All (images, labels) of a split in stored order, which is the same on every machine."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    image_key, label_key = image_set.image_key, image_set.label_key
    info = image_set.builder.info
    # Under tfds.testing.mock_data there are no files.
    if info.splits and info.file_format == tfds.core.FileFormat.TFRECORD:
        # By tfds, example by example, it takes three times as long.
        features = {
            image_key: tf.io.FixedLenFeature([], tf.string),
            label_key: tf.io.FixedLenFeature([], tf.int64),
        }

        def decoded(records):
            found = tf.io.parse_example(records, features)
            images = tf.map_fn(
                image_set.image.decode_example,
                found[image_key],
                fn_output_signature=tf.TensorSpec(image_set.image.shape, image_set.image.tf_dtype),
            )
            return images, found[label_key]

        stored = info.splits[split]
        records = tf.data.TFRecordDataset([str(path) for path in stored.filepaths])
        whole = records.apply(tf.data.experimental.assert_cardinality(stored.num_examples))
        return whole.batch(size).map(decoded, num_parallel_calls=tf.data.AUTOTUNE)
    stream = image_set.builder.as_dataset(
        split=split,
        shuffle_files=False,
        decoders=tfds.decode.PartialDecoding(dict.fromkeys((image_key, label_key), True)),
        # One file after the other.
        read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
    )
    return stream.map(lambda example: (example[image_key], example[label_key])).batch(size)
