"""Sparse kernels whose inputs are not a multiple of the converter's blocks."""

import numpy as np
import pytest
import tf_keras as keras
from ai_edge_litert.interpreter import Interpreter

from tf_lottery.exporting.formats import known_formats
from tf_lottery.exporting.plain_network import ExportedNetwork, PlainNetwork
from tf_lottery.exporting.stored_kernels import Storage, stored_kernels

FORMATS = known_formats()


def exported(folder, shape, *layers) -> ExportedNetwork:
    """A network of positive weights whose kernels have 2% of their weights, but at least one."""
    rng = np.random.default_rng(0)
    model = keras.Sequential([keras.Input(shape), *layers])
    for layer in model.layers:
        kernel = np.where(rng.random(layer.kernel.shape) < 0.02, rng.random(layer.kernel.shape), 0)
        # The last input is the first to be lost.
        kernel[-1, -1] = 3.0
        layer.kernel.assign(kernel)
    return ExportedNetwork(PlainNetwork(model), folder)


def outputs_of(path, inputs: np.ndarray) -> np.ndarray:
    run = Interpreter(str(path)).get_signature_runner("serving_default")
    (outputs,) = run(input_1=inputs).values()
    return outputs


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape",
    [(30,), *(pytest.param(s, marks=pytest.mark.slow) for s in ((29,), (31,), (32,), (3, 30)))],
)
def test_no_weight_is_lost_where_inputs_do_not_fill_blocks(tmp_path, shape):
    keras.backend.clear_session()
    layers = (keras.layers.Dense(26, "relu"), keras.layers.Dense(5))
    network = exported(tmp_path, shape, *layers)
    path = tmp_path / "model_sparse.tflite"
    FORMATS["tflite_sparse"].write(network, path)

    assert [(kernel.shape, kernel.storage) for kernel in stored_kernels(path)] == [
        ((26, 32), Storage.COMPUTED_SPARSE),
        ((5, 28), Storage.COMPUTED_SPARSE),
    ]
    for examples in (1, 7):
        given = np.random.default_rng(1).random((examples, *shape)).astype(np.float32)
        (expected,) = network.plain.compute({network.plain.inputs[0].name: given}).values()
        np.testing.assert_allclose(outputs_of(path, given), expected, atol=1e-5)
        assert expected[..., -1].min() > 0.1
