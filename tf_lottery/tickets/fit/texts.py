"""Checks that only models that take text are given text; Keras would speak of its graphs."""

from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tf_lottery.config.arguments import refusal, shown
from tf_lottery.masking.keras_versions import is_graph


def check_fit_texts(model: Any, x: Any) -> None:
    """Checks inputs that are given to `fit`.

    Args:
      model: a compiled model.
      x: arrays, lists or a data set, of which nothing is read; anything else passes.

    Raises:
      ValueError: if they are text that the model does not take, or not in an array.
    """
    if isinstance(x, str | bytes):
        raise refusal("x", x, "give the data to train on, as to model.fit")
    inputs = x
    if isinstance(x, tf.data.Dataset):
        inputs = keras.utils.unpack_x_y_sample_weight(x.element_spec)[0]
    texts = [leaf for leaf in tf.nest.flatten(inputs) if _is_text(leaf)]
    if not texts:
        return
    listed = isinstance(texts[0], str | bytes)
    example = shown(texts[0]) if listed else "in an array"
    # Of a model of the user's own class nobody knows.
    tensors = model.inputs if is_graph(model) else []
    takes = {tf.as_dtype(tensor.dtype).name for tensor in tensors}
    if takes and "string" not in takes:
        raise ValueError(
            f"x holds text ({example}), and {model.name} takes {', '.join(sorted(takes))}: begin "
            'the model with a TextVectorization layer, after keras.Input((1,), dtype="string"), or '
            "turn the text into numbers first."
        )
    if listed:
        raise ValueError(f"x is a list of texts ({example}): give an array, such as np.array(x).")


def _is_text(leaf: Any) -> bool:
    dtype = getattr(leaf, "dtype", None)
    kind = getattr(dtype, "kind", None)
    if kind == "O":
        first = np.asarray(leaf).ravel()[:1]
        return bool(first.size) and isinstance(first[0], str | bytes)
    return isinstance(leaf, str | bytes) or kind in ("U", "S") or dtype == tf.string
