"""Layers with kernels: which weights link channels, and what constants contribute."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from tf_lottery.exporting.compaction.activations import is_elementwise
from tf_lottery.exporting.compaction.channelwise import Channelwise
from tf_lottery.exporting.compaction.rules import (
    Constants,
    Part,
    Rule,
    Shrinkage,
    Tie,
    finite_constants,
    taken,
)


class Mixing(Rule):
    """Every output channel is a weighted sum of all input channels, then activated.

    Attributes:
      links: `[in, out]`, whether any weight between two channels is not 0.
    """

    links: np.ndarray

    @property
    def pads(self) -> bool:
        """Whether there are zeros beside the inputs, so that a constant is none at the border."""
        return _pads(self.layer)

    @property
    def keeps_outputs(self) -> bool:
        """Whether all outputs stay, since the activation may compute each from all."""
        return not is_elementwise(self.layer)

    def constants(self, inputs: Sequence[Constants]) -> Constants:
        if self.keeps_outputs:
            return np.full(self.size, np.nan)
        usable = self._usable(inputs[0])
        sums = self._response(np.where(usable, inputs[0], 0)) + _bias(self.layer, self.size)
        linked = np.any(self.links[~usable], axis=0)
        return finite_constants(_activated(self.layer, sums), ~linked)

    def needs(self, inputs: Constants, kept_outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Input channels that the kept outputs cannot do without.

        Returns:
          Those that vary, and those that are constant but cannot go into the biases.
        """
        needed = self.links[:, kept_outputs].any(axis=1) & ~self._usable(inputs)
        varying = np.isnan(inputs)
        return needed & varying, needed & ~varying

    def parts(self, kept: Sequence[np.ndarray], kept_outputs: np.ndarray) -> list[Part]:
        biases: list[Part] = [(kept_outputs,)] if self.layer.use_bias else []
        return [*self._kernel_parts(kept[0], kept_outputs), *biases]

    def shrunk(
        self, inputs: Sequence[Constants], kept: Sequence[np.ndarray], kept_outputs: np.ndarray
    ) -> Shrinkage:
        (constants,), (kept_inputs,) = inputs, kept
        folded = np.where(self._usable(constants) & ~kept_inputs, constants, 0)
        shift = self._response(folded)[kept_outputs]
        *kernels, bias = self._weights_and_bias()
        kernels = self._completed(kernels, constants, kept_inputs)
        parts = self._kernel_parts(kept_inputs, kept_outputs)
        weights = [taken(kernel, part) for kernel, part in zip(kernels, parts, strict=True)]
        bias = (bias[kept_outputs] + shift).astype(weights[-1].dtype)
        biased = self.layer.use_bias or shift.any()
        width = "units" if _is_dense(self.layer) else "filters"
        return Shrinkage(
            [*weights, bias] if biased else weights,
            {width: int(kept_outputs.sum()), "use_bias": bool(biased)},
        )

    def _usable(self, inputs: Constants) -> np.ndarray:
        """Which inputs add the same number everywhere."""
        return inputs == 0 if self.pads else ~np.isnan(inputs)

    def _weights_and_bias(self) -> list[np.ndarray]:
        weights = self.layer.get_weights()
        return weights if self.layer.use_bias else [*weights, np.zeros(self.size)]

    def _response(self, values: np.ndarray) -> np.ndarray:
        """Sums `[out]` that constant inputs `[in]` give, without the biases."""
        raise NotImplementedError

    def _kernel_parts(self, kept_inputs: np.ndarray, kept_outputs: np.ndarray) -> list[Part]:
        """What stays of each kernel."""
        raise NotImplementedError

    def _completed(
        self, kernels: list[np.ndarray], inputs: Constants, kept_inputs: np.ndarray
    ) -> list[np.ndarray]:
        """The kernels, with what inputs that go leave to those that stay."""
        return kernels


