"""Layers that make every output channel of the same channel of their inputs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tf_lottery.exporting.compaction.activations import is_elementwise
from tf_lottery.exporting.compaction.rules import (
    Constants,
    Part,
    Rule,
    Shrinkage,
    Tie,
    finite_constants,
    taken,
)
from tf_lottery.masking.keras_versions import is_layer


class Channelwise(Rule):
    """A layer that passes on constants as they are: dropout, pooling, cropping."""

    def ties(self) -> list[Tie]:
        """For each input, which channels make which output channels."""
        channels = np.arange(self.size)
        return [(channels, channels) for _ in self.sizes]

    def constants(self, inputs: Sequence[Constants]) -> Constants:
        return inputs[0]

    def parts(self, kept: Sequence[np.ndarray], kept_outputs: np.ndarray) -> list[Part]:
        # A weight that all channels share has no such axis, or one of size 1.
        return [
            (kept_outputs,) if array.shape[-1:] == (self.size,) else ()
            for array in _weights(self.layer)
        ]

    def shrunk(
        self, inputs: Sequence[Constants], kept: Sequence[np.ndarray], kept_outputs: np.ndarray
    ) -> Shrinkage:
        arrays, parts = _weights(self.layer), self.parts(kept, kept_outputs)
        return Shrinkage([taken(array, part) for array, part in zip(arrays, parts, strict=True)])

    def _called(self, inputs: Sequence[Constants], **options: bool) -> np.ndarray:
        """What the layer makes of channels with these values; those that are NaN are 0."""
        shape = (1,) * (self.ranks[0] - 1) + (-1,)
        tensors = [tf.constant(np.nan_to_num(values).reshape(shape)) for values in inputs]
        # Layers take a list of several tensors, operations of Keras 3 one after the other.
        as_list = len(tensors) > 1 and is_layer(self.layer)
        outputs = self.layer(tensors, **options) if as_list else self.layer(*tensors, **options)
        return tf.cast(outputs, tf.float64).numpy().ravel()


class Elementwise(Channelwise):
    """A function of the single numbers: activations, sums, products by one number."""

    def constants(self, inputs: Sequence[Constants]) -> Constants:
        return finite_constants(self._called(inputs), ~np.any(np.isnan(inputs), axis=0))


class Activation(Elementwise):
    """An activation by name or function."""

    @property
    def obstacle(self) -> str:
        known = is_elementwise(self.layer)
        return "" if known else "its function is not known to be of each number alone"


class Rescaling(Elementwise):
    """A product by one number, plus another."""

    @property
    def obstacle(self) -> str:
        numbers = np.ndim(self.layer.scale) == np.ndim(self.layer.offset) == 0
        return "" if numbers else "it scales every channel by a number of its own"


class Sum(Elementwise):
    """A sum, a mean or an extreme of several inputs."""

    @property
    def obstacle(self) -> str:
        alike = len(self.sizes) > 1 and len(set(self.sizes)) == len(set(self.ranks)) == 1
        return "" if alike else "its inputs differ in channels or axes"


class Product(Sum):
    """A product, which is 0 where a factor is."""

    def constants(self, inputs: Sequence[Constants]) -> Constants:
        zero = np.any(np.asarray(inputs) == 0, axis=0)
        return np.where(zero, 0.0, super().constants(inputs))


class ZeroPadding(Channelwise):
    """A border of zeros, beside which only 0 stays constant."""

    def constants(self, inputs: Sequence[Constants]) -> Constants:
        return np.where(inputs[0] == 0, 0.0, np.nan)


class Normalization(Channelwise):
    """Batch normalization in inference; a channel with gamma 0 is constant too."""

    @property
    def obstacle(self) -> str:
        # A list in tf_keras, a number in Keras 3.
        rank = self.ranks[0]
        last = [axis % rank for axis in np.ravel(self.layer.axis)] == [rank - 1]
        return "" if last else "it does not normalize the last axis"

    def constants(self, inputs: Sequence[Constants]) -> Constants:
        constant = ~np.isnan(inputs[0])
        if self.layer.gamma is not None:
            constant |= np.asarray(self.layer.gamma) == 0
        return finite_constants(self._called(inputs, training=False), constant)


class Standardization(Elementwise):
    """Normalization by the statistics of a data set, which may be arguments of the layer."""

    @property
    def obstacle(self) -> str:
        rank = self.ranks[0]
        last = {axis % rank for axis in self.layer.axis} <= {rank - 1}
        return "" if last else "it does not normalize the last axis"

    def shrunk(
        self, inputs: Sequence[Constants], kept: Sequence[np.ndarray], kept_outputs: np.ndarray
    ) -> Shrinkage:
        weights = super().shrunk(inputs, kept, kept_outputs).weights
        config = self.layer.get_config()
        given = {name: np.ravel(config[name]) for name in ("mean", "variance")}
        return Shrinkage(
            weights,
            {
                name: values[kept_outputs].tolist()
                for name, values in given.items()
                if config[name] is not None and len(values) == self.size
            },
        )


class ParametricRectifier(Channelwise):
    """PReLU: its slopes differ among positions, but not for what is positive."""

    def constants(self, inputs: Sequence[Constants]) -> Constants:
        return np.where(inputs[0] >= 0, inputs[0], np.nan)


class Reshaped(Channelwise):
    """Positions become channels, in blocks of the input's channels, as in Flatten."""

    @property
    def obstacle(self) -> str:
        return "it divides the channels" if self.size % self.sizes[0] else ""

    def ties(self) -> list[Tie]:
        return [(np.arange(self.size) % self.sizes[0], np.arange(self.size))]

    def constants(self, inputs: Sequence[Constants]) -> Constants:
        return np.tile(inputs[0], self.size // self.sizes[0])

    def shrunk(
        self, inputs: Sequence[Constants], kept: Sequence[np.ndarray], kept_outputs: np.ndarray
    ) -> Shrinkage:
        *positions, channels = getattr(self.layer, "target_shape", (-1,))
        if channels == -1:
            return Shrinkage([])
        return Shrinkage([], {"target_shape": (*positions, int(kept_outputs.sum()))})


class Concatenated(Channelwise):
    """Channels of several inputs, one after the other."""

    @property
    def obstacle(self) -> str:
        last = self.layer.axis in (-1, self.ranks[0] - 1)
        return "" if last else "it does not join the last axis"

    def ties(self) -> list[Tie]:
        ends = np.cumsum(self.sizes)
        return [
            (np.arange(size), np.arange(end - size, end))
            for size, end in zip(self.sizes, ends, strict=True)
        ]

    def constants(self, inputs: Sequence[Constants]) -> Constants:
        return np.concatenate(inputs)


def _weights(layer: Any) -> list[np.ndarray]:
    return layer.get_weights() if is_layer(layer) else []
