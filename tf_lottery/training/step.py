"""One training step, as each replica does it."""

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf
import tf_keras as keras

from tf_lottery.masking.layer_kinds import kernel_attributes
from tf_lottery.masking.layers import leaf_layers
from tf_lottery.masking.prunable import masked_variables
from tf_lottery.masking.wrapper import unwrapped
from tf_lottery.training.network import Network
from tf_lottery.training.random_numbers import StepwiseNumbers
from tf_lottery.training.tally import Tally

Augment = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


@dataclass(frozen=True)
class StepOptions:
    """What a step does besides the forward pass, the backward pass and the update.

    Attributes:
      batch_size: examples in a step, over all replicas.
      l2: factor w of the penalty w/2 * |kernel|^2.
      label_smoothing: share of the target that is spread evenly over all classes.
      mask_gradients: set the gradients of pruned weights to zero. The update ignores them
        anyway, but not their share of a norm.
    """

    batch_size: int
    l2: float = 0.0
    label_smoothing: float = 0.0
    mask_gradients: bool = False


class TrainingStep:
    """Computes gradients, adds to the tally, updates the network."""

    def __init__(
        self,
        network: Network,
        options: StepOptions,
        augment: Augment,
        *,
        compile_gradients: bool = False,
        compile_update: bool = False,
    ):
        """Compiles nothing yet.

        Args:
          network: what is trained.
          options: regularization.
          augment: function (images, draws) -> images, of a replica's batch.
          compile_gradients: compile the forward and backward pass with XLA.
          compile_update: compile the update with XLA; with one replica only.
        """
        self._network, self._options, self._augment = network, options, augment
        self._replicas = tf.distribute.get_strategy().num_replicas_in_sync
        self._kernels = {id(kernel) for kernel in all_kernels(network.model)}
        self._masks = {
            id(weight): mask for weight, mask in masked_variables(network.model).values()
        }
        self.tally = Tally()
        self.random_numbers = StepwiseNumbers(network)
        # Converting Keras' and our sources takes seconds, and there is nothing to convert.
        self._gradients, self._update = self._compute_gradients, self._apply_gradients
        if compile_gradients:
            self._gradients = tf.function(self._gradients, jit_compile=True, autograph=False)
        if compile_update:
            self._update = tf.function(self._update, jit_compile=True, autograph=False)

    def __call__(self, images: tf.Tensor, labels: tf.Tensor, draws: tf.Tensor) -> None:
        """Trains on a replica's share of a batch.

        Args:
          images: `[share, ...]` raw inputs of the model.
          labels: `[share]` class numbers.
          draws: `[share, columns]` random numbers of the augmentation.
        """
        self._update(self._gradients(images, labels, draws))

    def _compute_gradients(
        self, images: tf.Tensor, labels: tf.Tensor, draws: tf.Tensor
    ) -> list[tf.Tensor]:
        model = self._network.model
        images = tf.cast(self._augment(images, draws), tf.float32)
        with tf.GradientTape() as tape:
            logits = tf.cast(model(images, training=True), tf.float32)
            losses = tf.reduce_sum(self._losses(labels, logits))
            # Each replica adds its share of the penalties, as gradients are summed over replicas.
            penalty = tf.add_n(model.losses) / self._replicas if model.losses else 0.0
            total = losses / self._options.batch_size + penalty
        hits = tf.equal(tf.argmax(logits, axis=-1, output_type=labels.dtype), labels)
        self.tally.add(losses, tf.math.count_nonzero(hits))
        self.tally.note_step(self._network.next_step(), tf.math.is_finite(total))
        variables = model.trainable_variables
        return [
            self._regularized(gradient, variable)
            for gradient, variable in zip(tape.gradient(total, variables), variables, strict=True)
        ]

    def _losses(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        smoothing, classes = self._options.label_smoothing, logits.shape[-1]
        if not smoothing:
            return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        targets = tf.one_hot(labels, classes) * (1 - smoothing) + smoothing / classes
        return tf.nn.softmax_cross_entropy_with_logits(targets, logits)

    def _regularized(self, gradient: tf.Tensor, variable: tf.Variable) -> tf.Tensor:
        if self._options.l2 and id(variable) in self._kernels:
            gradient += self._options.l2 / self._replicas * variable
        if self._options.mask_gradients and id(variable) in self._masks:
            remains = tf.not_equal(self._masks[id(variable)], 0)
            gradient = tf.where(remains, gradient, tf.zeros([], gradient.dtype))
        return gradient

    def _apply_gradients(self, gradients: list[tf.Tensor]) -> None:
        variables = self._network.model.trainable_variables
        self._network.optimizer.apply_gradients(
            zip(gradients, variables, strict=True),
            # There is nothing to sum over one replica, and TensorFlow would register a derivative
            # of the sum, which holds the whole step until the process ends.
            experimental_aggregate_gradients=self._replicas > 1,
        )


def all_kernels(model: keras.Model) -> list[tf.Variable]:
    """Kernels of all Dense and convolution layers, whether they are pruned or not."""
    kernels = []
    for _, layer in leaf_layers(model):
        inner = unwrapped(layer)
        kernels += [getattr(inner, name) for name in kernel_attributes(inner)]
    return kernels