class Convolution(Mixing):
    """Dense layers and convolutions, which are dense at every position.

    Constant inputs of a convolution that pads with zeros cannot go into its biases, but one of
    them can stand for all, with the sum of their weights, each times its constant.
    """

    @cached_property
    def links(self) -> np.ndarray:
        return (self._kernel != 0).any(axis=0)

    def needs(self, inputs: Constants, kept_outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        varying, constant = super().needs(inputs, kept_outputs)
        if constant.any():
            constant = np.arange(len(inputs)) == self._representative(inputs)
        return varying, constant

    @cached_property
    def _kernel(self) -> np.ndarray:
        """`[positions, in, out]`."""
        kernel = self.layer.get_weights()[0]
        if _is_transposed(self.layer):
            kernel = kernel.swapaxes(-1, -2)
        return kernel.reshape(-1, *kernel.shape[-2:])

    def _representative(self, inputs: Constants) -> int:
        return int(np.argmax(np.where(self._represented(inputs), np.abs(inputs), 0)))

    def _represented(self, inputs: Constants) -> np.ndarray:
        return self.links.any(axis=1) & ~np.isnan(inputs) & (inputs != 0)

    def _response(self, values: np.ndarray) -> np.ndarray:
        rows = np.flatnonzero(values)
        return values[rows] @ self._kernel[:, rows].sum(axis=0, dtype=np.float64)

    def _kernel_parts(self, kept_inputs: np.ndarray, kept_outputs: np.ndarray) -> list[Part]:
        transposed = _is_transposed(self.layer)
        return [(kept_outputs, kept_inputs) if transposed else (kept_inputs, kept_outputs)]

    def _completed(
        self, kernels: list[np.ndarray], inputs: Constants, kept_inputs: np.ndarray
    ) -> list[np.ndarray]:
        represented = np.flatnonzero(self._represented(inputs) & ~kept_inputs)
        if not self.pads or not len(represented):
            return kernels
        transposed = _is_transposed(self.layer)
        (kernel,) = kernels
        kernel = (kernel.swapaxes(-1, -2) if transposed else kernel).copy()
        representative = self._representative(inputs)
        shares = inputs[represented] / inputs[representative]
        kernel[..., representative, :] += np.einsum(
            "...io,i->...o", kernel[..., represented, :], shares
        ).astype(kernel.dtype)
        return [kernel.swapaxes(-1, -2) if transposed else kernel]


class SeparableConvolution(Mixing):
    """A depthwise convolution, and a dense layer at every position of its results."""

    @cached_property
    def links(self) -> np.ndarray:
        depthwise, pointwise = self._kernels()
        linked = (depthwise != 0).any(axis=0).astype(np.float32)
        return np.einsum("im,imo->io", linked, (pointwise != 0).astype(np.float32)) > 0

    def _kernels(self) -> tuple[np.ndarray, np.ndarray]:
        """`[positions, in, multiplier]` and `[in, multiplier, out]`."""
        depthwise, pointwise = self.layer.get_weights()[:2]
        depthwise = depthwise.reshape(-1, *depthwise.shape[-2:])
        return depthwise, pointwise.reshape(*depthwise.shape[1:], -1)

    def _response(self, values: np.ndarray) -> np.ndarray:
        depthwise, pointwise = self._kernels()
        sums = depthwise.sum(axis=0, dtype=np.float64)
        return np.einsum("i,im,imo->o", values, sums, pointwise)

    def _kernel_parts(self, kept_inputs: np.ndarray, kept_outputs: np.ndarray) -> list[Part]:
        rows = np.repeat(kept_inputs, self.layer.depth_multiplier)
        return [(kept_inputs, None), (rows, kept_outputs)]


class DepthwiseConvolution(Channelwise):
    """Every input channel makes `depth_multiplier` output channels, side by side."""

    @property
    def obstacle(self) -> str:
        known = is_elementwise(self.layer)
        return "" if known else "its activation is not known to be of each unit alone"

    def ties(self) -> list[Tie]:
        outputs = np.arange(self.size)
        return [(outputs // self.layer.depth_multiplier, outputs)]

    def constants(self, inputs: Sequence[Constants]) -> Constants:
        kernel = self.layer.get_weights()[0].reshape(-1, self.size)
        values = np.repeat(inputs[0], self.layer.depth_multiplier)
        usable = values == 0 if _pads(self.layer) else ~np.isnan(values)
        sums = kernel.sum(axis=0, dtype=np.float64) * np.where(usable, values, 0)
        sums += _bias(self.layer, self.size)
        return finite_constants(_activated(self.layer, sums), usable | ~(kernel != 0).any(axis=0))

    def parts(self, kept: Sequence[np.ndarray], kept_outputs: np.ndarray) -> list[Part]:
        biases: list[Part] = [(kept_outputs,)] if self.layer.use_bias else []
        return [(kept[0], None), *biases]


def _is_dense(layer: Any) -> bool:
    return type(layer).__name__ == "Dense"


def _is_transposed(layer: Any) -> bool:
    """Whether a layer is a transposed convolution, whose kernels are `[..., out, in]`."""
    return type(layer).__name__.endswith("Transpose")


def _pads(layer: Any) -> bool:
    if _is_dense(layer):
        return False
    # At the border of its output, fewer weights of a transposed convolution meet.
    return _is_transposed(layer) or (layer.padding != "valid" and max(layer.kernel_size) > 1)


def _bias(layer: Any, size: int) -> np.ndarray:
    return layer.get_weights()[-1].astype(np.float64) if layer.use_bias else np.zeros(size)


def _activated(layer: Any, sums: np.ndarray) -> np.ndarray:
    return tf.cast(layer.activation(tf.constant(sums, layer.compute_dtype)), tf.float64).numpy()
