"""Data sets in folders of images: `--dataset=folder:PATH`."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf

from tf_lottery.config.data_files import DataFiles
from tf_lottery.data.dataset import Dataset, checked_dataset
from tf_lottery.data.encoded_images import EncodedImages
from tf_lottery.data.image_files import (
    ImageFiles,
    ImageFolder,
    decoded,
    find_images,
    read_images,
    unreadable_error,
    unreadable_images,
    with_substitutes,
)
from tf_lottery.data.labels import classes_text, note_of_empty_classes
from tf_lottery.data.memory import check_fits_memory
from tf_lottery.data.shares import pipeline_range
from tf_lottery.data.splits import divided, with_validation
from tf_lottery.data.streamed_dataset import StreamedDataset
from tf_lottery.data.streams import PARALLEL_CALLS
from tf_lottery.data.tfds_streams import TfdsEvaluationStream, TfdsTrainingStream
from tf_lottery.store.machine import available_memory


def load_folder(
    files: DataFiles,
    *,
    validation_examples: int,
    split_seed: int,
    image_size: int | None,
    streaming: str,
    smallest_crop: float,
    random_flip: bool,
    skip_unreadable: bool,
) -> Dataset | StreamedDataset:
    """Loads a folder of images into memory, or opens it for streaming.

    Args:
      files: the folder; `image_files.find_images` says what is in it.
      validation_examples: how many training images to hold out for validation, where the folder
        has none for it.
      split_seed: draws which ones.
      image_size: side of the images: those in memory are resized, streamed ones cropped and
        resized. None: as stored, if all have one size.
      streaming: "on", "off", or "auto": where images differ in size.
      smallest_crop: as of `load_dataset`.
      random_flip: as of `load_dataset`.
      skip_unreadable: whether images that cannot be read are left out. Of streamed images, only
        those with a damaged header or end are; in the place of any other that cannot be read,
        another image of the class is taken.

    Returns:
      The data set, with the images as uint8, in colours if any of them has some.

    Raises:
      ValueError: as `find_images`, or if images differ in size, are too many for the memory or too
        few to hold some out.
    """
    folder = find_images(files, skip_unreadable)
    if image_size is None:
        folder.check_one_size()
    size = folder.size if image_size is None else (image_size, image_size)
    assert size is not None, "the sizes were looked at"
    if streaming == "on" or (streaming == "auto" and folder.size is None):
        folder = with_substitutes(folder) if skip_unreadable else folder
        return _streamed(folder, size, validation_examples, split_seed, smallest_crop, random_flip)
    images = sum(len(own) for own in folder.splits.values())
    check_fits_memory(str(files), images * math.prod(size) * folder.channels, available_memory())
    splits = {split: read_images(folder, split, size, skip_unreadable) for split in folder.splits}
    dataset = replace(
        checked_dataset(str(files), len(folder.class_names), **splits),
        class_names=folder.class_names,
        notes=_notes(folder),
    )
    if dataset.validation is not None:
        return dataset
    return with_validation(dataset, validation_examples, split_seed)


@dataclass(frozen=True)
class FolderSet:
    """What streams know of a folder of images.

    Attributes:
      folder: the folder.
    """

    folder: ImageFolder
    image_key = "image"
    label_key = "label"

    @property
    def shape(self) -> tuple[int | None, int | None, int]:
        """`(height, width, channels)` of the stored images; None where they differ."""
        height, width = self.folder.size or (None, None)
        return height, width, self.folder.channels

    def decode_example(self, encoded: tf.Tensor) -> tf.Tensor:
        """The pixels of an encoded image, uint8 `[height, width, channels]`."""
        return decoded(encoded, self.folder.channels)

    def damage(self, error: Exception) -> ValueError:
        """Makes the error to raise for an image that cannot be read; looks which it is."""
        return self.unreadable() or self.folder.files.refusal(f"an image cannot be read ({error})")

    def unreadable(self) -> ValueError | None:
        """The error to raise if images cannot be read, which names them; all are decoded."""
        found = unreadable_images(self.folder)
        return unreadable_error(self.folder.files, found) if found else None


@dataclass(frozen=True)
class FolderExamples:
    """Encoded images in a random order that is always the same, so that a part is like the whole.

    Attributes:
      image_set: the folder that they are from.
      images: the images, in that order.
    """

    image_set: FolderSet
    images: ImageFiles

    @classmethod
    def of(cls, image_set: FolderSet, split: str) -> FolderExamples:
        """All images of a split."""
        own = image_set.folder.splits[split]
        order = np.random.Generator(np.random.Philox(0)).permutation(len(own))
        return cls(image_set, own.at(order))

    def __len__(self) -> int:
        """Returns the number of images."""
        return len(self.images)

    def slice(self, first: int, last: int) -> FolderExamples:
        """Takes those from `first` to before `last`."""
        return FolderExamples(
            self.image_set, self.images.at(np.arange(first, min(last, len(self))))
        )

    def share(self, pipeline: int, pipelines: int) -> FolderExamples:
        """Takes the part of one of several pipelines, no two of which share an image."""
        return self.slice(*pipeline_range(len(self), pipeline, pipelines))

    def hold_out(self, examples: int, seed: int) -> tuple[FolderExamples, FolderExamples]:
        """Divides the images; arguments, result and errors as of `splits.hold_out`."""
        remaining, held_out = divided(len(self), examples, seed)
        return (
            FolderExamples(self.image_set, self.images.at(remaining)),
            FolderExamples(self.image_set, self.images.at(held_out)),
        )

    def open(self, order: np.random.SeedSequence | None = None) -> tf.data.Dataset:
        """Reads the images, in an order that is always the same.

        Args:
          order: draws the order; without it, as they are here.

        Returns:
          Dictionaries with the encoded image and the label.
        """
        images = self.images
        if order is not None:
            places = np.random.Generator(np.random.Philox(order)).permutation(len(images))
            images = images.at(places)
        keys = self.image_set.image_key, self.image_set.label_key
        # Bytes, as names need not be UTF-8.
        paths = [os.fsencode(path) for path in images.read_paths]
        return tf.data.Dataset.from_tensor_slices((paths, images.labels)).map(
            lambda path, label: dict(zip(keys, (tf.io.read_file(path), label), strict=True)),
            num_parallel_calls=PARALLEL_CALLS,
            deterministic=True,
        )


def _streamed(
    folder: ImageFolder,
    size: tuple[int, int],
    validation_examples: int,
    split_seed: int,
    smallest_crop: float,
    random_flip: bool,
) -> StreamedDataset:
    image_set = FolderSet(folder)
    images = EncodedImages(image_set, size)
    examples = {split: FolderExamples.of(image_set, split) for split in folder.splits}
    train, held_out = examples["train"], examples.get("validation")
    if held_out is None and validation_examples:
        train, held_out = train.hold_out(validation_examples, split_seed)
    empty = note_of_empty_classes(train.images.labels, len(folder.class_names), folder.class_names)
    identity = {
        "set": "folder",
        "classes": list(folder.class_names),
        "images": {split: _sha256(folder, own.images) for split, own in examples.items()},
        "held_out": None if held_out is None else _sha256(folder, held_out.images),
        "crop": images.shape,
    }
    return StreamedDataset(
        name=str(folder.files),
        classes=len(folder.class_names),
        input_shape=images.shape,
        train=TfdsTrainingStream(
            train,
            images,
            # The order of each epoch is drawn among all images.
            shuffle_buffer=1,
            smallest_crop=smallest_crop,
            random_flip=random_flip,
        ),
        validation=None if held_out is None else TfdsEvaluationStream(held_out, images),
        test=TfdsEvaluationStream(examples["test"], images),
        identity=identity,
        class_names=folder.class_names,
        notes=(*_notes(folder), *filter(None, [empty])),
    )


def _sha256(folder: ImageFolder, images: ImageFiles) -> str:
    """Of names, labels and bytes on the disk: to read all images would take as long as an epoch."""
    digest = hashlib.sha256()
    for path, label in zip(images.paths, images.labels, strict=True):
        name = os.path.relpath(path, folder.files.path)
        size = os.stat(path).st_size  # noqa: PTH116
        digest.update(os.fsencode(name) + f"\0{label}\0{size}\n".encode())
    return digest.hexdigest()


def _notes(folder: ImageFolder) -> tuple[str, ...]:
    counts = ", ".join(f"{len(own)} for {split}" for split, own in _in_order(folder))
    sizes = "of different sizes" if folder.size is None else "of {}x{}".format(*folder.size)
    colours = "in colours" if folder.channels == 3 else "in grey"
    return (
        f"images {colours} {sizes}, {counts}; {classes_text(folder.class_names)}.",
        *folder.left_out,
    )


def _in_order(folder: ImageFolder) -> Iterable[tuple[str, ImageFiles]]:
    return (
        (split, folder.splits[split])
        for split in ("train", "validation", "test")
        if split in folder.splits
    )
