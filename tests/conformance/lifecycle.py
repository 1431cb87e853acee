"""A network's whole life, on the devices of the current strategy: every check that models share."""

from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras as keras

import tf_lottery
from tf_lottery.data import Augmentation, Epoch, Split
from tf_lottery.masking.masks import Mask
from tf_lottery.models.build import build_model
from tf_lottery.pruning.model_plan import pruning_plan
from tf_lottery.training.execution import choose_execution
from tf_lottery.training.network import Network, set_weights
from tf_lottery.training.resident import ResidentProgram
from tf_lottery.training.step import StepOptions, TrainingStep

BATCH = 4

# Each with the smallest images that exercise all of it.
FAST = {
    "lenet_300_100": (28, 28, 1),
    "conv2": (16, 16, 3),
}
SLOW = {
    "conv4": (32, 32, 3),
    "conv6": (32, 32, 3),
    **{f"resnet{depth}": (16, 16, 3) for depth in (8, 20, 32, 44, 56, 110)},
    **dict.fromkeys(("resnet20_w2", "resnet14_w0.5", "cifar_resnet18"), (16, 16, 3)),
    "squeezenet": (32, 32, 3),
    **{f"vgg{depth}": (16, 16, 3) for depth in ("11_w0.1", 11, 13, 16, 19)},
    "wideresnet_16_8": (16, 16, 3),
    "wideresnet_28_10": (16, 16, 3),
    **{f"resnet{depth}": (64, 64, 3) for depth in (18, 34, 50, 101)},
    "inception_v3": (75, 75, 3),
    "mobilenet_v2": (32, 32, 3),
    "applications.MobileNetV3Small": (32, 32, 3),
    "applications.EfficientNetV2B0": (32, 32, 3),
}
SHAPES = FAST | SLOW


def build(name: str) -> keras.Model:
    """The dense model."""
    shape = SHAPES[name]
    return build_model(name, shape, 10, 3, ([127.0] * shape[-1], [4000.0] * shape[-1]))


def random_data(name: str) -> Split:
    """Raw pixels and labels for four steps."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (4 * BATCH, *SHAPES[name])).astype(np.uint8)
    return Split(images, generator.integers(0, 10, len(images)).astype(np.int32))


def training_step(network: Network, **compiled: bool) -> TrainingStep:
    """A step as the papers' deep networks have it."""
    options = StepOptions(BATCH, l2=1e-4)
    return TrainingStep(network, options, lambda images, draws: images, **compiled)


def check_training(name: str) -> tuple[dict[str, np.ndarray], Mask]:
    """Wraps, trains, prunes, rewinds and trains a model again, in the scope of a strategy.

    Returns:
      The weights and the mask at the end.
    """
    dense, data = build(name), random_data(name)
    pixels = data.images[:BATCH].astype(np.float32)
    model = tf_lottery.prunable(dense)
    np.testing.assert_array_equal(model(pixels), dense(pixels))

    network = Network(model, keras.optimizers.SGD(0.01, momentum=0.9, jit_compile=False))
    plan = choose_execution(model, jit_compile="off")
    program = ResidentProgram(training_step(network), data, Augmentation(), BATCH, plan)
    start, mask = network.state(), network.mask
    program.run(Epoch(0, 0, 0), 0, 2)
    network.unite_statistics()
    assert network.step == 2
    assert np.isfinite(program.metrics().loss)
    trained = network.weights()
    assert all((trained[weight] != start.weights[weight]).any() for weight in mask)

    mask = pruning_plan(model, 0.5, "global").prune(tf_lottery.magnitude(trained, mask), mask, 1)
    assert mask.remaining == round(mask.total / 2)
    network.rewind(start, mask)
    assert network.step == 0
    _check_rewound(network, start.weights, mask)

    program.run(Epoch(0, 1, 0), 0, 2)
    network.unite_statistics()
    _check_masked(network, start.weights, mask)
    return network.weights(), mask


def check_files(name: str, weights: dict[str, np.ndarray], mask: Mask, folder: Path) -> None:
    """Saves, loads and exports what `check_training` returned, without a strategy."""
    pixels = random_data(name).images[:BATCH].astype(np.float32)
    dense = build(name)
    model, twin = tf_lottery.prunable(dense), tf_lottery.prunable(dense)
    set_weights(model, weights, mask)
    model.save_weights(folder / "weights")
    twin.load_weights(folder / "weights").expect_partial()
    outputs = model(pixels).numpy()
    np.testing.assert_array_equal(twin(pixels), outputs)
    assert tf_lottery.get_mask(twin) == mask

    tf_lottery.export_saved_model(model, folder / "ticket")
    serve = tf.saved_model.load(str(folder / "ticket")).signatures["serving_default"]
    (served,) = serve(tf.constant(pixels)).values()
    np.testing.assert_allclose(served, outputs, rtol=1e-3, atol=1e-4)


def check_compilation(name: str) -> None:
    """XLA takes the whole training step: what a TPU needs."""
    network = Network(tf_lottery.prunable(build(name)), keras.optimizers.SGD(0.01, momentum=0.9))
    step = tf.function(training_step(network).__call__, jit_compile=True, autograph=False)
    data = random_data(name)
    batch = (
        tf.constant(data.images[:BATCH]),
        tf.constant(data.labels[:BATCH]),
        tf.zeros([BATCH, 0], tf.int32),
    )
    if name not in FAST:
        # Lowered for the compiler, not compiled: on a CPU that takes minutes.
        assert "ENTRY" in step.experimental_get_compiler_ir(*batch)(stage="hlo")
        return
    before = network.weights()
    step(*batch)
    assert network.step == 1
    assert any((value != before[weight]).any() for weight, value in network.weights().items())


def _check_rewound(network: Network, start: dict, mask: Mask) -> None:
    for weight, array in network.weights().items():
        expected = np.where(mask[weight], start[weight], 0) if weight in mask else start[weight]
        np.testing.assert_array_equal(array, expected, err_msg=weight)


def _check_masked(network: Network, start: dict, mask: Mask) -> None:
    changed = []
    for weight, array in mask.items():
        kernel = network.weights()[weight]
        assert not kernel[~array].view(np.uint32).any(), (
            f"{weight} has pruned weights that came back"
        )
        changed.append((kernel != start[weight])[array])
    assert np.concatenate(changed).mean() > 0.5
