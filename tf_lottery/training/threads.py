"""How many threads compute an operation: on a CPU, the last bits of sums may depend on it."""

import tensorflow as tf

from tf_lottery.store.machine import cores


def use_threads(number: int | None) -> None:
    """Has TensorFlow compute operations with a number of threads, unless it has begun to compute.

    Args:
      number: of threads; None: as many as there are cores.
    """
    if number is not None and number != threads_in_use():
        try:
            tf.config.threading.set_intra_op_parallelism_threads(number)
        except RuntimeError:
            # It is initialized: those who want another number need another process.
            return


def threads_in_use() -> int:
    """The number of threads with which TensorFlow computes an operation."""
    return tf.config.threading.get_intra_op_parallelism_threads() or cores()
