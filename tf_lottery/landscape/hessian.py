"""The loss of a network as a function of its weights, with its first two derivatives."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tf_lottery.landscape.coordinates import Coordinates
from tf_lottery.masking.layers import keras_variables
from tf_lottery.masking.masks import Mask, Weights
from tf_lottery.masking.prunable import masked_variables
from tf_lottery.training.plain_copies import copy_for_gradients, undistributed

Tensors = list[tf.Tensor]
Along = Literal["prunable", "trainable"]


class LossAtWeights:
    """Mean cross-entropy of a network on some examples, at any weights; compiled once.

    This is the loss whose sublevel sets and Hessian arXiv 2210.03044 (section 3.3) looks at. It is
    taken as in evaluation: batches are normalized by the moving statistics, nothing is dropped out.
    It is computed on a plain copy of the network on one device, so that the network itself stays as
    it is, and in the dtype of the weights; the batches are summed in float64.

    Products with the Hessian are gradients of gradients. For LeNet-300-100 on two cores they take
    two thirds of the time of forward derivatives of the gradient, and XLA makes both slower. With
    rectifiers the Hessian is that of the smooth piece in which the weights lie: the gradient also
    jumps from piece to piece.

    Attributes:
      coordinates: the weights by which derivatives are taken, as a vector.
    """

    def __init__(
        self,
        model: keras.Model,
        images: np.ndarray,
        labels: np.ndarray,
        mask: Mask | None = None,
        *,
        along: Along = "prunable",
        batch_size: int = 1000,
    ):
        """Copies the network and places the examples in memory.

        Args:
          model: a model made by `prunable` that maps raw images to logits.
          images: `[examples, ...]`, as the model takes them.
          labels: numbers of the classes, `[examples]`.
          mask: the prunable weights that remain; the others are 0, and no coordinates. None: all
            remain, whatever the mask that the model holds.
          along: the coordinates: "prunable" weights, or all that are "trainable", which are also
            biases, and scales and offsets of normalizations.
          batch_size: examples at a time; bounds the memory of activations, not the result.

        Raises:
          ValueError: if the examples, the mask or another argument does not fit.
        """
        _check_arguments(images, labels, along, batch_size)
        self._batch_size = batch_size
        self._mask = _fitting_mask(model, mask)
        self._copy = copy_for_gradients(model)
        # Keras lets frozen normalizations use their moving statistics, also in training.
        self._copy.model.trainable = False
        self.coordinates = Coordinates(_chosen(model, self._mask, along))
        self._variables = [self._copy.variables[name] for name in self.coordinates.names]
        self._images, self._labels = undistributed(
            lambda: (tf.convert_to_tensor(images), tf.convert_to_tensor(labels, tf.int32))
        )
        self._loss = tf.function(self._batch_loss, autograph=False)
        self._gradient = tf.function(self._batch_gradient, autograph=False)
        self._product = tf.function(self._batch_product, autograph=False)

    def loss(self, weights: Weights) -> float:
        """Mean loss over the examples; not finite where the network overflows.

        Args:
          weights: all weights of the network by name; those that the mask prunes count as 0.
        """
        (loss,) = self._mean(self._loss, self._masked(weights))
        return float(loss)

    def gradient(self, weights: Weights) -> np.ndarray:
        """Gradient of the mean loss.

        Args:
          weights: as in `loss`.

        Returns:
          Vector along the coordinates, float64.
        """
        return self._vector(self._mean(self._gradient, self._masked(weights)))

    def hessian(self, weights: Weights) -> Callable[[np.ndarray], np.ndarray]:
        """The Hessian of the mean loss, as the product with a vector (Pearlmutter, 1994).

        Args:
          weights: as in `loss`.

        Returns:
          Function from a vector along the coordinates to another, float64; NaN where the loss is.
        """
        masked = self._masked(weights)

        def product(direction: np.ndarray) -> np.ndarray:
            arrays = self.coordinates.arrays(direction).values()
            parts = [
                tf.convert_to_tensor(array, variable.dtype)
                for array, variable in zip(arrays, self._variables, strict=True)
            ]
            return self._vector(self._mean(self._product, masked, parts))

        return product

    def _masked(self, weights: Weights) -> Weights:
        if missing := sorted(set(self._copy.variables) - set(weights)):
            raise ValueError(f"the weights lack {', '.join(missing)}, which this model has.")
        return self._mask.apply(weights)

    def _vector(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        return self.coordinates.vector(dict(zip(self.coordinates.names, arrays, strict=True)))

    def _mean(
        self, function: Callable[..., Tensors], weights: Weights, *arguments: Any
    ) -> list[np.ndarray]:
        """Sums a compiled function over the batches, and divides by the number of examples."""

        def sums() -> Tensors:
            self._copy.set_weights(weights)
            starts = range(0, len(self._labels), self._batch_size)
            batches = (function(tf.constant(first), *arguments) for first in starts)
            return functools.reduce(lambda one, two: list(map(tf.add, one, two)), batches)

        return [total.numpy() / len(self._labels) for total in undistributed(sums)]

    def _batch_loss(self, first: tf.Tensor) -> Tensors:
        images = tf.cast(self._images[first : first + self._batch_size], tf.float32)
        labels = self._labels[first : first + self._batch_size]
        logits = self._copy.model(images, training=False)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        return [tf.reduce_sum(tf.cast(losses, tf.float64))]

    def _batch_gradient(self, first: tf.Tensor) -> Tensors:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self._variables)
            (loss,) = self._batch_loss(first)
        gradient = tape.gradient(loss, self._variables, unconnected_gradients="zero")
        return _in_float64(gradient)

    def _batch_product(self, first: tf.Tensor, direction: Tensors) -> Tensors:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self._variables)
            gradient = self._batch_gradient(first)
            terms = map(tf.multiply, gradient, _in_float64(direction))
            along = tf.add_n([tf.reduce_sum(term) for term in terms])
        return _in_float64(tape.gradient(along, self._variables, unconnected_gradients="zero"))


def _in_float64(tensors: Tensors) -> Tensors:
    return [tf.cast(tensor, tf.float64) for tensor in tensors]


def _check_arguments(images: np.ndarray, labels: np.ndarray, along: str, batch_size: int) -> None:
    if not len(images) or np.shape(labels) != (len(images),):
        raise ValueError(
            f"there are {len(images)} images, but labels of shape {np.shape(labels)}; give one "
            "label for each image, and at least one."
        )
    if along not in get_args(Along):
        raise ValueError(f"along={along!r} must be one of {', '.join(get_args(Along))}.")
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size} must be at least 1.")


def _fitting_mask(model: keras.Model, mask: Mask | None) -> Mask:
    shapes = {name: weight.shape for name, (weight, _) in masked_variables(model).items()}
    if mask is None:
        return Mask({name: np.ones(shape, bool) for name, shape in shapes.items()})
    if {name: array.shape for name, array in mask.items()} != shapes:
        raise ValueError(
            f"mask is {mask!r} of {sorted(mask)}; the model's prunable weights are {shapes}."
        )
    return mask


def _chosen(model: keras.Model, mask: Mask, along: str) -> dict[str, np.ndarray]:
    """True for each entry that is a coordinate, by weight array."""
    if along == "prunable":
        return dict(mask)
    trained = {id(variable) for variable in model.trainable_variables}
    return {
        name: mask[name] if name in mask else np.ones(variable.shape, bool)
        for name, variable in keras_variables(model).items()
        if id(variable) in trained
    }
