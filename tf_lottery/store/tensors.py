"""Named arrays in TensorFlow's checkpoint format, which any TensorFlow program can read.

TensorFlow is imported where arrays are read or written: lists and reports of runs do neither, and
need not wait for it.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tf_lottery.store.atomic import fsync_path, remove, temporary_sibling
from tf_lottery.store.errors import (
    DamagedFileError,
    RunFolderError,
    StorageError,
    as_storage_error,
)


def tensor_files(prefix: Path) -> list[Path]:
    """Returns the files that hold the tensors saved under `prefix`: the data, the index."""
    return [
        prefix.with_name(f"{prefix.name}.data-00000-of-00001"),
        prefix.with_name(f"{prefix.name}.index"),
    ]


def refuse_pattern_characters(path: Path, right: str = "a --workdir and --name") -> None:
    """Checks that TensorFlow will take a path for a name, not for a search pattern.

    Args:
      path: a file or folder.
      right: what to choose in its place.

    Raises:
      RunFolderError: the path has a character that cannot be read back.
    """
    if found := set(str(path.absolute())) & set("*?[\\"):
        raise RunFolderError(
            f"the path {path.absolute()} contains {' '.join(sorted(found))}, which TensorFlow "
            f"reads as a search pattern; choose {right} without it."
        )


def save_tensors(prefix: Path, tensors: Mapping[str, np.ndarray]) -> list[Path]:
    """Saves arrays so that `tf.train.load_variable(prefix, name)` gives each back, bit for bit.

    The index file comes last: without it there is no checkpoint.

    Args:
      prefix: the path without the checkpoint's suffixes; missing parent folders are made.
      tensors: at least one array, of numbers or booleans and any shape, by name.

    Returns:
      The files written.

    Raises:
      ValueError: there is no tensor, or one is not of numbers.
      RunFolderError: TensorFlow could not read the path back.
      StorageError: the disk is full, read-only, …
    """
    refuse_pattern_characters(prefix)
    arrays = {name: np.asarray(tensor) for name, tensor in tensors.items()}
    if not arrays:
        raise ValueError(f"no tensors to save in {prefix}")
    for name, array in arrays.items():
        if array.dtype.kind in "OSUMm":
            raise ValueError(f"tensor {name!r} has dtype {array.dtype}; only numbers can be saved")

    temporary = temporary_sibling(prefix)
    data, index = tensor_files(prefix)
    try:
        with as_storage_error(prefix):
            prefix.parent.mkdir(parents=True, exist_ok=True)
            _write(temporary, arrays)
            temporary_data, temporary_index = tensor_files(temporary)
            fsync_path(temporary_data)
            fsync_path(temporary_index)
            index.unlink(missing_ok=True)
            temporary_data.replace(data)
            temporary_index.replace(index)
            fsync_path(prefix.parent)
    except BaseException:
        _remove_unfinished(temporary)
        raise
    return [data, index]


def load_tensors(prefix: Path) -> dict[str, np.ndarray]:
    """Loads the arrays that `save_tensors` saved.

    Args:
      prefix: the path without the checkpoint's suffixes.

    Returns:
      The arrays by name, in the order of the names.

    Raises:
      DamagedFileError: a file is missing, truncated or edited.
      RunFolderError: TensorFlow cannot read such a path.
    """
    refuse_pattern_characters(prefix)
    data, index = tensor_files(prefix)
    for file in (data, index):
        if not file.is_file():
            raise DamagedFileError(file, "is missing")
    import tensorflow as tf

    # Which exception TensorFlow's reader raises depends on the byte that is wrong.
    reader_errors = (tf.errors.OpError, LookupError, RuntimeError, ValueError)
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        names = sorted(reader.get_variable_to_shape_map())
    except reader_errors as error:
        raise DamagedFileError(index, f"is damaged ({_reason(error)})") from error
    try:
        return {name: np.asarray(reader.get_tensor(name)) for name in names}
    except reader_errors as error:
        raise DamagedFileError(data, f"is damaged ({_reason(error)})") from error


def has_tensor_named(prefix: Path, name: str) -> bool:
    """Returns, without TensorFlow, whether tensors were saved that have this last part of a name.

    Args:
      prefix: as of `load_tensors`; if the index is missing, there are none.
      name: such as "moving_mean": no other name of the layer begins as it does and comes before it.
    """
    # Of each name the index has what differs from the one before, uncompressed.
    try:
        return name.encode() in tensor_files(prefix)[1].read_bytes()
    except OSError:
        return False


def _write(prefix: Path, arrays: dict[str, np.ndarray]) -> None:
    import tensorflow as tf

    try:
        with tf.device("CPU:0"):
            tf.raw_ops.SaveV2(
                prefix=str(prefix),
                tensor_names=list(arrays),
                shape_and_slices=[""] * len(arrays),
                # One copy; conversion alone would hold two of each until all are written.
                tensors=[tf.identity(array) for array in arrays.values()],
            )
    except tf.errors.OpError as error:
        raise StorageError(prefix, _reason(error)) from error


def _reason(error: Exception) -> str:
    """Returns TensorFlow's message without the op's and the temporary file's names."""
    return str(error).split(" [Op:")[0].split("; ")[-1]


def _remove_unfinished(temporary: Path) -> None:
    if temporary.parent.is_dir():
        for path in temporary.parent.iterdir():
            if path.name.startswith(temporary.name):
                remove(path)
