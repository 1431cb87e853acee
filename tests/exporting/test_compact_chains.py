"""Chains of layers, whose dead units are counted one by one."""

import itertools

import numpy as np
import pytest

import tf_lottery
from tests.either_keras import keras_3_is_slow  # noqa: F401
from tests.exporting.compact_checks import check_compaction, randomize, units


def _remaining_widths(kernels: list[np.ndarray]) -> list[int]:
    """Widths of the hidden layers when units without inputs or outputs go, one after another."""
    kernels = [kernel.copy() for kernel in kernels]
    alive = [np.ones(kernel.shape[1], bool) for kernel in kernels[:-1]]
    changed = True
    while changed:
        changed = False
        for layer, units_alive in enumerate(alive):
            for unit in np.flatnonzero(units_alive):
                incoming, outgoing = kernels[layer][:, unit], kernels[layer + 1][unit]
                if not incoming.any() or not outgoing.any():
                    units_alive[unit] = False
                    incoming[:], outgoing[:] = 0, 0
                    changed = True
    return [max(int(units_alive.sum()), 1) for units_alive in alive]


@pytest.mark.parametrize("density", [0.02, 0.1, 0.2, 0.4])
@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_dense_layers_lose_the_units_without_inputs_or_outputs(keras, density, activation):
    model = keras.Sequential([keras.Input((12,), name="pixels")])
    for number, width in enumerate((20, 15, 10)):
        model.add(keras.layers.Dense(width, activation, name=f"hidden_{number}"))
    model.add(keras.layers.Dense(4, name="output"))
    randomize(model)
    generator = np.random.default_rng(3)
    for layer in model.layers:
        kernel, bias = layer.get_weights()
        layer.set_weights([kernel * (generator.random(kernel.shape) < density), bias])
    result = check_compaction(model)
    widths = _remaining_widths([layer.get_weights()[0] for layer in model.layers])
    assert units(result) == {f"hidden_{n}": width for n, width in enumerate(widths)} | {"output": 4}
    sizes = [12, *widths, 4]
    expected = sum(a * b + b for a, b in itertools.pairwise(sizes))
    assert result.parameters == expected
    assert result.parameters < result.parameters_before


def test_prunable_model_comes_out_without_wrappers_and_with_its_names(keras):
    dense = keras.Sequential(
        [
            keras.Input((5,), name="rows"),
            keras.layers.Dense(6, "relu", name="hidden"),
            keras.layers.Dense(3, name="output"),
        ],
        name="net",
    )
    model = tf_lottery.prunable(dense)
    mask = dict(tf_lottery.get_mask(model))
    mask["hidden/kernel"] = np.ones((5, 6), bool) & (np.arange(6) > 1)
    tf_lottery.set_mask(model, tf_lottery.Mask(mask))
    before = [array.tobytes() for array in model.get_weights()]
    result = check_compaction(model)
    assert [array.tobytes() for array in model.get_weights()] == before
    assert (result.model.name, type(result.model)) == ("net", keras.Sequential)
    assert [tensor.name for tensor in result.model.inputs] == ["rows"]
    assert [type(layer) for layer in result.model.layers] == [keras.layers.Dense] * 2
    assert units(result) == {"hidden": 4, "output": 3}
    kept = dense.layers[0].get_weights()[0][:, 2:]
    np.testing.assert_array_equal(result.model.layers[0].get_weights()[0], kept)


def test_constant_units_go_into_biases_that_were_not_there(keras):
    model = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(3, "sigmoid", name="hidden"),
            keras.layers.Dense(2, use_bias=False, name="output"),
        ]
    )
    model.layers[0].set_weights([np.array([[1, 0, 0], [2, 0, 0]]), np.array([0, 0, np.log(3)])])
    model.layers[1].set_weights([np.array([[1.0, 2], [3, 4], [5, 6]])])
    result = check_compaction(model)
    kernel, bias = result.model.layers[1].get_weights()
    np.testing.assert_array_equal(kernel, [[1, 2]])
    np.testing.assert_allclose(bias, [0.5 * 3 + 0.75 * 5, 0.5 * 4 + 0.75 * 6], rtol=1e-6)


def test_a_network_without_any_weights_left_keeps_a_unit_of_each_layer(keras):
    model = keras.Sequential([keras.Input((4,), name="pixels")])
    model.add(keras.layers.Dense(5, "relu", name="first"))
    model.add(keras.layers.Dense(6, "relu", name="second"))
    model.add(keras.layers.Dense(2, name="output"))
    randomize(model)
    for layer in model.layers:
        layer.kernel.assign(np.zeros(layer.kernel.shape))
    assert units(check_compaction(model)) == {"first": 1, "second": 1, "output": 2}


def test_nothing_goes_from_a_dense_network(keras):
    layers = [keras.layers.Dense(5, "relu"), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    result = check_compaction(model)
    assert result.parameters == result.parameters_before == 37
    for after, before in zip(result.model.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(after, before)
