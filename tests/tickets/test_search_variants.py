"""Variants of the search in the library: rates by level, structures, one-shot pruning."""

import numpy as np
import pytest
import tf_keras as keras
from ai_edge_litert.interpreter import Interpreter

import tf_lottery
from tf_lottery.exporting.formats import known_formats
from tf_lottery.exporting.plain_network import ExportedNetwork, PlainNetwork

FORMATS = known_formats()


@pytest.fixture
def data():
    random = np.random.default_rng(0)
    x = random.normal(size=(64, 8)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(np.int64)


@pytest.fixture
def model():
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(12, "relu", input_shape=(8,)), keras.layers.Dense(2)]
    model = tf_lottery.prunable(keras.Sequential(layers))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss)
    return model


def test_rates_by_level(model, data):
    search = tf_lottery.IterativeMagnitudePruning(model, levels=3, pruning_rate=[0.5, 0.25])
    history = search.fit(*data, epochs=1, verbose=0)
    assert [result.weights_remaining for result in history.levels] == [120, 60, 45, 34]


def test_whole_units_are_pruned_and_their_number_is_told(model, data):
    search = tf_lottery.IterativeMagnitudePruning(
        model, levels=2, pruning_rate=0.5, structure="units"
    )
    history = search.fit(*data, epochs=1, verbose=0)
    hidden, output = search.mask(2).values()
    assert set(np.count_nonzero(hidden, axis=0)) == {0, 8}
    assert np.count_nonzero(hidden) == 24
    assert output.all()
    assert history.levels[2].weights_remaining == 24 + 24
    assert history.levels[2].density == 48 / 120
    assert not np.any(search.restore(2).layers[0].layer.kernel.numpy()[~hidden])


def test_two_of_four_weights_are_pruned(model, data):
    search = tf_lottery.IterativeMagnitudePruning(
        model, levels=1, pruning_rate=0.5, structure="2:4"
    )
    search.fit(*data, epochs=1, verbose=0)
    groups = next(iter(search.mask(1).values())).reshape(2, 4, 12)
    assert (groups.sum(axis=1) == 2).all()


@pytest.mark.slow
def test_tflite_multiplies_a_network_of_blocks_sparse(tmp_path):
    keras.utils.set_random_seed(2)
    sizes = (("hidden", 40), ("of_forty", 24), ("output", 4))
    layers = [keras.layers.Dense(units, name=name) for name, units in sizes]
    model = tf_lottery.prunable(keras.Sequential([keras.Input((32,)), *layers]))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    search = tf_lottery.IterativeMagnitudePruning(
        model, levels=2, pruning_rate=[0.7, 0.67], scope="layerwise", structure="1x4"
    )
    x = np.random.default_rng(0).normal(size=(64, 32)).astype(np.float32)
    history = search.fit(x, (x[:, 0] > 0).astype(np.int64), epochs=1, verbose=0)
    first, second = search.mask(1), search.mask(2)
    assert history.levels[2].density == pytest.approx(0.3 * 0.33, abs=6 / second.total)
    for name, mask in second.items():
        assert np.count_nonzero(mask) == pytest.approx(0.3 * 0.33 * mask.size, abs=3)
        assert not (mask & ~first[name]).any()
        blocks = mask.reshape(-1, 4, mask.shape[1])
        np.testing.assert_array_equal(blocks.any(axis=1), blocks.all(axis=1))

    network = PlainNetwork(search.restore(2))
    inputs = {network.inputs[0].name: x}
    path = tmp_path / "sparse.tflite"
    FORMATS["tflite_sparse"].write(ExportedNetwork(network, tmp_path, inputs), path)
    interpreter = Interpreter(str(path))
    details = interpreter.get_tensor_details()
    stored = [tensor["sparsity_parameters"] for tensor in details if tensor["sparsity_parameters"]]
    assert [len(parameters["block_map"]) for parameters in stored] == [1, 1, 1]
    run = interpreter.get_signature_runner("serving_default")
    (outputs,) = run(**inputs).values()
    (expected,) = network.compute(inputs).values()
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("prune_from", ["dense", "rewind_step"])
def test_networks_that_are_pruned_at_once(model, data, prune_from):
    search = tf_lottery.IterativeMagnitudePruning(
        model, levels=2, pruning_rate=0.5, prune_from=prune_from
    )
    initial = [layer.layer.kernel.numpy() for layer in model.layers]
    search.fit(*data, epochs=2, verbose=0)
    if prune_from == "dense":
        judged = [layer.layer.kernel.numpy() for layer in search.restore(0).layers]
    else:
        judged = initial
    magnitudes = np.abs(np.concatenate([kernel.ravel() for kernel in judged]))
    for level, remaining in ((1, 60), (2, 30)):
        kept = np.concatenate([array.ravel() for array in search.mask(level).values()])
        assert set(np.flatnonzero(kept)) == set(np.argsort(-magnitudes)[:remaining])


@pytest.mark.parametrize(
    ("scope", "together"),
    [("global", True), pytest.param("layerwise", False, marks=pytest.mark.slow)],
)
def test_layers_of_other_rates_compete_before_training(model, data, scope, together):
    """By scores whose authors rank all weights together; as many weights remain in all."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(10, "relu", input_shape=(8,), name="hidden"),
              keras.layers.Dense(6, name="output")]  # fmt: skip
    network = tf_lottery.prunable(keras.Sequential(layers), pruning_rates={"output": 0.9})
    network.compile("sgd", "mse")
    search = tf_lottery.IterativeMagnitudePruning(
        network, 1, 0.5, scope=scope, score="synflow", prune_from="rewind_step"
    )
    search.fit(data[0], np.zeros((len(data[0]), 6)), verbose=0)
    counts = [int(array.sum()) for array in search.mask(1).values()]
    assert sum(counts) == 40 + 6
    assert (counts != [40, 6]) == together


def test_unknown_variants_are_refused(model):
    for argument, known in (
        ("structure", "weights, units, 2:4, 1x4"),
        ("prune_from", "previous_level, dense, rewind_step"),
    ):
        with pytest.raises(ValueError, match=f"{argument}='all': use one of {known}"):
            tf_lottery.IterativeMagnitudePruning(model, levels=1, **{argument: "all"})
