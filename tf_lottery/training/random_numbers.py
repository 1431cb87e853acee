"""Random numbers of layers, such as dropout, that depend on the seed and the step alone.

Keras's layers draw from a state that no run folder keeps. Ours are functions of `--data_seed`,
level, epoch, step, replica and layer, so that a resumed run goes on with the very numbers.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import tensorflow as tf
import tf_keras as keras

from tf_lottery.data.order import Epoch, Noise, noise_seed
from tf_lottery.masking.layers import leaf_layers
from tf_lottery.masking.wrapper import unwrapped
from tf_lottery.training.network import Network

# By default, devices and XLA choose for themselves.
_ALGORITHM = "philox"

_RandomLayer = keras.__internal__.layers.BaseRandomLayer


class StepwiseNumbers:
    """Gives the random layers of a network their numbers, step by step."""

    def __init__(self, network: Network):
        """Takes the place of the layers' own generators.

        To be called in the scope of the distribution strategy, before the network is traced.

        Args:
          network: whose layers draw; its step count is read in every step.
        """
        layers = [unwrapped(layer) for _, layer in leaf_layers(network.model)]
        random = [layer for layer in layers if isinstance(layer, _RandomLayer)]
        self._begun: Epoch | None = None
        # None where nothing is drawn: no variable then, which the devices would have to agree on.
        self._seed = tf.Variable([0, 0], trainable=False, dtype=tf.int32) if random else None
        for number, layer in enumerate(random):
            layer._random_generator = _Numbers(lambda: self._seed_of_step(network), number)

    def begin(self, epoch: Epoch) -> None:
        """Names the epoch that the next steps are of."""
        if self._seed is None or epoch == self._begun:
            return
        words = noise_seed(epoch, Noise.LAYERS).generate_state(2)
        self._seed.assign(words.astype("int32"))
        self._begun = epoch

    def _seed_of_step(self, network: Network) -> tf.Tensor:
        of_step = _folded(tf.convert_to_tensor(self._seed), network.next_step())
        return _folded(of_step, _replica())


@contextmanager
def numbers_of(model: keras.Model, seed: Callable[[], tf.Tensor]) -> Iterator[None]:
    """Has the random layers of a network draw from a seed in what is traced within.

    Args:
      model: a network.
      seed: int32 `[2]`, for use in compiled functions; another one gives other numbers.
    """
    layers = [unwrapped(layer) for _, layer in leaf_layers(model)]
    random = [layer for layer in layers if isinstance(layer, _RandomLayer)]
    before = [layer._random_generator for layer in random]
    for number, layer in enumerate(random):
        layer._random_generator = _Numbers(seed, number)
    try:
        yield
    finally:
        for layer, generator in zip(random, before, strict=True):
            layer._random_generator = generator


class _Numbers(tf.Module):
    """Draws for one layer, in place of Keras's `RandomGenerator`, whose methods it has."""

    # As of layers that were made without a type: it is left out of their configuration.
    _rng_type = "legacy_stateful"
    # Keras looks for weights in the attributes of modules, and graphs cannot be sorted.
    _TF_MODULE_IGNORED_PROPERTIES = frozenset({"_draws"}) | tf.Module._TF_MODULE_IGNORED_PROPERTIES

    def __init__(self, seed_of_step: Callable[[], tf.Tensor], layer: int):
        """Draws nothing yet.

        Args:
          seed_of_step: int32 `[2]`, for use in compiled steps.
          layer: its number among the layers that draw.
        """
        super().__init__()
        self._seed_of_step, self._layer = seed_of_step, layer
        self._draws: WeakKeyDictionary[tf.Graph, Counter] = WeakKeyDictionary()

    def make_seed_for_stateless_op(self) -> tf.Tensor:
        """The seed of the next draw in the step, int32 `[2]`."""
        # Counted anew in each trace, so that a function that is traced again draws the same.
        counts = self._draws.setdefault(tf.compat.v1.get_default_graph(), Counter())
        replica = str(tf.get_static_value(_replica()))
        counts[replica] += 1
        number = counts[replica]
        return _folded(_folded(self._seed_of_step(), self._layer), number)

    def dropout(self, inputs, rate, noise_shape=None) -> tf.Tensor:
        """Inputs of which a share is 0, and the others are scaled up."""
        return tf.nn.experimental.stateless_dropout(
            inputs, rate, self.make_seed_for_stateless_op(), _ALGORITHM, noise_shape
        )

    def random_normal(self, shape, mean=0.0, stddev=1.0, dtype=None, nonce=None) -> tf.Tensor:
        """Draws of a normal distribution."""
        return tf.random.stateless_normal(
            *(shape, self.make_seed_for_stateless_op(), mean, stddev),
            *(dtype or keras.backend.floatx(), _ALGORITHM),
        )

    def truncated_normal(self, shape, mean=0.0, stddev=1.0, dtype=None, nonce=None) -> tf.Tensor:
        """Draws of a normal distribution, at most two deviations from its mean."""
        return tf.random.stateless_truncated_normal(
            *(shape, self.make_seed_for_stateless_op(), mean, stddev),
            *(dtype or keras.backend.floatx(), _ALGORITHM),
        )

    def random_uniform(self, shape, minval=0.0, maxval=None, dtype=None, nonce=None) -> tf.Tensor:
        """Draws of a uniform distribution."""
        return tf.random.stateless_uniform(
            *(shape, self.make_seed_for_stateless_op(), minval, maxval),
            *(dtype or keras.backend.floatx(), _ALGORITHM),
        )

    def _maybe_init(self) -> None:
        """Does nothing; layers call it when they are built."""


def _folded(seed: tf.Tensor, data: tf.Tensor | int) -> tf.Tensor:
    return tf.random.experimental.stateless_fold_in(seed, data, alg=_ALGORITHM)


def _replica() -> tf.Tensor | int:
    """Number of the replica; a constant where each is traced by itself."""
    context = tf.distribute.get_replica_context()
    return context.replica_id_in_sync_group if context else 0
