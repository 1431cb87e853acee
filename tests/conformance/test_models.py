"""Every registered model through wrap, train, prune, rewind, save, load and export."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

import tf_lottery
from tf_lottery.models import build_model, example_models
from tf_lottery.pruning.prunable import pruning_plan
from tf_lottery.training.execution import choose_execution
from tf_lottery.training.network import Network
from tf_lottery.training.program import TrainingProgram

BATCH = 8


@pytest.fixture(
    params=[(28, 28, 1), pytest.param((32, 32, 3), marks=pytest.mark.slow)],
    ids=lambda shape: "x".join(map(str, shape)),
)
def shape(request) -> tuple[int, int, int]:
    """Height, width and channels."""
    return request.param


@pytest.fixture(params=example_models())
def dense(request, shape) -> keras.Model:
    """A registered model, as built."""
    name = request.param
    return build_model(name, shape, 10, 3, ([127.0] * shape[-1], [4000.0] * shape[-1]))


@pytest.fixture
def data(dense) -> tuple[np.ndarray, np.ndarray]:
    """Raw pixels and labels that fit the model."""
    generator = np.random.default_rng(0)
    shape = (4 * BATCH, *dense.input_shape[1:])
    images = generator.integers(0, 256, shape).astype(np.uint8)
    return images, generator.integers(0, 10, len(images)).astype(np.int32)


def _kernels(network, mask):
    weights = network.weights()
    return {name: weights[name] for name in mask}


def test_model(dense, data, tmp_path):
    images, labels = data
    pixels = images.astype(np.float32)
    model = tf_lottery.prunable(dense)
    np.testing.assert_array_equal(model(pixels[:BATCH]), dense(pixels[:BATCH]))

    network = Network(model, keras.optimizers.SGD(0.01, momentum=0.9))
    program = TrainingProgram(
        network,
        images,
        labels,
        batch_size=BATCH,
        weight_decay=1e-4,
        plan=choose_execution(model, jit_compile="off"),
    )
    start = network.state()
    program.run(np.arange(len(images)), 0, 2)
    assert network.step == 2
    assert np.isfinite(program.metrics().loss)
    trained = network.weights()
    assert all((trained[name] != start.weights[name]).any() for name in network.mask)

    plan = pruning_plan(model, 0.5, "global")
    scores = tf_lottery.magnitude(trained, network.mask)
    mask = plan.prune(scores, network.mask, 1)
    assert mask.remaining == round(mask.total / 2)
    network.rewind(start, mask)
    for name, array in network.weights().items():
        expected = np.where(mask[name], start.weights[name], 0) if name in mask else None
        np.testing.assert_array_equal(array, start.weights[name] if expected is None else expected)

    program.run(np.arange(len(images)), 2, 4)
    model.compile(
        keras.optimizers.Adam(1e-3, jit_compile=False),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    history = model.fit(images[: 2 * BATCH], labels[: 2 * BATCH], batch_size=BATCH, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    for name, kernel in _kernels(network, mask).items():
        assert (kernel[~mask[name]] == 0).all(), f"{name} has pruned weights that came back"
        assert (kernel[mask[name]] != start.weights[name][mask[name]]).mean() > 0.5

    outputs = model(pixels[:BATCH]).numpy()
    model.save_weights(tmp_path / "weights")
    twin = tf_lottery.prunable(dense)
    twin.load_weights(tmp_path / "weights").expect_partial()
    np.testing.assert_array_equal(twin(pixels[:BATCH]), outputs)
    assert tf_lottery.get_mask(twin) == mask

    tf_lottery.export_saved_model(model, tmp_path / "ticket")
    serve = tf.saved_model.load(str(tmp_path / "ticket")).signatures["serving_default"]
    (served,) = serve(tf.constant(pixels[:BATCH])).values()
    np.testing.assert_allclose(served, outputs, rtol=1e-4, atol=1e-5)
