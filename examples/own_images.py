"""Images of one's own: from a folder, from arrays, or the digits that come with scikit-learn."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sklearn.datasets
import tensorflow as tf
import tf_keras as keras
from sklearn.model_selection import train_test_split

HELD_OUT = 0.3  # of the images: half of it for validation, half for the test.
FEWEST_IMAGES = 10

Labelled = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Images:
    """Pixels from 0 to 255, `[images, height, width, 3]`, and class numbers `[images]`.

    Attributes:
      training: batches of both, in another order in each epoch.
      validation: both, to choose a ticket with.
      test: both, to judge it with.
      classes: names of the classes.
    """

    training: tf.data.Dataset
    validation: Labelled
    test: Labelled
    classes: list[str]


def read_folder(folder: Path, size: int, batch_size: int, seed: int) -> Images:
    """Reads image files; those for training are read anew in each epoch.

    Args:
      folder: holds a subfolder of images for each class.
      size: height and width to resize the images to.
      batch_size: images in a batch of the training data.
      seed: draws the split and the orders.

    Raises:
      ValueError: if there are fewer than two classes, or too few images.
    """
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
    if len(classes) < 2:
        raise ValueError(
            f"--images={folder} has {len(classes)} subfolders; make one for each class, at least 2."
        )
    try:
        training, held_out = keras.utils.image_dataset_from_directory(
            folder,
            class_names=classes,
            image_size=(size, size),
            batch_size=batch_size,
            validation_split=HELD_OUT,
            subset="both",
            seed=seed,
        )
        count = len(training.file_paths)
        _check_count(count + len(held_out.file_paths))
    except ValueError as error:
        raise ValueError(f"--images={folder} cannot be used: {error}") from error
    x, y = (np.concatenate(parts) for parts in zip(*held_out.as_numpy_iterator(), strict=True))
    validation, test = _divided((x, y), 0.5, seed)
    return Images(_full_batches(training, count, batch_size), validation, test, classes)


def read_arrays(path: Path, size: int, batch_size: int, seed: int) -> Images:
    """Reads an .npz with `x_train`, `y_train` and perhaps `x_test`, `y_test`.

    Args:
      path: the file. Images are `[images, height, width]` or `[images, height, width, 1 or 3]`.
      size: height and width to resize the images to.
      batch_size: images in a batch of the training data.
      seed: draws the split and the orders.

    Raises:
      ValueError: if it is no such file, or has fewer than two classes, or too few images.
    """
    try:
        with np.load(path) as file:
            arrays = dict(file)
        train, test = (_labelled(arrays, part, size) for part in ("train", "test"))
        if train is None:
            raise ValueError(f"it has no x_train; it has {', '.join(arrays)}.")
        classes = 1 + max(int(y.max()) for _, y in filter(None, (train, test)))
        if classes < 2:
            raise ValueError("all labels are 0; there must be at least 2 classes.")
        return _split(train, test, [str(n) for n in range(classes)], batch_size, seed)
    except (ValueError, OSError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(f"--arrays={path} cannot be used: {error}") from error


def digits(of: Sequence[int], size: int, batch_size: int, seed: int) -> Images:
    """Some of the handwritten digits, which have 8x8 pixels before they are resized.

    Args:
      of: digits, rising.
      size: height and width to resize the images to.
      batch_size: images in a batch of the training data.
      seed: draws the split and the orders.
    """
    data = sklearn.datasets.load_digits()
    wanted = np.isin(data.target, of)
    images = _resized(data.images[wanted] * (255 / 16), size)
    train = images, np.searchsorted(of, data.target[wanted])
    return _split(train, None, [str(digit) for digit in of], batch_size, seed)


def _labelled(arrays: dict[str, np.ndarray], part: str, size: int) -> Labelled | None:
    """Checks and resizes the images of a part; None if there are none."""
    x, y = arrays.get(f"x_{part}"), arrays.get(f"y_{part}")
    if x is None:
        return None
    if x.ndim not in (3, 4) or (x.ndim == 4 and x.shape[-1] not in (1, 3)):
        raise ValueError(
            f"x_{part} has shape {x.shape}, but images are [images, height, width] or [images, "
            "height, width, 1 or 3]."
        )
    if x.min() < 0 or x.max() > 255 or x.max() <= 1:
        raise ValueError(
            f"x_{part} has pixels from {x.min()} to {x.max()}; they must be from 0 to 255."
        )
    if y is None or y.shape != x.shape[:1] or y.dtype.kind not in "iu" or y.min() < 0:
        given = "missing" if y is None else f"{y.dtype} of shape {y.shape}"
        raise ValueError(
            f"y_{part} is {given}, but must hold a class number, from 0 on, for each of the "
            f"{len(x)} images."
        )
    return _resized(x, size), y


def _resized(x: np.ndarray, size: int) -> np.ndarray:
    """Makes images RGB and of the same height and width."""
    x = x[..., np.newaxis] if x.ndim == 3 else x
    return tf.image.resize(np.broadcast_to(x, (*x.shape[:3], 3)), (size, size)).numpy()


def _split(
    train: Labelled, test: Labelled | None, classes: list[str], batch_size: int, seed: int
) -> Images:
    _check_count(len(train[0]))
    train, validation = _divided(train, HELD_OUT, seed)
    if test is None:
        validation, test = _divided(validation, 0.5, seed)
    count = len(train[0])
    batches = tf.data.Dataset.from_tensor_slices(train).shuffle(count, seed).batch(batch_size)
    return Images(_full_batches(batches, count, batch_size), validation, test, classes)


def _check_count(images: int) -> None:
    if images < FEWEST_IMAGES:
        raise ValueError(f"{images} images are too few; give at least {FEWEST_IMAGES}.")


def _divided(data: Labelled, share: float, seed: int) -> tuple[Labelled, Labelled]:
    x, x_aside, y, y_aside = train_test_split(*data, test_size=share, random_state=seed)
    return (x, y), (x_aside, y_aside)


def _full_batches(batches: tf.data.Dataset, images: int, batch_size: int) -> tf.data.Dataset:
    """Leaves out a smaller last batch, whose statistics batch normalization would go by."""
    return batches.take(max(1, images // batch_size))
