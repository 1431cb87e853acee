"""Image-classification sets of tensorflow-datasets, read into memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tf_lottery.data.dataset import Dataset, checked_dataset
from tf_lottery.data.memory import available_memory, check_fits_memory
from tf_lottery.data.tfds_prepare import find_builder, prepare

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_datasets as tfds

_BATCH_BYTES = 2**25
_LARGEST_BATCH = 1024


def load_tfds(name: str, data_dir: str | None = None, manual_dir: str | None = None) -> Dataset:
    """Loads any image-classification set of tensorflow-datasets, in its stored order.

    "train" is the training split. "test" is the test split or, in a set that has none,
    "validation"; other splits are not used.

    Args:
      name: "NAME", "NAME/CONFIG", "NAME:VERSION" or "NAME/CONFIG:VERSION".
      data_dir: Where tensorflow-datasets keeps prepared sets; its own default without it.
      manual_dir: A folder with the set's downloaded archives, for machines without internet.

    Returns:
      The checked data set, without validation examples.

    Raises:
      ValueError: If the set is unknown, is not an image-classification set of one image size
        with a training and a test split, cannot be prepared, does not fit the memory, or if
        its prepared copy is damaged.
    """
    flag = f"--dataset={name}"
    builder = find_builder(name, data_dir)
    image_key, label_key = _classification_features(builder, flag)
    image_bytes = _image_bytes(builder, image_key, flag)
    _check_known_sizes(builder, name, flag, image_bytes)
    prepare(builder, flag, manual_dir)
    try:
        streams = [
            _open_split(builder, split, image_key, label_key)
            for split in ("train", _test_split(builder, flag))
        ]
        examples = sum(int(stream.cardinality()) for stream in streams)
        check_fits_memory(name, examples * image_bytes, available_memory())
        train, test = (_read(stream) for stream in streams)
    except _damage_errors() as error:
        raise ValueError(
            f"{flag}: the prepared copy {builder.data_dir} is damaged ({type(error).__name__}). "
            "Delete that folder to prepare the set again."
        ) from error
    return checked_dataset(name, builder.info.features[label_key].num_classes, train, test)


def _classification_features(builder: tfds.core.DatasetBuilder, flag: str) -> tuple[str, str]:
    """Finds the image and the label: the supervised ones, or else the only ones."""
    import tensorflow_datasets as tfds

    features = builder.info.features
    if not isinstance(features, tfds.features.FeaturesDict):
        features = {}
    images = [key for key, feature in features.items() if _is_plain_image(feature)]
    labels = [
        key for key, feature in features.items() if isinstance(feature, tfds.features.ClassLabel)
    ]
    supervised = builder.info.supervised_keys or ()
    if len(supervised) == 2 and supervised[0] in images and supervised[1] in labels:
        return supervised[0], supervised[1]
    if len(images) != 1 or len(labels) != 1:
        raise ValueError(
            f"{flag} is not an image-classification set: it has {len(images)} image and "
            f"{len(labels)} label features ({', '.join(images + labels) or 'none'}), of which no "
            "pair is marked as the task. One image and one class label are needed."
        )
    return images[0], labels[0]


def _is_plain_image(feature: tfds.features.FeatureConnector) -> bool:
    import tensorflow_datasets as tfds

    is_segmentation = isinstance(feature, tfds.features.LabeledImage)
    return isinstance(feature, tfds.features.Image) and not is_segmentation


def _image_bytes(builder: tfds.core.DatasetBuilder, image_key: str, flag: str) -> int:
    image = builder.info.features[image_key]
    if None in image.shape:
        raise ValueError(
            f"{flag} has images of varying size, shape {image.shape}: only sets whose images have "
            "one fixed size can be used."
        )
    pixel_bytes = 1 if image.np_dtype == np.uint8 else 4
    return math.prod(image.shape) * pixel_bytes


def _check_known_sizes(
    builder: tfds.core.DatasetBuilder, name: str, flag: str, image_bytes: int
) -> None:
    """Refuses what is known to be too large before anything is downloaded or prepared."""
    splits = builder.info.splits
    if splits:
        used = {"train", _test_split(builder, flag)}
        examples = sum(splits[split].num_examples for split in used)
        check_fits_memory(name, examples * image_bytes, available_memory())


def _test_split(builder: tfds.core.DatasetBuilder, flag: str) -> str:
    # Without metadata (as under tfds.testing.mock_data) any split is accepted.
    splits = list(builder.info.splits) or ["train", "test"]
    if "train" in splits:
        for candidate in ("test", "validation"):
            if candidate in splits:
                return candidate
    raise ValueError(
        f"{flag} has the splits {', '.join(splits)}: it needs train, and test or validation."
    )


def _open_split(
    builder: tfds.core.DatasetBuilder, split: str, image_key: str, label_key: str
) -> tf.data.Dataset:
    """Opens a split as a stream of (image, label) in stored order."""
    import tensorflow_datasets as tfds

    other_images = [
        key
        for key, feature in builder.info.features.items()
        if isinstance(feature, tfds.features.Image) and key != image_key
    ]
    stream = builder.as_dataset(
        split=split,
        shuffle_files=False,
        decoders={key: tfds.decode.SkipDecoding() for key in other_images} or None,
        # One file after the other, so that the order is the same on every machine.
        read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
    )
    return stream.map(lambda example: (example[image_key], example[label_key]))


def _read(stream: tf.data.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Fills preallocated arrays, so that the set is never held twice."""
    image, _ = stream.element_spec
    dtype = np.dtype(np.uint8 if image.dtype == "uint8" else np.float32)
    image_bytes = math.prod(image.shape) * dtype.itemsize
    examples = int(stream.cardinality())
    images = np.empty((examples, *image.shape), dtype)
    labels = np.empty(examples, np.int32)
    batch_size = max(1, min(_LARGEST_BATCH, _BATCH_BYTES // image_bytes))
    start = 0
    for image_batch, label_batch in stream.batch(batch_size).as_numpy_iterator():
        end = start + len(label_batch)
        images[start:end] = image_batch
        labels[start:end] = label_batch
        start = end
    return images, labels


def _damage_errors() -> tuple[type[Exception], ...]:
    import tensorflow as tf

    # tfds answers a missing description of the splits with a KeyError.
    return (tf.errors.OpError, OSError, KeyError)
