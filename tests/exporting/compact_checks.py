"""What every compacted network is checked for."""

from typing import Any

import numpy as np

import tf_lottery
from tf_lottery.exporting.compaction import CompactedModel
from tf_lottery.masking.layers import model_variables


def check_compaction(model: Any, tolerance: float = 1e-5) -> CompactedModel:
    """Compacts a model and compares outputs, on inputs of several magnitudes.

    Args:
      model: any model of either Keras with known sizes of its inputs.
      tolerance: largest difference, as a fraction of the largest output.
    """
    result = tf_lottery.compact(model)
    generator = np.random.default_rng(0)
    for magnitude in (0, 1, 1e4):
        inputs = [
            (magnitude * generator.normal(size=(3, *tensor.shape[1:]))).astype(np.float32)
            for tensor in model.inputs
        ]
        inputs = inputs if len(inputs) > 1 else inputs[0]
        expected, outputs = np.asarray(model(inputs)), np.asarray(result.model(inputs))
        assert np.isfinite(expected).all()
        np.testing.assert_allclose(outputs, expected, rtol=0, atol=tolerance * _size(expected))
    variables = model_variables(model).values()
    assert result.parameters_before == sum(variable.shape.num_elements() for variable in variables)
    assert result.parameters <= result.parameters_before
    return result


def units(result: CompactedModel) -> dict[str, int]:
    """Number of units of every layer of a compacted network."""
    return {layer.name: layer.units for layer in result.layers}


def left(result: CompactedModel) -> dict[str, str]:
    """What the report says of every layer of which it says something."""
    return {layer.name: layer.left for layer in result.layers if layer.left}


def randomize(model: Any, seed: int = 0) -> None:
    """Draws all biases and statistics of a model, which are 0 or 1 in new ones."""
    generator = np.random.default_rng(seed)
    for weight in model.weights:
        name = weight.name.split("/")[-1]
        if "kernel" not in name:
            values = generator.normal(size=weight.shape)
            weight.assign(np.abs(values) + 0.1 if "variance" in name else values)


def kill_units(model: Any, **units: list[int]) -> None:
    """Sets all weights into some units of layers to 0."""
    for name, dead in units.items():
        kernel = model.get_layer(name).kernel
        kernel.assign(np.where(np.isin(np.arange(kernel.shape[-1]), dead), 0, kernel))


def _size(outputs: np.ndarray) -> float:
    return max(np.abs(outputs).max(), 1e-3)
