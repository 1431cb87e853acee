"""The output units and filters of a network's layers."""

from collections.abc import Iterable
from typing import Any

from tf_lottery.masking.keras_versions import is_graph, tensor_origin, tensorflow_variable
from tf_lottery.masking.kernels import find_kernels
from tf_lottery.masking.layer_kinds import (
    DEPTHWISE,
    kernel_attributes,
    kernel_unit_axes,
    layer_kind,
)
from tf_lottery.masking.prunable import masked_variables
from tf_lottery.masking.wrapper import unwrapped


def unit_axes(model: Any) -> dict[str, tuple[int, ...]]:
    """Axes of every prunable weight that index the units or filters it computes.

    Args:
      model: a model made by `prunable`.

    Returns:
      Weight name to axes, counted from the last: `[..., in, out]` has (-1,), `[..., out, in]` of a
      transposed convolution (-2,), and `[..., in, multiplier]` of a depthwise one (-2, -1). None
      for weights of other layers, such as recurrent ones, whose columns are not units.
    """
    axes = {
        kernel.name: kernel_unit_axes(kernel.layer, kernel.name)
        for kernel in find_kernels(model).kernels
    }
    return {name: axes.get(name, ()) for name in masked_variables(model)}


def output_kernels(model: Any) -> set[str]:
    """Names of the prunable weights whose units are outputs of the model.

    They are found by going back from the outputs to the nearest Dense or convolution layers. A
    depthwise convolution has a unit for every input, so those before it count too. So do those
    before a layer of another kind with weights of its own, whose inputs may be its outputs.

    Args:
      model: a model made by `prunable`.

    Raises:
      ValueError: if it is a subclassed model, where the way back is not known.
    """
    if not is_graph(model):
        raise ValueError(
            f"structure='units': {model.name} is a subclassed model, of which it is not known "
            "which units are its outputs; use 'weights', or write it as keras.Model(inputs, "
            "outputs)."
        )
    layers, _ = _output_layers(model.outputs)
    last = {
        id(tensorflow_variable(getattr(layer, kernel_attributes(layer)[-1]))) for layer in layers
    }
    return {name for name, (weight, _) in masked_variables(model).items() if id(weight) in last}


def _output_layers(outputs: Iterable[Any]) -> tuple[list[Any], bool]:
    """Layers whose units are the symbolic `outputs`, and whether an input may be one of them."""
    found, passes_input = [], False
    pending, seen = list(outputs), set()
    while pending:
        tensor = pending.pop()
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        origin = tensor_origin(tensor)
        layer, passes = unwrapped(origin.layer), True
        if is_graph(layer):
            nested, passes = _output_layers([layer.outputs[origin.output]])
            found += nested
        elif kernel_attributes(layer):
            found.append(layer)
            passes = layer_kind(layer) is DEPTHWISE
        if passes:
            pending += origin.inputs
            passes_input |= origin.is_input
    return found, passes_input
