"""What a training step adds to plain training: smoothing, masked norms, augmentation, replicas."""

from contextlib import nullcontext

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_lottery.data import ArrayStream, Augmentation, Epoch, Split, epoch_order
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import prunable
from tf_lottery.training.execution import ExecutionPlan
from tf_lottery.training.network import Network
from tf_lottery.training.resident import ResidentProgram
from tf_lottery.training.step import StepOptions, TrainingStep
from tf_lottery.training.streamed_batches import StreamedProgram
from tf_lottery.training.training_program import TrainingProgram

EXAMPLES, BATCH, CLASSES = 24, 8, 3
IMAGES = np.random.default_rng(0).integers(0, 256, (EXAMPLES, 6, 6, 2)).astype(np.uint8)
LABELS = (np.arange(EXAMPLES) % CLASSES).astype(np.int32)
EPOCH = Epoch(data_seed=3, level=1, number=0)
AUGMENTATION = Augmentation(shift=1, flip=True, cutout=2)
FILL = [120.0, 130.0]
NOTHING, PLAIN = Augmentation(), ExecutionPlan()
SynchronizedNormalization = keras.layers.experimental.SyncBatchNormalization


def build_network(
    optimizer: keras.optimizers.Optimizer | None = None, normalization: type | None = None
) -> Network:
    """A small convolutional network, half of whose weights are pruned; always the same weights."""
    layers = [
        keras.layers.Rescaling(1 / 255, input_shape=(6, 6, 2)),
        keras.layers.Conv2D(4, 3, activation="relu", name="conv"),
        *([normalization(name="norm")] if normalization else []),
        keras.layers.Flatten(),
        keras.layers.Dense(CLASSES, name="output"),
    ]
    model = prunable(keras.Sequential(layers))
    optimizer = optimizer or keras.optimizers.SGD(0.05, momentum=0.9, jit_compile=False)
    network = Network(model, optimizer)
    random = np.random.default_rng(2)
    masks = {name: random.random(array.shape) < 0.5 for name, array in network.mask.items()}
    weights = {
        name: random.normal(size=value.shape).astype(np.float32) if "kernel" in name else value
        for name, value in sorted(network.weights().items())
    }
    network.set_weights(weights, Mask(masks))
    return network


def build_program(
    network: Network,
    augmentation: Augmentation = NOTHING,
    plan: ExecutionPlan = PLAIN,
    **options,
) -> TrainingProgram:
    step = TrainingStep(
        network,
        StepOptions(BATCH, **options),
        lambda images, draws: augmentation.apply(images, draws, FILL),
        compile_gradients=plan.compile_gradients,
    )
    data = Split(IMAGES, LABELS)
    if plan.data_on_device:
        return ResidentProgram(step, data, augmentation, BATCH, plan)
    return StreamedProgram(step, ArrayStream(data, augmentation), BATCH, plan)


def logits_of(network: Network, images: np.ndarray) -> np.ndarray:
    return network.model(images.astype(np.float32)).numpy().astype(np.float64)


def first_batch() -> np.ndarray:
    return epoch_order(EPOCH, EXAMPLES)[:BATCH]


