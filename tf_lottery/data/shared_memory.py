"""Arrays whose memory NumPy and TensorFlow share, so that a data set is held once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tf_lottery.startup import LazyModule

if TYPE_CHECKING:
    import tensorflow as tf
else:
    tf = LazyModule("tensorflow")

# TensorFlow's CPU kernels rely on tensors that begin at such addresses.
ALIGNMENT = 64


def shareable_empty(shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    """Makes an array that `shared_tensor` need not copy; its values are arbitrary.

    Args:
      shape: the shape.
      dtype: the type of the values.

    Returns:
      The array.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


def shareable_rows(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Takes rows of an array into one that `shared_tensor` need not copy.

    Args:
      array: the array, `[rows, ...]`.
      rows: the numbers of the rows, all of them valid.

    Returns:
      The rows, in the order of `rows`.
    """
    taken = shareable_empty((len(rows), *array.shape[1:]), array.dtype)
    # Any other mode makes a temporary copy.
    return array.take(rows, axis=0, out=taken, mode="clip")


def shared_tensor(array: np.ndarray) -> tf.Tensor:
    """Returns an array as a tensor in the host's memory.

    Args:
      array: numbers, which must not be changed while the tensor is used.

    Returns:
      The tensor. It is a copy if the array does not begin where TensorFlow needs it to (see
      `shareable_empty`), if it is read-only, or not contiguous.
    """
    flags = array.flags
    aligned = array.ctypes.data % ALIGNMENT == 0
    if aligned and array.size and flags.writeable and flags.c_contiguous:
        return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
    with tf.device("CPU:0"):
        return tf.constant(array)
