"""Data sets by name."""

from dataclasses import replace
from typing import get_args

from tf_lottery.config.arguments import shown
from tf_lottery.config.data_files import DataFiles, data_files
from tf_lottery.config.datasets import DATASETS, check_streaming, find_source
from tf_lottery.config.options import AutoOnOff
from tf_lottery.data.csv_tables import load_csv
from tf_lottery.data.dataset import Dataset
from tf_lottery.data.image_folder import load_folder
from tf_lottery.data.image_size import padded
from tf_lottery.data.npz_file import load_npz
from tf_lottery.data.splits import with_validation
from tf_lottery.data.streamed_dataset import StreamedDataset, load_streamed
from tf_lottery.data.tfds_set import ImageSet, find_image_set
from tf_lottery.data.tfds_source import load_into_memory

_LOADERS = {"npz": load_npz, "csv": load_csv}


def load_dataset(
    name: str,
    *,
    data_dir: str | None = None,
    manual_dir: str | None = None,
    validation_examples: int = 0,
    split_seed: int = 0,
    image_size: int | None = None,
    streaming: AutoOnOff = "auto",
    shuffle_buffer: int = 10_000,
    smallest_crop: float = 0.08,
    random_flip: bool = False,
    skip_unreadable: bool = False,
) -> Dataset | StreamedDataset:
    """Loads an image-classification set into memory, or opens it for streaming from the disk.

    Args:
      name: "digits" (embedded in scikit-learn); a set of tensorflow-datasets: "mnist",
        "mnist_corrupted/fog", "cifar10:3.0.2"; or files of your own: "folder:PATH",
        "npz:PATH", "csv:PATH?label=COLUMN".
      data_dir: where tensorflow-datasets keeps prepared sets; its own default without it.
      manual_dir: a folder with the set's downloaded archives, for machines without internet.
      validation_examples: how many training examples to hold out for validation; of no effect
        where files of your own have validation examples.
      split_seed: draws which ones, at least 0.
      image_size: side of the images, in pixels: smaller images in memory are surrounded with
        zeros, those of folders are resized, streamed ones are cropped and resized. None: as stored.
      streaming: "on", "off", or "auto": where images differ in size.
      shuffle_buffer: streamed training examples among which the next is drawn.
      smallest_crop: smallest area of the training crops of streamed images, as a fraction of the
        image; 1: the crop for evaluation.
      random_flip: whether half of the streamed training images are mirrored left to right.
        Those in memory are mirrored by `Augmentation`.
      skip_unreadable: whether image files of a folder that cannot be read are left out.

    Returns:
      The checked data set. Where a set has no labelled test split, its validation split is the
      test set.

    Raises:
      ValueError: if the set is unknown, cannot be downloaded or prepared, is damaged, is not an
        image-classification set, does not fit the memory, has too few examples for the held-out
        ones, or if its images do not fit `image_size` and `streaming`.
    """
    if streaming not in get_args(AutoOnOff):
        raise ValueError(f"--streaming={streaming} is not one of {', '.join(get_args(AutoOnOff))}.")
    check_streaming(name, streaming)
    files = data_files(name)
    if files is not None:
        files = files.absolute()
        files.check()
        if files.kind == "folder":
            return load_folder(
                files,
                validation_examples=validation_examples,
                split_seed=split_seed,
                image_size=image_size,
                streaming=streaming,
                smallest_crop=smallest_crop,
                random_flip=random_flip,
                skip_unreadable=skip_unreadable,
            )
    dataset = _load_own(name, files)
    if dataset is not None:
        dataset = padded(dataset, image_size)
        if dataset.validation is not None:
            return dataset
        return with_validation(dataset, validation_examples, split_seed)
    image_set = find_image_set(name, data_dir)
    if _is_streamed(image_set, streaming):
        return load_streamed(
            image_set,
            manual_dir=manual_dir,
            validation_examples=validation_examples,
            split_seed=split_seed,
            image_size=image_size,
            shuffle_buffer=shuffle_buffer,
            smallest_crop=smallest_crop,
            random_flip=random_flip,
        )
    dataset = load_into_memory(image_set, manual_dir, image_size)
    return with_validation(dataset, validation_examples, split_seed)


def _load_own(name: str, files: DataFiles | None) -> Dataset | None:
    """Loads files of the user's own, or a set that registered itself; None if it is neither."""
    if files is not None:
        return _LOADERS[files.kind](files)
    source = find_source(name)
    if source is None:
        return None
    dataset, module = source.load(), DATASETS.module_of(source.pattern)
    if not isinstance(dataset, Dataset):
        raise ValueError(
            f"--dataset={name}: {module} returned {shown(dataset)} for it; return what "
            "tf_lottery.plugins.from_arrays makes."
        )
    if module.startswith("tf_lottery."):
        return dataset
    # tensorflow-datasets may have one of the same name.
    return replace(dataset, notes=(f"it is that of {module}.", *dataset.notes))


def _is_streamed(image_set: ImageSet, streaming: str) -> bool:
    if streaming == "off" and image_set.image_sizes_differ:
        raise ValueError(
            f"--streaming=off: {image_set.flag} has images of varying size, shape "
            f"{image_set.image.shape}, which cannot be kept in memory; use --streaming=auto with "
            "--image_size."
        )
    return streaming == "on" or image_set.image_sizes_differ
