"""The compiled training loop: exact in every arrangement, and equal to training by hand."""

import dataclasses
import functools
from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_lottery.data import ArrayStream, Augmentation, Epoch, Split, epoch_order
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import prunable, set_mask
from tf_lottery.training.execution import ExecutionPlan
from tf_lottery.training.network import Network
from tf_lottery.training.resident import ResidentProgram
from tf_lottery.training.step import StepOptions, TrainingStep
from tf_lottery.training.streamed_batches import StreamedProgram
from tf_lottery.training.training_program import TrainingMetrics, TrainingProgram

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 3, (48, 6)).astype(np.uint8)
LABELS = (np.arange(48) % 3).astype(np.int32)
EPOCH = Epoch(data_seed=1, level=0, number=0)
ORDER = epoch_order(EPOCH, 48)

PLAIN = ExecutionPlan()
UPDATE = ExecutionPlan(compile_update=True, steps_per_execution=4)
COMPILED = ExecutionPlan(compile_loop=True, steps_per_execution=3)
PLANS = {"plain": PLAIN, "compiled update": UPDATE, "compiled": COMPILED}


def plans(*fast: str) -> pytest.MarkDecorator:
    """Runs a test with every plan; the others are slow."""
    return pytest.mark.parametrize(
        "plan",
        [
            pytest.param(plan, id=name, marks=[] if name in fast else pytest.mark.slow)
            for name, plan in PLANS.items()
        ],
    )


def build_network(optimizer: keras.optimizers.Optimizer | None = None, **dense) -> Network:
    """A 6-8-3 network, half of whose weights are pruned; always the same weights."""
    initial = np.random.default_rng(2)
    model = keras.Sequential(
        [
            keras.layers.Dense(8, activation="tanh", input_shape=(6,), name="hidden", **dense),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.Dense(3, name="output"),
        ]
    )
    model.set_weights([initial.uniform(-0.5, 0.9, w.shape) for w in model.get_weights()])
    model.get_layer("norm").set_weights([np.ones(8), np.zeros(8), np.zeros(8), np.ones(8)])
    network = Network(
        prunable(model), optimizer or keras.optimizers.SGD(0.1, momentum=0.9, jit_compile=False)
    )
    masks = {name: initial.random(array.shape) < 0.5 for name, array in network.mask.items()}
    set_mask(network.model, Mask(masks))
    return network


def build_program(
    network: Network,
    plan: ExecutionPlan,
    *,
    images: np.ndarray = IMAGES,
    batch_size: int = 4,
    weight_decay: float = 0.01,
    **options,
) -> TrainingProgram:
    augmentation = Augmentation()
    step = TrainingStep(
        network,
        StepOptions(batch_size, weight_decay, **options),
        lambda pixels, draws: pixels,
        compile_gradients=plan.compile_gradients,
        compile_update=plan.compile_update,
    )
    data = Split(images, LABELS)
    if plan.data_on_device:
        return ResidentProgram(step, data, augmentation, batch_size, plan)
    return StreamedProgram(step, ArrayStream(data, augmentation), batch_size, plan)


def same_state(one: Network, two: Network) -> None:
    tensors = two.state().tensors()
    for name, value in one.state().tensors().items():
        np.testing.assert_array_equal(value, tensors[name], err_msg=name)


def assert_pruned_are_zero(network: Network) -> None:
    weights = network.weights()
    assert 0.3 < network.mask.density < 0.7
    for name, array in network.mask.items():
        assert not weights[name][~array].view(np.uint32).any()
        assert weights[name][array].all()


@pytest.fixture(scope="module")
def trained() -> Callable[[ExecutionPlan], tuple[Network, TrainingMetrics]]:
    """Returns a function that gives a network after iterations 1 to 10, not to be trained on."""

    @functools.cache
    def train(plan: ExecutionPlan) -> tuple[Network, TrainingMetrics]:
        network = build_network()
        program = build_program(network, plan)
        program.run(EPOCH, 1, 11)
        return network, program.metrics()

    return train


