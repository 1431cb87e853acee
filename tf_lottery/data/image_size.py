"""Images in memory, padded to the size that the network sees."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tf_lottery.data.dataset import Dataset, Split
from tf_lottery.data.memory import check_fits_memory
from tf_lottery.store.machine import available_memory


def check_padding(dataset: str, image_shape: Sequence[int], image_size: int) -> None:
    """Checks that images can be padded to a size.

    Args:
      dataset: the name of the set, for the message.
      image_shape: `(height, width, channels)` of the images.
      image_size: side of the padded images, in pixels.

    Raises:
      ValueError: if the data are flat, or if the images are larger.
    """
    if len(image_shape) != 3:
        raise ValueError(
            f"--image_size={image_size} needs images, (height, width, channels); the examples of "
            f"--dataset={dataset} have shape {tuple(image_shape)}."
        )
    height, width = image_shape[:2]
    if max(height, width) > image_size:
        raise ValueError(
            f"--image_size={image_size} is smaller than the images of --dataset={dataset}, "
            f"{height}x{width} pixels: images in memory can only be padded. Use "
            f"{max(height, width)} or more, or --streaming=on, which resizes them."
        )


def check_padded(
    dataset: str, image_shape: Sequence[int], image_size: int, examples: int, pixel_bytes: int
) -> None:
    """Checks that the images of a set can be padded to a size, and are held in memory then.

    Args:
      dataset: as of `check_padding`.
      image_shape: as of `check_padding`.
      image_size: as of `check_padding`.
      examples: how many images there are.
      pixel_bytes: bytes of a channel's pixel.

    Raises:
      ValueError: as `check_padding`, or if they do not fit the memory.
    """
    check_padding(dataset, image_shape, image_size)
    data_bytes = examples * image_size**2 * image_shape[-1] * pixel_bytes
    check_fits_memory(dataset, data_bytes, available_memory(), f"--image_size={image_size}")


def pad_images(images: np.ndarray, image_size: int) -> np.ndarray:
    """Surrounds images with zeros; an odd row of them lies below, an odd column to the right.

    Args:
      images: `[examples, height, width, channels]`, at most of the new size.
      image_size: side of the padded images, in pixels.

    Returns:
      Images `[examples, image_size, image_size, channels]`.
    """
    height, width = (image_size - side for side in images.shape[1:3])
    sides = ((height // 2, height - height // 2), (width // 2, width - width // 2))
    return np.pad(images, ((0, 0), *sides, (0, 0)))


def padded(dataset: Dataset, image_size: int | None) -> Dataset:
    """Pads the images of a set.

    Args:
      dataset: the data set.
      image_size: side of the padded images, in pixels; None leaves them as they are.

    Returns:
      The padded data set.

    Raises:
      ValueError: if the data are flat, or if the images are larger.
    """
    if image_size is None:
        return dataset
    splits = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    there = {name: split for name, split in splits.items() if split is not None}
    examples = sum(map(len, there.values()))
    pixel_bytes = dataset.train.images.itemsize
    check_padded(dataset.name, dataset.input_shape, image_size, examples, pixel_bytes)
    padded_splits = {
        name: Split(pad_images(split.images, image_size), split.labels)
        for name, split in there.items()
    }
    return dataclasses.replace(dataset, **padded_splits)
