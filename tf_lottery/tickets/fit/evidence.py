"""What a score may look at in a search around `model.fit`."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tf_lottery.masking.keras_versions import is_keras_3, is_of_keras, keras_of
from tf_lottery.tickets.fit.labels import only_one
from tf_lottery.tickets.fit.length import examples_before_split
from tf_lottery.training.saliency import NetworkEvidence, Saliency

_EXAMPLES = 1000

Batch = tuple[Any, Any]


def build_fit_evidence(
    model: Any,
    read_batches: Callable[[], Iterable[Batch]],
    read_rewind_weights: Callable[[], Mapping[str, np.ndarray]],
    seed: int,
) -> Callable[[int], NetworkEvidence]:
    """Prepares what a score may look at; reads and compiles nothing before a score does.

    Args:
      model: prunable and compiled.
      read_batches: returns the scoring batches.
      read_rewind_weights: returns the weights at the rewind step.
      seed: of the search.

    Returns:
      A function that gives the evidence for the pruning that makes a level.
    """
    saliency = Saliency(model, lambda labels, outputs: _loss(model, labels, outputs), read_batches)
    return lambda level: NetworkEvidence(
        saliency, read_rewind_weights, np.random.SeedSequence(seed, spawn_key=(level,))
    )


def scoring_batches(x: Any, y: Any, fit_arguments: Mapping[str, Any]) -> Iterator[Batch]:
    """The examples of which scores take gradients: up to 1000 of those given to `fit`.

    Args:
      x: what is given to `fit` as x: arrays, of which any examples are drawn, or a data set, of
        which the first batches are taken.
      y: what is given to `fit` as y.
      fit_arguments: the other arguments; weights of examples and classes are not regarded.

    Yields:
      Inputs and labels of a batch.

    Raises:
      ValueError: if `fit` was given something else, or no labels.
    """
    if isinstance(x, tf.data.Dataset):
        yield from _first_batches(x)
        return
    if y is None or not all(hasattr(leaf, "shape") for leaf in tf.nest.flatten((x, y))):
        raise ValueError(
            "this score takes gradients of the loss of training examples, for which fit needs "
            f"arrays x and y or a tf.data.Dataset of both, not x of type {type(x).__name__} and "
            f"y of type {type(y).__name__}."
        )
    examples = examples_before_split(x, fit_arguments)
    rows = np.random.default_rng(0).permutation(examples)[:_EXAMPLES]
    batch_size = fit_arguments.get("batch_size") or 32
    for part in np.array_split(rows, math.ceil(len(rows) / batch_size)):
        yield tf.nest.map_structure(lambda array, part=part: _rows(array, part), (x, y))


def _rows(array: Any, part: np.ndarray) -> np.ndarray:
    # A sparse matrix of SciPy may be too large to be made dense as a whole.
    return array.tocsr()[part].toarray() if hasattr(array, "tocsr") else np.asarray(array)[part]


def _first_batches(dataset: tf.data.Dataset) -> Iterator[Batch]:
    examples = 0
    for element in dataset:
        inputs, labels, _ = keras.utils.unpack_x_y_sample_weight(element)
        if labels is None:
            raise ValueError(
                "this score takes gradients of the loss of training examples, but the data set "
                "given to fit has no labels."
            )
        yield inputs, labels
        examples += int(tf.nest.flatten(inputs)[0].shape[0])
        if examples >= _EXAMPLES:
            return


def _loss(model: Any, labels: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """The compiled loss, with labels of the rank and type that its Keras makes them."""
    given = model.loss
    loss, labels, outputs = (only_one(each) for each in (given, labels, outputs))
    if loss is None or labels is None or outputs is None:
        raise ValueError(
            f"loss={given!r}: this score takes gradients of one loss, of one output; compile a "
            "model that has a single one."
        )
    losses = keras_of(model).losses
    by_function = not isinstance(loss, losses.Loss)
    axis_lacks = labels.shape.rank == 1 and outputs.shape.rank == 2
    if is_keras_3(model):
        # It leaves what it is given to losses that are objects.
        axis_lacks &= by_function and outputs.shape[-1] == 1
    if axis_lacks:
        labels = labels[:, tf.newaxis]
    # And gives functions floats, whatever the labels are; its own make them themselves.
    of_user = by_function and callable(loss) and not is_of_keras(loss)
    if labels.dtype.is_floating or (of_user and is_keras_3(model)):
        labels = tf.cast(labels, outputs.dtype)
    return losses.get(loss)(labels, outputs)