@plans("plain")
def test_pruned_weights_are_zero(plan: ExecutionPlan):
    network = build_network(keras.optimizers.Adam(0.05, jit_compile=False))
    before = network.weights()
    build_program(network, plan).run(EPOCH, 0, 11)
    assert network.step == 11
    assert_pruned_are_zero(network)
    assert not np.array_equal(before["hidden/kernel"], network.weights()["hidden/kernel"])


@pytest.mark.parametrize(
    "plan",
    [pytest.param(UPDATE, marks=pytest.mark.slow), COMPILED],
    ids=["compiled update", "compiled"],
)
def test_steps_per_execution_changes_no_bit(plan: ExecutionPlan, trained):
    several, metrics_of_several = trained(plan)
    one_by_one = build_network()
    program = build_program(one_by_one, dataclasses.replace(plan, steps_per_execution=1))
    program.run(EPOCH, 1, 11)
    same_state(one_by_one, several)
    assert program.metrics() == metrics_of_several


@pytest.mark.slow
@plans("plain")
def test_where_the_data_are_changes_no_bit(plan: ExecutionPlan, trained):
    on_device, metrics = trained(plan)
    sent = build_network()
    sending = build_program(sent, dataclasses.replace(plan, data_on_device=False))
    sending.run(EPOCH, 1, 11)
    same_state(on_device, sent)
    assert metrics == sending.metrics()


@pytest.mark.parametrize(
    "plan", [PLAIN, pytest.param(COMPILED, marks=pytest.mark.slow)], ids=["plain", "compiled"]
)
def test_split_runs_change_no_bit(plan: ExecutionPlan, trained):
    whole, metrics = trained(plan)
    parts = build_network()
    program = build_program(parts, plan)
    program.run(EPOCH, 1, 4)
    program.run(EPOCH, 4, 11)
    same_state(whole, parts)
    assert metrics == program.metrics()


def by_hand(network: Network, steps: int, weight_decay: float) -> list[np.ndarray]:
    """Logits of each step under plain Keras, whose variables are trained on the way."""
    model, optimizer = network.model, network.optimizer
    kernels = {id(layer.layer.kernel) for layer in (model.layers[0], model.layers[-1])}
    seen = []
    for step in range(steps):
        batch = ORDER[step * 4 : (step + 1) * 4]
        with tf.GradientTape() as tape:
            logits = model(IMAGES[batch].astype(np.float32), training=True)
            loss = keras.losses.sparse_categorical_crossentropy(LABELS[batch], logits, True)
            total = tf.reduce_mean(loss) + sum(
                weight_decay / 2 * tf.reduce_sum(tf.square(v))
                for v in model.trainable_variables
                if id(v) in kernels
            )
            total += tf.add_n(model.losses) if model.losses else 0.0
        gradients = tape.gradient(total, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        seen.append(logits.numpy())
    return seen


@plans("compiled update")
def test_it_equals_training_by_hand(plan: ExecutionPlan):
    ours, theirs = (build_network(kernel_regularizer=keras.regularizers.L2(0.3)) for _ in range(2))
    program = build_program(ours, plan, weight_decay=0.05)
    program.run(EPOCH, 0, 5)
    logits = np.concatenate(by_hand(theirs, 5, weight_decay=0.05)).astype(np.float64)
    expected = theirs.weights()
    for name, value in ours.weights().items():
        np.testing.assert_allclose(value, expected[name], atol=2e-6, err_msg=name)
    labels = LABELS[ORDER[:20]]
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(20), labels]
    metrics = program.metrics()
    assert metrics.loss == pytest.approx(losses.mean(), rel=1e-5)
    assert metrics.accuracy == np.mean(logits.argmax(axis=1) == labels)


def test_weight_decay_is_the_gradient_of_the_penalty():
    """One step of SGD without momentum: w <- w - lr * (gradient + decay * w), kernels only."""
    rate, decay = 0.5, 0.25
    plain, decayed = (build_network(keras.optimizers.SGD(rate)) for _ in range(2))
    before = plain.weights()
    build_program(plain, PLAIN, weight_decay=0.0).run(EPOCH, 0, 1)
    build_program(decayed, PLAIN, weight_decay=decay).run(EPOCH, 0, 1)
    without = plain.weights()
    for name, value in decayed.weights().items():
        penalty = rate * decay * before[name] if name.endswith("kernel") else 0.0
        np.testing.assert_allclose(value, without[name] - penalty, atol=1e-6, err_msg=name)


