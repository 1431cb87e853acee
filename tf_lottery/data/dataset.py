"""Image-classification data held in memory, and the checks it passes before any training."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator

import numpy as np

_PIXELS_PER_CHUNK = 2**15


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """Examples that belong together: all training, validation or test examples.

    Attributes:
      images: raw pixels, uint8 or float32, `[examples, height, width, channels]`, or flat
        `[examples, features]`.
      labels: class numbers, int32, `[examples]`.
    """

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        """Returns the number of examples."""
        return len(self.labels)


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """A checked image-classification set; `checked_dataset` makes it.

    Attributes:
      name: the name it was loaded by.
      classes: number of classes; every label is in `[0, classes)`.
      train: examples to train on.
      validation: examples held out of the training examples, or that the set has for it; None
        where there are none.
      test: examples that are only reported.
      class_names: what the classes are called; None where that is not known.
      by_feature: whether each feature of flat data is standardised by its own statistics.
      notes: what is worth saying of them before training, as sentences.
    """

    name: str
    classes: int
    train: Split
    validation: Split | None
    test: Split
    class_names: tuple[str, ...] | None = None
    by_feature: bool = False
    notes: tuple[str, ...] = ()

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example: `(height, width, channels)`, or `(features,)` for flat data."""
        return self.train.images.shape[1:]

    def pixel_statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Computes what standardises the training images.

        Computed in float64, chunk by chunk, so that the extra memory does not grow with the set.

        Returns:
          The means and the (population) variances of the training pixels: one value per
          channel for images, a single value over all features for flat data, or with `by_feature`
          one for each; the variance of a feature that is the same in all examples is given as 1.
        """
        images = self.train.images
        channels = images.shape[-1] if images.ndim == 4 or self.by_feature else 1
        pixels = images.reshape(-1, channels)
        mean = _channel_means(pixels, lambda channel, chunk: chunk)
        variance = _channel_means(pixels, lambda channel, chunk: (chunk - mean[channel]) ** 2)
        if self.by_feature:
            # What rounding leaves of the variance of a constant would make other values huge.
            constant = (pixels == pixels[0]).all(axis=0)
            variance = tuple(np.where(constant, 1.0, variance).tolist())
        return mean, variance

    def fingerprint(self) -> str:
        """Returns the SHA-256 of all images and labels: equal for equal data alone."""
        digest = hashlib.sha256()
        for split in (self.train, self.validation, self.test):
            if split is not None:
                digest.update(str(split.images.shape).encode())
                digest.update(np.ascontiguousarray(split.images).data)
                digest.update(np.ascontiguousarray(split.labels).data)
        return digest.hexdigest()


def checked_dataset(
    name: str,
    classes: int,
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray] | None = None,
) -> Dataset:
    """Makes a `Dataset` from arrays, or says what is wrong with them.

    Images of rank 3 get a trailing channel axis, flat data (rank 2) keeps its shape. uint8 and
    float32 pixels are taken as they are, without a copy where they are contiguous; other numbers
    become float32.

    Args:
      name: the name of the set.
      classes: number of classes, at least 2.
      train: images and labels to train on.
      test: images and labels that are only reported.
      validation: images and labels that are neither; None if there are none.

    Returns:
      The data set.

    Raises:
      ValueError: if there is a split without examples, images and labels of different length,
        images of another shape or type in another split, a pixel that is not finite, or a
        label that is not an integer in `[0, classes)`.
    """
    if classes < 2:
        raise ValueError(f"classes={classes}: a classification task has at least 2 classes.")
    train_split = _checked_split("train", *train, classes)
    test_split = _checked_like("test", test, train_split, classes)
    held_out = None
    if validation is not None:
        held_out = _checked_like("validation", validation, train_split, classes)
    return Dataset(name, classes, train_split, held_out, test_split)


def checked_labels(split_name: str, labels: np.ndarray) -> np.ndarray:
    """Returns labels as an integer vector.

    Args:
      split_name: the split they belong to, for the message.
      labels: class numbers, `[examples]` or `[examples, 1]`.

    Returns:
      The labels, `[examples]`, in the integer type that they came in.

    Raises:
      ValueError: if they are of another shape or not integers.
    """
    labels = np.asarray(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(
            f"The {split_name} labels have shape {labels.shape}: one class number per example is "
            "needed, shape (examples,). For one-hot labels pass labels.argmax(axis=1)."
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"The {split_name} labels are of type {labels.dtype}: class numbers must be integers; "
            f"{_integers_of(labels)}."
        )
    return labels


def _integers_of(labels: np.ndarray) -> str:
    if np.issubdtype(labels.dtype, np.floating) and (labels == np.floor(labels)).all():
        return "labels.astype(int) makes them of these"
    return (
        "numpy.unique(y, return_inverse=True)[1] makes them of names, where y has the labels of "
        "all examples, those for test too"
    )


def _checked_like(
    split_name: str, examples: tuple[np.ndarray, np.ndarray], train: Split, classes: int
) -> Split:
    split = _checked_split(split_name, *examples, classes)
    for property_name, of_train, of_split in (
        ("shape", train.images.shape[1:], split.images.shape[1:]),
        ("type", train.images.dtype, split.images.dtype),
    ):
        if of_train != of_split:
            raise ValueError(
                f"The {split_name} images have {property_name} {of_split}, the train images "
                f"{of_train}: all splits must have the same."
            )
    return split


def _checked_split(split_name: str, images, labels, classes: int) -> Split:
    images = _checked_images(split_name, images)
    labels = checked_labels(split_name, labels)
    if len(images) != len(labels):
        raise ValueError(
            f"The {split_name} split has {len(images)} images but {len(labels)} labels: each "
            "image needs one label."
        )
    if len(images) == 0:
        raise ValueError(f"The {split_name} split is empty: at least 1 example is needed.")
    outside = np.flatnonzero((labels < 0) | (labels >= classes))
    if outside.size:
        raise ValueError(
            f"The {split_name} split has label {labels[outside[0]]} (example {outside[0]}, "
            f"{outside.size} such labels): labels of {classes} classes are 0 to {classes - 1}."
        )
    return Split(images, labels.astype(np.int32))


def _checked_images(split_name: str, images) -> np.ndarray:
    images = np.asarray(images)
    if images.ndim not in (2, 3, 4):
        raise ValueError(
            f"The {split_name} images have shape {images.shape}: (examples, height, width, "
            "channels), (examples, height, width) or (examples, features) is needed."
        )
    if 0 in images.shape[1:]:
        raise ValueError(
            f"The {split_name} images have shape {images.shape}: every axis must be at least 1."
        )
    is_real = np.issubdtype(images.dtype, np.integer) or np.issubdtype(images.dtype, np.floating)
    if not (is_real or images.dtype == np.bool_):
        raise ValueError(
            f"The {split_name} images are of type {images.dtype}: pixels must be real numbers."
        )
    if images.ndim == 3:
        images = images[..., np.newaxis]
    if images.dtype != np.uint8:
        with np.errstate(over="ignore"):
            images = images.astype(np.float32, copy=False)
    images = np.ascontiguousarray(images)
    _check_finite(split_name, images)
    return images


def _check_finite(split_name: str, images: np.ndarray) -> None:
    if images.dtype == np.uint8:
        return
    pixels = images.reshape(-1)
    for number, chunk in enumerate(_chunks(pixels)):
        finite = np.isfinite(chunk)
        if not finite.all():
            place = number * _PIXELS_PER_CHUNK + int(np.argmin(finite))
            raise ValueError(
                f"The {split_name} images hold the value {pixels[place]} as float32, in example "
                f"{place // (len(pixels) // len(images))}: every pixel must be finite."
            )


def _channel_means(
    pixels: np.ndarray, transformed: Callable[[int, np.ndarray], np.ndarray]
) -> tuple[float, ...]:
    """Averages `transformed(channel, values)` over `[pixels, channels]`, one mean per channel."""
    sums = np.zeros(pixels.shape[1])
    for chunk in _chunks(pixels):
        for channel in range(pixels.shape[1]):
            sums[channel] += transformed(channel, chunk[:, channel].astype(np.float64)).sum()
    return tuple((sums / len(pixels)).tolist())


def _chunks(rows: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), _PIXELS_PER_CHUNK):
        yield rows[start : start + _PIXELS_PER_CHUNK]
