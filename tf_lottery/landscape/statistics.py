"""Statistics of batch normalization for weights that were not trained, such as points on a line."""

from typing import Any

import numpy as np
import tensorflow as tf

from tf_lottery.masking.layers import leaf_layers
from tf_lottery.training.plain_copies import is_batch_normalization


class StatisticsEstimator:
    """Sets the moving statistics of a network's normalization layers to those of its weights.

    The statistics of two solutions do not fit the networks between them, whose activations have
    other variances (arXiv 1912.05671, appendix).
    """

    def __init__(self, model: Any, images: np.ndarray, batch_size: int):
        """Compiles nothing yet.

        Args:
          model: a network.
          images: training examples, `[examples, ...]`; what does not fill a batch is not used.
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
        for layer in self._layers:
            layer.moving_mean.assign(tf.zeros_like(layer.moving_mean))
            layer.moving_variance.assign(tf.zeros_like(layer.moving_variance))
        self._run()
        for layer in self._layers:
            # Moving averages that began at zero, divided by the sum of their batches' shares.
            share = 1 - layer.momentum**self._batches
            layer.moving_mean.assign(layer.moving_mean / share)
            layer.moving_variance.assign(layer.moving_variance / share)

    def _run_batches(self) -> None:
        def run_batch(index: tf.Tensor) -> list[tf.Tensor]:
            self._model(tf.cast(self._images[index], tf.float32), training=True)
            return [index + 1]

        tf.while_loop(lambda index: index < self._batches, run_batch, [tf.constant(0)])