def test_layers_that_are_not_pruned_decay_too():
    model = keras.Sequential(
        [keras.layers.Dense(4, input_shape=(6,), name="kept"), keras.layers.Dense(3, name="output")]
    )
    before = model.get_layer("kept").kernel.numpy()
    network = Network(prunable(model, exclude=["kept"]), keras.optimizers.SGD(1e-9))
    build_program(network, PLAIN, weight_decay=1e8).run(EPOCH, 0, 1)
    np.testing.assert_allclose(network.weights()["kept/kernel"], before * 0.9, atol=1e-6)


def test_metrics_are_reset_when_read():
    program = build_program(build_network(keras.optimizers.SGD(0.0)), PLAIN)
    program.run(EPOCH, 0, 4)
    first = program.metrics()
    program.run(EPOCH, 0, 4)
    assert program.metrics() == first
    assert program.metrics() == (0.0, 0.0)


@pytest.mark.parametrize(
    "plan", [PLAIN, pytest.param(COMPILED, marks=pytest.mark.slow)], ids=["plain", "compiled"]
)
def test_the_first_step_without_a_finite_loss_is_named(plan: ExecutionPlan):
    network = build_network()
    network.optimizer.iterations.assign(20)
    images = IMAGES.astype(np.float32)
    images[ORDER[6 * 4 + 1]] = np.nan
    program = build_program(network, plan, images=images, weight_decay=0.0)
    program.run(EPOCH, 0, 6)
    assert program.first_bad_step() is None
    program.run(EPOCH, 6, 12)
    assert program.first_bad_step() == 20 + 7
    program.metrics()
    assert program.first_bad_step() is None


@pytest.mark.parametrize("data_on_device", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_two_replicas_train_like_one(mirrored: tf.distribute.Strategy, data_on_device: bool):
    plan = dataclasses.replace(PLAIN, steps_per_execution=4, data_on_device=data_on_device)
    networks = []
    for strategy in (None, mirrored):
        with strategy.scope() if strategy else nullcontext():
            # Without normalization, which sees half a batch on each of two replicas.
            model = keras.Sequential(
                [
                    keras.layers.Dense(
                        8, activation="relu", input_shape=(6,), name="hidden",
                        kernel_regularizer=keras.regularizers.L2(0.1),
                    ),
                    keras.layers.Dense(3, name="output"),
                ]
            )  # fmt: skip
            initial = np.random.default_rng(2)
            model.set_weights([initial.normal(size=w.shape) for w in model.get_weights()])
            network = Network(prunable(model), keras.optimizers.SGD(0.05, momentum=0.9))
            masks = {n: initial.random(a.shape) < 0.5 for n, a in network.mask.items()}
            set_mask(network.model, Mask(masks))
            program = build_program(network, plan)
            program.run(EPOCH, 0, 10)
            networks.append((network, program.metrics(), program.first_bad_step()))
    (one, metrics, _), (two, metrics_of_two, bad_step) = networks
    assert_pruned_are_zero(two)
    assert two.step == 10
    assert bad_step is None
    expected = one.weights()
    for name, value in two.weights().items():
        np.testing.assert_allclose(value, expected[name], atol=1e-5, err_msg=name)
    assert metrics_of_two.loss == pytest.approx(metrics.loss, rel=1e-5)
    assert metrics_of_two.accuracy == metrics.accuracy


@pytest.mark.slow
def test_two_replicas_report_the_bad_step(mirrored: tf.distribute.Strategy):
    with mirrored.scope():
        network = build_network()
        images = IMAGES.astype(np.float32)
        images[ORDER[2 * 4 + 3]] = np.inf  # on the second replica alone
        program = build_program(network, PLAIN, images=images, weight_decay=0.0)
        program.run(EPOCH, 0, 4)
        assert program.first_bad_step() == 3
