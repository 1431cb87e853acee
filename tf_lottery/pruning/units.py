"""The output units and filters of a network's layers."""

from collections.abc import Iterable

import tensorflow as tf
import tf_keras as keras

from tf_lottery.pruning.prunable import masked_layers, masked_variables
from tf_lottery.pruning.wrapper import MaskedLayer, prunable_kernels, unwrapped


def unit_axes(model: keras.Model) -> dict[str, tuple[int, ...]]:
    """Axes of every prunable weight that index the units or filters it computes.

    Args:
      model: a model made by `prunable`.

    Returns:
      Weight name to axes, counted from the last: `[..., in, out]` has (-1,), `[..., out, in]` of a
      transposed convolution (-2,), and `[..., in, multiplier]` of a depthwise one (-2, -1).
    """
    axes = {
        id(weight): _kernel_unit_axes(layer.layer, attribute)
        for layer in masked_layers(model)
        for attribute, (weight, _, _) in zip(
            prunable_kernels(layer.layer), layer.pruning_vars, strict=True
        )
    }
    return {name: axes[id(weight)] for name, (weight, _) in masked_variables(model).items()}


def output_kernels(model: keras.Model) -> set[str]:
    """Names of the prunable weights whose units are outputs of the model.

    They are found by going back from the outputs to the nearest Dense or convolution layers. A
    depthwise convolution has a unit for every input, so those before it count too. So do those
    before a layer of another kind with weights of its own, whose inputs may be its outputs.

    Args:
      model: a model made by `prunable`.
    """
    layers, _ = _output_layers(model.outputs)
    last = {id(layer.pruning_vars[-1][0]) for layer in layers if isinstance(layer, MaskedLayer)}
    return {name for name, (weight, _) in masked_variables(model).items() if id(weight) in last}


def _kernel_unit_axes(layer: keras.layers.Layer, attribute: str) -> tuple[int, ...]:
    if attribute == "depthwise_kernel":
        return (-2, -1)
    transposed = (
        keras.layers.Conv1DTranspose,
        keras.layers.Conv2DTranspose,
        keras.layers.Conv3DTranspose,
    )
    return (-2,) if isinstance(layer, transposed) else (-1,)


def _output_layers(outputs: Iterable[tf.Tensor]) -> tuple[list[keras.layers.Layer], bool]:
    """Layers whose units are the symbolic `outputs`, and whether an input may be one of them."""
    found, passes_input = [], False
    pending, seen = list(outputs), set()
    while pending:
        tensor = pending.pop()
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        layer, node_index, tensor_index = tensor._keras_history
        node = layer.inbound_nodes[node_index]
        passes = True
        if isinstance(layer, keras.Model):
            nested, passes = _output_layers([layer.outputs[tensor_index]])
            found += nested
        elif kernels := prunable_kernels(unwrapped(layer)):
            found.append(layer)
            passes = list(kernels) == ["depthwise_kernel"]
        if passes:
            pending += node.keras_inputs
            passes_input |= node.is_input
    return found, passes_input
