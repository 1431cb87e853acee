"""Functions that TensorFlow traces once for each network."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def traced(function: Callable[..., Any], **options: Any) -> Any:
    """A `tf.function` of which there is one for each of many networks.

    TensorFlow counts how often the same Python code is traced, whichever object it is a method of,
    and warns of that as of a mistake.

    Args:
      function: takes and gives tensors.
      **options: of `tf.function`.
    """
    made = tf.function(function, autograph=False, **options)
    made._omit_frequent_tracing_warning = True
    return made
