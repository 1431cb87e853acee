"""Layers and models as users write them, for either Keras."""

from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import tensorflow as tf


@cache
def steep_relu(keras: ModuleType) -> Callable[[Any], Any]:
    """An activation that Keras was not told of."""

    def steep_relu(inputs):
        return 2 * tf.nn.relu(inputs)

    return steep_relu


@cache
def squared(keras: ModuleType) -> Callable[[Any], Any]:
    """Another."""

    def squared(inputs):
        return inputs * inputs

    return squared


@cache
def small_sum_class(keras: ModuleType) -> type:
    """A regularizer that Keras was not told of."""

    class SmallSum(keras.regularizers.Regularizer):
        def __init__(self, factor: float = 0.01):
            self.factor = factor

        def __call__(self, weight):
            return self.factor * tf.abs(tf.reduce_sum(weight))

        def get_config(self):
            return {"factor": self.factor}

    return SmallSum


@cache
def low_rank_class(keras: ModuleType) -> type:
    """A layer whose kernels have names of their own, beside a matrix that is none."""

    class LowRank(keras.layers.Layer):
        def __init__(self, units: int = 5, rank: int = 3, **options: Any):
            super().__init__(**options)
            self.units, self.rank = units, rank

        def build(self, input_shape):
            self.down = self.add_weight(name="down", shape=(input_shape[-1], self.rank))
            self.up = self.add_weight(name="up", shape=(self.rank, self.units))
            self.shift = self.add_weight(name="shift", shape=(1, self.units), initializer="zeros")

        def call(self, inputs):
            return tf.matmul(tf.matmul(inputs, self.down), self.up) + self.shift

        def get_config(self):
            return super().get_config() | {"units": self.units, "rank": self.rank}

    return LowRank


@cache
def speaking_class(keras: ModuleType) -> type:
    """A layer that says which of its weights can be pruned."""

    class Speaking(low_rank_class(keras)):
        def get_prunable_weights(self):
            return [self.up, self.down]

    return Speaking


@cache
def feed_forward_class(keras: ModuleType) -> type:
    """A layer that holds layers, and has a `get_config`."""

    class FeedForward(keras.layers.Layer):
        def __init__(self, units: int = 6, **options: Any):
            super().__init__(**options)
            self.units = units
            self.inner = keras.layers.Dense(units, activation="relu")
            self.gates = [keras.layers.Dense(units, activation="sigmoid") for _ in range(2)]
            self.norm = keras.layers.LayerNormalization()

        def build(self, input_shape):
            self.inner.build(input_shape)
            for gate in self.gates:
                gate.build(input_shape)
            self.norm.build((*input_shape[:-1], self.units))
            super().build(input_shape)

        def call(self, inputs):
            return self.norm(self.inner(inputs) * self.gates[0](inputs) + self.gates[1](inputs))

        def get_config(self):
            return super().get_config() | {"units": self.units}

    return FeedForward


@cache
def network_class(keras: ModuleType) -> type:
    """A subclassed model: lists and dicts of layers, a nested Sequential, a weight of its own."""
    layers = keras.layers

    class SubclassedNetwork(keras.Model):
        def __init__(self, width: int = 6, **options: Any):
            super().__init__(**options)
            self.width = width
            self.blocks = [layers.Dense(width, activation="relu") for _ in range(2)]
            self.heads = {"mean": layers.Dense(3), "scale": layers.Dense(3, activation="sigmoid")}
            self.tail = keras.Sequential([layers.Dense(width), layers.LayerNormalization()])
            self.mixing = self.add_weight(
                name="mixing", shape=(width, width), initializer="glorot_uniform"
            )

        def call(self, inputs, training=None):
            x = inputs
            for block in self.blocks:
                x = block(x)
            x = self.tail(tf.matmul(x, self.mixing), training=training)
            return self.heads["mean"](x) * self.heads["scale"](x)

        def get_config(self):
            return {"name": self.name, "width": self.width}

    return SubclassedNetwork


@cache
def own_step_class(keras: ModuleType) -> type:
    """A functional model with a `train_step` of its own, and no constructor."""

    class OwnStep(keras.Model):
        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.abs(self(x, training=True) - y))
            variables = self.trainable_variables
            gradients = tape.gradient(loss, variables)
            self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
            return {"own_loss": loss}

    return OwnStep


@cache
def constructed_class(keras: ModuleType) -> type:
    """A functional model whose class has a constructor, and a `train_step` too."""

    class Constructed(own_step_class(keras)):
        def __init__(self, width: int = 7):
            inputs = keras.Input((6,))
            x = keras.layers.Dense(width, activation="relu", name="hidden")(inputs)
            super().__init__(inputs, keras.layers.Dense(3, name="output")(x), name="constructed")

        def get_config(self):
            return {}

    return Constructed


@cache
def own_call_class(keras: ModuleType) -> type:
    """A functional model that is called in a way of its own, with a layer beside the graph."""

    class OwnCall(keras.Model):
        def __init__(self):
            x = keras.Input((6,))
            super().__init__(x, keras.layers.Dense(3, name="output")(x), name="own_call")
            self.gate = keras.layers.Dense(3, activation="sigmoid", name="gate")

        def call(self, inputs, training=None, mask=None):
            return self.gate(inputs) * super().call(inputs, training=training, mask=mask)

        def get_config(self):
            return {}

    return OwnCall