@pytest.mark.parametrize(
    "smoothing", [*(pytest.param(share, marks=pytest.mark.slow) for share in (0.0, 0.6)), 0.1]
)
def test_label_smoothing(smoothing: float):
    network = build_network(keras.optimizers.SGD(0.0))
    program = build_program(network, label_smoothing=smoothing)
    program.run(EPOCH, 0, 1)
    logits = logits_of(network, IMAGES[first_batch()])
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    targets = np.full((BATCH, CLASSES), smoothing / CLASSES)
    targets[np.arange(BATCH), LABELS[first_batch()]] += 1 - smoothing
    expected = -(targets * log_probabilities).sum(axis=1).mean()
    assert program.metrics().loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("mask_gradients", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_pruned_weights_do_not_count_in_the_norm(mask_gradients: bool):
    rate, norm = 0.5, 0.1
    optimizer = keras.optimizers.SGD(rate, global_clipnorm=norm, jit_compile=False)
    network = build_network(optimizer)
    before = network.weights()
    build_program(network, mask_gradients=mask_gradients).run(EPOCH, 0, 1)
    update = np.concatenate(
        [(before[name] - value).ravel() for name, value in network.weights().items()]
    )
    length = np.linalg.norm(update) / rate
    if mask_gradients:
        assert length == pytest.approx(norm, rel=1e-4)
    else:
        # The share of the pruned weights is lost: what is to be avoided.
        assert length < 0.95 * norm


def augmented_by_hand() -> np.ndarray:
    draws = AUGMENTATION.draw(EPOCH, EXAMPLES, IMAGES.shape[1:])[:BATCH]
    return AUGMENTATION.apply(tf.constant(IMAGES[first_batch()]), draws, FILL).numpy()


@pytest.mark.parametrize(
    "resident",
    [pytest.param(True, marks=pytest.mark.slow), False],
    ids=["resident", "streamed"],
)
def test_images_are_augmented_as_drawn_for_their_position(resident: bool):
    network = build_network(keras.optimizers.SGD(0.0))
    plan = ExecutionPlan(data_on_device=resident)
    program = build_program(network, AUGMENTATION, plan)
    program.run(EPOCH, 0, 1)
    logits = logits_of(network, augmented_by_hand())
    labels = LABELS[first_batch()]
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(BATCH), labels]
    assert program.metrics().loss == pytest.approx(losses.mean(), rel=1e-5)
    plain = logits_of(network, IMAGES[first_batch()])
    assert not np.allclose(plain, logits)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("normalization", "plan"),
    [
        pytest.param(None, PLAIN, marks=pytest.mark.slow),
        pytest.param(None, ExecutionPlan(data_on_device=False), marks=pytest.mark.slow),
        pytest.param(None, ExecutionPlan(compile_gradients=True), marks=pytest.mark.slow),
        pytest.param(SynchronizedNormalization, PLAIN, marks=pytest.mark.slow),
        (SynchronizedNormalization, ExecutionPlan(data_on_device=False)),
    ],
    ids=["resident", "streamed", "compiled", "normalized", "normalized streamed"],
)
def test_two_replicas_train_like_one(
    mirrored: tf.distribute.Strategy, normalization: type | None, plan: ExecutionPlan
):
    ends = []
    for strategy in (None, mirrored):
        with strategy.scope() if strategy else nullcontext():
            network = build_network(normalization=normalization)
            program = build_program(network, AUGMENTATION, plan if strategy else PLAIN, l2=1e-3)
            program.run(EPOCH, 0, 3)
            program.run(EPOCH._replace(number=1), 0, 2)
            network.unite_statistics()
            ends.append((network.weights(), program.metrics(), network.mask))
    (one, metrics, mask), (two, metrics_of_two, _) = ends
    for name, value in two.items():
        np.testing.assert_allclose(value, one[name], rtol=1e-4, atol=1e-5, err_msg=name)
    for name, array in mask.items():
        assert not two[name][~array].view(np.uint32).any()
    assert metrics_of_two == (pytest.approx(metrics.loss, rel=1e-4), metrics.accuracy)


def test_statistics_of_replicas_are_united(mirrored: tf.distribute.Strategy):
    with mirrored.scope():
        network = build_network(normalization=keras.layers.BatchNormalization)
        build_program(network).run(EPOCH, 0, 3)
        moving_mean = network.model.get_layer(index=2).moving_mean
        first, second = (v.numpy() for v in mirrored.experimental_local_results(moving_mean))
        assert not np.array_equal(first, second)  # each saw its own half of the batches
        network.unite_statistics()
        united = [v.numpy() for v in mirrored.experimental_local_results(moving_mean)]
        np.testing.assert_array_equal(united[0], united[1])
        np.testing.assert_allclose(united[0], (first + second) / 2, rtol=1e-6)

        # What is saved and restored then goes on with the same bits.
        state, mask = network.state(), network.mask
        continued, twin = network, build_network(normalization=keras.layers.BatchNormalization)
        twin.restore(state, mask)
        ends = []
        for one in (continued, twin):
            build_program(one).run(EPOCH, 0, 3)
            one.unite_statistics()
            ends.append(one.weights())
    for name, value in ends[1].items():
        np.testing.assert_array_equal(value, ends[0][name], err_msg=name)
