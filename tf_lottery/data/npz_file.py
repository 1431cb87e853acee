"""Data sets in one file of NumPy arrays: `--dataset=npz:PATH`."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from typing import NoReturn

import numpy as np

from tf_lottery.config.data_files import DataFiles
from tf_lottery.data.dataset import Dataset, checked_dataset, checked_labels
from tf_lottery.data.labels import check_class_numbers, check_known_classes
from tf_lottery.data.memory import check_fits_memory
from tf_lottery.store.machine import available_memory

_TRAIN, _TEST = ("x_train", "y_train"), ("x_test", "y_test")
_VALIDATION = (("x_validation", "y_validation"), ("x_val", "y_val"))


def load_npz(files: DataFiles) -> Dataset:
    """Loads the arrays of a file that `numpy.savez` wrote.

    Args:
      files: the file. Its arrays are `x_train`, `y_train`, `x_test` and `y_test`, as of
        `checked_dataset`, and may be `x_validation` and `y_validation`, or `x_val` and `y_val`.

    Returns:
      The data set, with validation examples if the file has some. There is one class more than the
      largest training label.

    Raises:
      ValueError: if it is no such file, lacks an array, holds Python objects, which could run code
        when they are read, or if the arrays do not fit each other; names the file.
    """
    try:
        with zipfile.ZipFile(files.path) as members:
            sizes = {
                part.filename.removesuffix(".npy"): part.file_size for part in members.filelist
            }
        splits = _splits(files, sizes)
        needed = sum(sizes[name] for pair in splits.values() for name in pair)
        check_fits_memory(str(files), needed, available_memory())
        with np.load(files.path, allow_pickle=False) as stored:
            arrays = {
                split: (_array(files, stored, images), _array(files, stored, labels))
                for split, (images, labels) in splits.items()
            }
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        _refuse(files, f"is no file that numpy.savez wrote, or is damaged ({error})")
    try:
        labels = {split: checked_labels(split, own) for split, (_, own) in arrays.items()}
        check_class_numbers(labels["train"])
        check_known_classes(labels)
        classes = int(labels["train"].max(initial=0)) + 1
        return checked_dataset(str(files), classes, **arrays)
    except ValueError as error:
        raise ValueError(f"{files.flag}: {error}") from error


def _splits(files: DataFiles, there: Mapping[str, int]) -> dict[str, tuple[str, str]]:
    """The names of the arrays of each split."""
    missing = [name for name in (*_TRAIN, *_TEST) if name not in there]
    if missing:
        _refuse(
            files,
            f"has no {' and no '.join(missing)}, but {', '.join(there) or 'nothing'}; "
            f"{', '.join((*_TRAIN, *_TEST))} are needed",
        )
    splits = {"train": _TRAIN, "test": _TEST}
    for pair in _VALIDATION:
        found = [name for name in pair if name in there]
        if len(found) == 1:
            _refuse(files, f"has {found[0]} without the other of {' and '.join(pair)}")
        if found:
            splits["validation"] = pair
    return splits


def _array(files: DataFiles, stored: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    try:
        return stored[name]
    except ValueError as error:
        if "pickle" not in str(error):
            _refuse(files, f"is damaged: {name} cannot be read ({error})")
        _refuse(
            files,
            f"holds Python objects in {name}, which are not read, as they could run code; save an "
            f"array of numbers, such as numpy.stack({name})",
        )


def _refuse(files: DataFiles, problem: str) -> NoReturn:
    raise files.refusal(f"{files.path.name} {problem}")
