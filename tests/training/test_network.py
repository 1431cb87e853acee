"""Saving and rewinding a network, to the bit."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import get_mask, prunable
from tf_lottery.training.network import Network, NetworkState

optimizers = keras.optimizers
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(16, 6)).astype(np.float32), RNG.normal(size=(16, 3)).astype(np.float32)

OPTIMIZERS: dict[str, Callable[[], keras.optimizers.Optimizer]] = {
    "sgd": lambda: optimizers.SGD(0.1),
    "momentum": lambda: optimizers.SGD(0.1, momentum=0.9),
    "adam": lambda: optimizers.Adam(0.01, amsgrad=True),
    "adagrad": lambda: optimizers.Adagrad(0.1, initial_accumulator_value=0.3),
    "ftrl": lambda: optimizers.Ftrl(0.1, initial_accumulator_value=0.2),
    "averages": lambda: optimizers.Adam(0.01, use_ema=True),
    "legacy adam": lambda: optimizers.legacy.Adam(0.01),
    "legacy momentum": lambda: optimizers.legacy.SGD(0.1, momentum=0.9),
    "loss scaling": lambda: keras.mixed_precision.LossScaleOptimizer(optimizers.Adam(0.01)),
    "legacy loss scaling": lambda: keras.mixed_precision.LossScaleOptimizer(
        optimizers.legacy.Adam(0.01)
    ),
}


# Those whose slots begin and are restored as those of a fast one.
SLOW = {
    *("sgd", "adam", "adagrad", "ftrl", "averages", "legacy momentum", "legacy loss scaling"),
}


def build(optimizer: keras.optimizers.Optimizer) -> Network:
    model = keras.Sequential(
        [
            keras.layers.Dense(8, input_shape=(6,), name="hidden"),
            keras.layers.BatchNormalization(name="norm"),
            keras.layers.Dense(3, name="output"),
        ]
    )
    rng = np.random.default_rng(1)
    model.set_weights([rng.uniform(0.1, 0.9, w.shape) for w in model.get_weights()])
    return Network(prunable(model), optimizer)


def half_mask(network: Network, seed: int = 2) -> Mask:
    rng = np.random.default_rng(seed)
    return Mask({name: rng.random(a.shape) < 0.5 for name, a in network.mask.items()})


def train(network: Network, steps: int) -> None:
    model, variables = network.model, network.model.trainable_variables
    for _ in range(steps):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(X, training=True) - Y))
        gradients = tape.gradient(loss, variables)
        network.optimizer.apply_gradients(zip(gradients, variables, strict=True))


def assert_equal(one: dict[str, np.ndarray], two: dict[str, np.ndarray]) -> None:
    assert list(one) == list(two)
    for name, value in one.items():
        assert value.dtype == two[name].dtype
        assert value.tobytes() == two[name].tobytes(), name


@pytest.mark.parametrize(
    "name", ["momentum", "averages", pytest.param("legacy adam", marks=pytest.mark.slow)]
)
def test_rewinding_is_bit_equal(name: str):
    network = build(OPTIMIZERS[name]())
    train(network, 3)
    state, mask = network.state(), half_mask(network)
    train(network, 4)
    network.rewind(state, mask)
    assert network.mask == mask
    assert network.step == state.step == 3
    weights = network.weights()
    for weight, value in state.weights.items():
        expected = np.where(mask[weight], value, np.float32(0)) if weight in mask else value
        assert weights[weight].tobytes() == expected.tobytes(), weight
    assert {"norm/moving_mean", "norm/moving_variance", "output/bias"} <= set(weights)


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in OPTIMIZERS],
)
def test_slots_start_fresh_as_in_a_new_optimizer(name: str):
    """Training on from the rewound network is what a network with new slots does."""
    network = build(OPTIMIZERS[name]())
    train(network, 3)
    state, mask = network.state(), half_mask(network)
    train(network, 4)
    network.rewind(state, mask)
    new = build(OPTIMIZERS[name]())
    new.set_weights(state.weights, mask)
    new = Network(new.model, OPTIMIZERS[name]())
    assert (network.step, new.step) == (3, 0)
    assert_equal(network.state().tensors(), new.state().tensors())
    train(network, 3)
    train(new, 3)
    assert_equal(network.state().tensors(), new.state().tensors())


@pytest.mark.parametrize(
    "name",
    [
        *("averages", "legacy momentum"),
        *(pytest.param(each, marks=pytest.mark.slow) for each in ("adam", "loss scaling")),
    ],
)
def test_slots_rewind_too_if_asked_to(name: str):
    network = build(OPTIMIZERS[name]())
    train(network, 3)
    state, dense = network.state(), network.mask
    train(network, 2)
    trained = network.state()
    train(network, 2)
    network.rewind(state, dense, rewind_optimizer=True)
    assert_equal(network.state().tensors(), state.tensors())
    train(network, 2)
    assert_equal(network.state().tensors(), trained.tensors())


def test_fresh_slots_and_rewound_slots_differ():
    """Otherwise the tests above would show nothing."""
    network = build(OPTIMIZERS["momentum"]())
    train(network, 3)
    state, dense = network.state(), network.mask
    slots = {}
    for rewind_optimizer in (False, True):
        network.rewind(state, dense, rewind_optimizer=rewind_optimizer)
        slots[rewind_optimizer] = [v for v in network.state().optimizer if np.ndim(v)]
    assert not any(value.any() for value in slots[False])
    assert all(value.any() for value in slots[True])


def test_a_state_is_a_copy():
    network = build(optimizers.Adam(0.1))
    state = network.state()
    before = {name: value.copy() for name, value in state.tensors().items()}
    train(network, 2)
    assert_equal(state.tensors(), before)
    assert network.step == 2


@pytest.mark.parametrize("compiled", [pytest.param(False, marks=pytest.mark.slow), True])
def test_weights_are_not_those_of_later_steps_and_cannot_be_written_to(compiled: bool):
    network = build(optimizers.Adam(0.01))
    network.model.compile(network.optimizer, "mse", jit_compile=compiled)
    weights = network.weights()
    before = {name: value.copy() for name, value in weights.items()}
    examples = np.ones((4, *network.model.input_shape[1:]), np.float32)
    outputs = np.ones((4, *network.model.output_shape[1:]), np.float32)
    network.model.fit(examples, outputs, epochs=2, verbose=0)
    assert_equal(weights, before)
    # Neither do variables that take other values take the memory with them.
    for variable in network.model.trainable_variables:
        variable.assign(np.full(variable.shape, 3, np.float32))
        variable.assign_add(tf.ones_like(variable))
    assert_equal(weights, before)
    later = network.weights()
    assert any((later[name] != before[name]).any() for name in before)
    with pytest.raises(ValueError, match="read-only"):
        next(iter(weights.values()))[...] = 0


@pytest.mark.parametrize(
    "build_optimizer",
    [optimizers.SGD, pytest.param(optimizers.legacy.SGD, marks=pytest.mark.slow)],
)
def test_a_schedule_continues_from_the_rewind_step(build_optimizer: type):
    schedule = optimizers.schedules.PiecewiseConstantDecay([4, 6], [1e-1, 1e-2, 1e-3])
    network = build(build_optimizer(schedule))
    train(network, 5)
    state = network.state()
    train(network, 5)
    network.rewind(state, network.mask)
    moved = []
    for _ in range(4):
        before = network.weights()["output/bias"]
        train(network, 1)
        moved.append(float(np.abs(network.weights()["output/bias"] - before).max()))
    # Iterations 5 and 6 are at 1e-2, 7 and 8 at 1e-3.
    assert min(moved[:2]) > 3 * max(moved[2:])


@pytest.mark.parametrize("rewind_optimizer", [False, True])
@pytest.mark.parametrize("build_optimizer", [optimizers.Adam, optimizers.legacy.Adam])
def test_a_learning_rate_that_a_callback_changed_is_undone(
    build_optimizer: type, rewind_optimizer: bool
):
    network = build(build_optimizer(0.01))
    train(network, 2)
    state = network.state()
    keras.backend.set_value(network.optimizer.lr, 0.0001)
    network.rewind(state, network.mask, rewind_optimizer=rewind_optimizer)
    assert float(keras.backend.get_value(network.optimizer.lr)) == pytest.approx(0.01)


def test_averages_begin_at_the_rewound_weights():
    network = build(optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5))
    state, mask = network.state(), half_mask(network)
    train(network, 3)
    network.rewind(state, mask)
    network.optimizer.finalize_variable_values(network.model.trainable_variables)
    assert_equal(network.weights(), mask.apply(state.weights))


def test_restoring_continues_bit_for_bit():
    network = build(OPTIMIZERS["adam"]())
    mask = half_mask(network)
    network.set_weights(network.weights(), mask)
    train(network, 3)
    state = network.state()
    train(network, 3)
    expected = network.state().tensors()
    other = build(OPTIMIZERS["adam"]())
    other.restore(NetworkState.from_tensors(state.step, state.tensors()), mask)
    assert other.step == 3
    train(other, 3)
    assert_equal(other.state().tensors(), expected)


def test_states_as_tensors_and_back():
    state = build(OPTIMIZERS["adam"]()).state()
    copy = NetworkState.from_tensors(7, dict(reversed(state.tensors().items())))
    assert copy.step == 7
    assert set(copy.weights) == set(state.weights)
    assert len(copy.optimizer) == len(state.optimizer) > 10
    for ours, theirs in zip(copy.optimizer, state.optimizer, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_weights_of_another_model_are_refused():
    network = build(optimizers.SGD(0.1))
    weights, mask = network.weights(), network.mask
    with pytest.raises(ValueError, match="hidden/bias"):
        network.set_weights({n: w for n, w in weights.items() if n != "hidden/bias"}, mask)
    with pytest.raises(ValueError, match=r"output/kernel has shape \(8, 3\).*\(3, 8\)"):
        network.set_weights({**weights, "output/kernel": weights["output/kernel"].T}, mask)
    other = build(optimizers.Adam(0.1))
    with pytest.raises(ValueError, match="optimizer's variables"):
        network.restore(other.state(), mask)


def test_rewinding_on_two_replicas(mirrored: tf.distribute.Strategy):
    with mirrored.scope():
        network = build(optimizers.SGD(0.1, momentum=0.9))
        state, mask = network.state(), half_mask(network)
        network.model.compile(network.optimizer, "mse")
        network.model.fit(X, Y, batch_size=4, verbose=0)
        assert network.step == 4
        network.rewind(state, mask)
    assert network.step == 0
    assert get_mask(network.model) == mask
    assert_equal(network.weights(), mask.apply(state.weights))
    kernel = network.model.layers[0].layer.kernel
    one, two = mirrored.experimental_local_results(kernel)
    np.testing.assert_array_equal(one, two)
    momenta = [value for value in network.state().optimizer if np.ndim(value)]
    assert momenta
    assert not any(value.any() for value in momenta)
