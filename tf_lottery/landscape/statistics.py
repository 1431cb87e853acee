"""Statistics of batch normalization for weights that were not trained, such as points on a line."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf

from tf_lottery.masking.layers import leaf_layers
from tf_lottery.training.plain_copies import is_batch_normalization
from tf_lottery.training.random_numbers import numbers_of


class StatisticsEstimator:
    """Sets the moving statistics of a network's normalization layers to those of its weights.

    The statistics of two solutions do not fit the networks between them, whose activations have
    other variances (arXiv 1912.05671, appendix). They are means over batches, each of which counts
    the same; of a layer that a network calls several times, over the last call of each batch.
    Dropout draws the same numbers whatever the weights.
    """

    def __init__(self, model: Any, images: np.ndarray, batch_size: int):
        """Compiles nothing yet.

        Args:
          model: a network.
          images: training examples, `[examples, ...]`, in an order that leaves batches alike; what
            does not fill a batch is not used.
          batch_size: examples to a batch, as in training.

        Raises:
          ValueError: if there are fewer examples than a batch.
        """
        if len(images) < batch_size:
            raise ValueError(
                f"{len(images)} examples are too few to estimate the statistics of batch "
                f"normalization: a batch has {batch_size}."
            )
        self._layers = [
            layer
            for _, layer in leaf_layers(model)
            if is_batch_normalization(layer) and layer.trainable
        ]
        self._model = model
        self._batches = len(images) // batch_size
        shape = (self._batches, batch_size, *images.shape[1:])
        self._images = tf.constant(images[: self._batches * batch_size].reshape(shape))
        self._run = tf.function(self._run_batches, input_signature=[], autograph=False)

    def __call__(self) -> None:
        """Estimates them for the model's weights as they are now."""
        if not self._layers:
            return
        # What is forgotten leaves rounding errors of its size behind.
        for variable in self._statistics:
            variable.assign(tf.zeros_like(variable))
        with _without_memory(self._layers):
            means = self._run()
        for variable, mean in zip(self._statistics, means, strict=True):
            variable.assign(mean)

    @property
    def _statistics(self) -> list[Any]:
        return [of for layer in self._layers for of in (layer.moving_mean, layer.moving_variance)]

    def _run_batches(self) -> list[tf.Tensor]:
        """The means over batches of all statistics."""

        def run_batch(index: tf.Tensor, *means: tf.Tensor) -> list[tf.Tensor]:
            # The same numbers of dropout for all weights: what differs is of the weights then.
            with numbers_of(self._model, lambda: tf.stack([0, index])):
                self._model(tf.cast(self._images[index], tf.float32), training=True)
            share = 1 / tf.cast(index + 1, tf.float32)
            of_batch = (tf.cast(variable, tf.float32) for variable in self._statistics)
            updated = [
                mean + share * (new - mean) for mean, new in zip(means, of_batch, strict=True)
            ]
            return [index + 1, *updated]

        start = [tf.zeros(variable.shape) for variable in self._statistics]
        _, *means = tf.while_loop(
            lambda index, *means: index < self._batches, run_batch, [tf.constant(0), *start]
        )
        return means


@contextmanager
def _without_memory(layers: list[Any]) -> Iterator[None]:
    """Makes the moving statistics those of the last batch, where it is compiled here."""
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.momentum = 0.0
    try:
        yield
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
