"""Derivatives of a network's loss and output by its weights, of which scores are made."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from tf_lottery.masking.keras_versions import keras_class_names
from tf_lottery.masking.layers import leaf_layers
from tf_lottery.masking.masks import Mask, Weights
from tf_lottery.masking.prunable import masked_variables
from tf_lottery.masking.wrapper import unwrapped
from tf_lottery.training.plain_copies import (
    PlainCopy,
    copy_for_flow,
    copy_for_gradients,
    undistributed,
)

Derivatives = dict[str, tf.Tensor]

# Divides the logits where GraSP takes its derivatives, as in the authors' experiments: else the
# probabilities of some untrained networks are saturated.
GRASP_TEMPERATURE = 200.0
# Where a synaptic flow is this part of the largest below 0, some ways of multiplying may be why.
_ROUNDING = 1e-9


class Saliency:
    """Derivatives of one network at any weights and mask; each kind is compiled once.

    They are taken on plain copies of the network on one device, so that the network itself stays as
    it is, and is found the same by each worker of a strategy. Where the loss is differentiated,
    batches are normalized by their own statistics, as GraSP's authors do: before training, moving
    ones mean nothing. Nothing is dropped out. SynFlow's flow uses the moving statistics and is
    computed in float64: in deep networks it leaves the range of float32.
    """

    def __init__(
        self,
        model: keras.Model,
        loss: Callable[[Any, Any], tf.Tensor],
        read_batches: Callable[[], Iterable[tuple[Any, Any]]],
    ):
        """Copies nothing yet.

        Args:
          model: a model made by `prunable`.
          loss: function (labels, outputs) -> losses, whose mean is differentiated. For GraSP the
            outputs should be logits, since it divides them by a temperature.
          read_batches: returns the scoring batches, (inputs, labels), preferably of equal size. It
            is called when the first derivative of the loss is taken.
        """
        self._model, self._loss, self._read_batches = model, loss, read_batches
        self._names = list(masked_variables(model))
        # Whose weights the copy for gradients has.
        self._copy_is_of: object | None = None
        self._gradient = tf.function(self._compute_gradient, autograph=False, reduce_retracing=True)
        self._product = tf.function(self._compute_product, autograph=False, reduce_retracing=True)
        self._flow = tf.function(self._compute_flow, autograph=False)
        self._mean_loss = tf.function(self._compute_loss, autograph=False, reduce_retracing=True)

    def loss(self, weights: Weights, mask: Mask) -> float:
        """Mean of the scoring batches' mean losses; not finite where the network overflows.

        Args:
          weights: all weights of the network; those that the mask prunes count as 0.
          mask: the mask.
        """

        def run() -> list[float]:
            self._copy_is_of = None
            self._gradient_copy.set_weights(mask.apply(weights))
            tensors = map(_tensors, self._batches)
            return [float(self._mean_loss(*batch, tf.constant(1.0))) for batch in tensors]

        return float(np.mean(undistributed(run)))

    def loss_gradients(self, weights: Weights, mask: Mask) -> Iterator[dict[str, np.ndarray]]:
        """Gradient of the mean loss of each scoring batch.

        Args:
          weights: all weights of the network; those that the mask prunes count as 0.
          mask: the mask.

        Yields:
          Gradient by each masked weight, arrays of the weights' shapes.
        """
        yield from self._of_batches(weights, mask, self._gradient, 1.0)

    def gradient_flow(self, weights: Weights, mask: Mask) -> dict[str, np.ndarray]:
        """Hessian of the mean loss of all scoring batches times its gradient, H g.

        Both are by the weights that remain (arXiv 2002.07376, section 4), of a loss whose logits
        are divided by `GRASP_TEMPERATURE`.

        Args:
          weights: as in `loss_gradients`.
          mask: the mask.

        Returns:
          The product, arrays of the weights' shapes.
        """

        def mean(derive: Callable[..., Derivatives], *arguments: Any) -> dict[str, np.ndarray]:
            sums: dict[str, Any] = dict.fromkeys(mask, 0.0)
            for added in self._of_batches(weights, mask, derive, GRASP_TEMPERATURE, *arguments):
                sums = {name: sums[name] + added[name] for name in mask}
            return {name: total / len(self._batches) for name, total in sums.items()}

        return mean(self._product, mask.apply(mean(self._gradient)))

    def synaptic_flow(self, weights: Weights, mask: Mask) -> dict[str, np.ndarray]:
        """Gradient of R by the absolute weights (arXiv 2006.05467, section 6).

        R is the sum of the outputs of the network without activations, with the absolute values of
        its parameters, for inputs of ones behind the preprocessing. Moving means count as 0, as
        they are before training: subtracted, they would stop the flow.

        Args:
          weights: as in `loss_gradients`.
          mask: the mask.

        Returns:
          Gradient by each masked weight, float64 arrays of the weights' shapes.

        Raises:
          ValueError: if the network's inputs are of no fixed shape, embeddings are pruned, or the
            flow is not finite or stopped by a layer that subtracts.
        """
        for path, layer in leaf_layers(self._model):
            if "Embedding" in keras_class_names(unwrapped(layer)) and f"{path}/embeddings" in mask:
                raise ValueError(
                    "score 'synflow' sends ones through the network, which to an embedding are one "
                    f"and the same word: all others of {path} would be pruned. Leave it out, with "
                    f"tf_lottery.prunable(model, exclude=[{path!r}]), or use another score."
                )
        for tensor in self._flow_copy.model.inputs:
            if None in tensor.shape[1:]:
                raise ValueError(
                    f"score 'synflow' sends ones through {self._model.name}, whose inputs have "
                    f"the shape {tuple(tensor.shape)}; build it with inputs of a fixed shape."
                )

        def run() -> dict[str, np.ndarray]:
            self._flow_copy.set_weights(mask.apply(weights))
            return _arrays(self._flow(), mask)

        flow = undistributed(run)
        if not all(np.isfinite(array).all() for array in flow.values()):
            raise ValueError(
                f"score 'synflow': the flow through {self._model.name} exceeds float64; the score "
                "is for networks of dense layers, convolutions and batch normalizations."
            )
        largest = max((array.max(initial=0) for array in flow.values()), default=0)
        if any(array.min(initial=0) < -_ROUNDING * largest for array in flow.values()):
            raise ValueError(
                f"score 'synflow': the flow through {self._model.name} is negative at some "
                "weights, so that a layer subtracts, as layer normalization does; the score is for "
                "networks of dense layers, convolutions and batch normalizations."
            )
        return flow

    @cached_property
    def _batches(self) -> list[tuple[Any, Any]]:
        batches = list(self._read_batches())
        if not batches:
            raise ValueError("there are no examples of which a score could take gradients.")
        return batches

    @cached_property
    def _gradient_copy(self) -> PlainCopy:
        return copy_for_gradients(self._model)

    @cached_property
    def _flow_copy(self) -> PlainCopy:
        return copy_for_flow(self._model)

    def _of_batches(
        self, weights: Weights, mask: Mask, derive: Callable[..., Derivatives], *arguments: Any
    ) -> Iterator[dict[str, np.ndarray]]:
        """Derivatives of the loss of batch after batch; those of all would fill the memory."""
        masked, own = mask.apply(weights), object()

        def run(batch: tuple[Any, Any]) -> dict[str, np.ndarray]:
            # Whoever looks at two networks by turns is between the batches of both.
            if self._copy_is_of is not own:
                self._copy_is_of = own
                self._gradient_copy.set_weights(masked)
            return _arrays(derive(*_tensors((*batch, *arguments))), mask)

        # As `undistributed`, with one thread for all batches.
        with ThreadPoolExecutor(max_workers=1) as thread:
            for batch in self._batches:
                yield thread.submit(run, batch).result()

    def _compute_gradient(self, inputs: Any, labels: Any, temperature: tf.Tensor) -> Derivatives:
        variables = {name: self._gradient_copy.variables[name] for name in self._names}
        with tf.GradientTape() as tape:
            loss = self._compute_loss(inputs, labels, temperature)
        return _gradient(tape, loss, variables)

    def _compute_loss(self, inputs: Any, labels: Any, temperature: tf.Tensor) -> tf.Tensor:
        outputs = self._gradient_copy.model(inputs, training=False)
        outputs = tf.nest.map_structure(lambda x: x / tf.cast(temperature, x.dtype), outputs)
        return tf.reduce_mean(self._loss(labels, outputs))

    def _compute_product(
        self, inputs: Any, labels: Any, temperature: tf.Tensor, direction: Derivatives
    ) -> Derivatives:
        variables = {name: self._gradient_copy.variables[name] for name in self._names}
        with tf.GradientTape() as tape:
            gradient = self._compute_gradient(inputs, labels, temperature)
            product = tf.add_n([tf.reduce_sum(gradient[n] * direction[n]) for n in self._names])
        return _gradient(tape, product, variables)

    def _compute_flow(self) -> Derivatives:
        model = self._flow_copy.model
        variables = {name: self._flow_copy.variables[name] for name in self._names}
        ones = [tf.ones([1, *tensor.shape[1:]], tensor.dtype) for tensor in model.inputs]
        with tf.GradientTape() as tape:
            outputs = tf.nest.flatten(model(ones[0] if len(ones) == 1 else ones, training=False))
            flow = tf.add_n([tf.reduce_sum(output) for output in outputs])
        return _gradient(tape, flow, variables)


def _gradient(tape: tf.GradientTape, target: tf.Tensor, variables: Derivatives) -> Derivatives:
    found = tape.gradient(target, variables, unconnected_gradients="zero")
    # Of embeddings TensorFlow gives the rows that were looked up.
    return {name: tf.convert_to_tensor(gradient) for name, gradient in found.items()}


def _tensors(nested: Any) -> Any:
    return tf.nest.map_structure(tf.convert_to_tensor, nested)


def _arrays(derivatives: Derivatives, mask: Mask) -> dict[str, np.ndarray]:
    return {name: derivatives[name].numpy() for name in mask}


@dataclass(frozen=True)
class NetworkEvidence:
    """What a score may look at besides weights and mask; see `tf_lottery.pruning.scores.Evidence`.

    Attributes:
      saliency: derivatives of the network.
      read_rewind_weights: returns all weights at the rewind step.
      seed: of the experiment and the level.
    """

    saliency: Saliency
    read_rewind_weights: Callable[[], Weights]
    seed: np.random.SeedSequence

    @property
    def rewind_weights(self) -> Weights:
        """All weights of the network at the rewind step."""
        return self._rewind_weights

    @cached_property
    def _rewind_weights(self) -> Weights:
        # Apart, as type checkers take no cached property for the property of a protocol.
        return self.read_rewind_weights()

    def random(self) -> np.random.Generator:
        """Random numbers, the same at each call."""
        return np.random.default_rng(self.seed)

    def loss(self, weights: Weights, mask: Mask) -> float:
        """See `Saliency.loss`."""
        return self.saliency.loss(weights, mask)

    def loss_gradients(self, weights: Weights, mask: Mask) -> Iterator[dict[str, np.ndarray]]:
        """See `Saliency.loss_gradients`."""
        return self.saliency.loss_gradients(weights, mask)

    def gradient_flow(self, weights: Weights, mask: Mask) -> dict[str, np.ndarray]:
        """See `Saliency.gradient_flow`."""
        return self.saliency.gradient_flow(weights, mask)

    def synaptic_flow(self, weights: Weights, mask: Mask) -> dict[str, np.ndarray]:
        """See `Saliency.synaptic_flow`."""
        return self.saliency.synaptic_flow(weights, mask)
