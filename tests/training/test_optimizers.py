"""Optimizers: each step against its formula in float64, alone, compiled and on two replicas."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_lottery.config.training import TrainingConfig
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import prunable
from tf_lottery.training.learning_rate import learning_rate_schedule
from tf_lottery.training.network import Network, NetworkState
from tf_lottery.training.optimizers import (
    build_optimizer,
    build_slots,
    exempt_from_weight_decay,
    reset_optimizer,
)

RNG = np.random.default_rng(0)
KERNEL, BIAS = (RNG.uniform(0.5, 1.5, shape).astype(np.float32) for shape in ((3, 2), (2,)))
GRADIENTS = [
    [RNG.normal(size=array.shape).astype(np.float32) for array in (KERNEL, BIAS)] for _ in range(4)
]
ZEROS = [np.zeros_like(KERNEL), np.zeros_like(BIAS)]

DECOUPLED = {"weight_decay": 0.3, "weight_decay_mode": "decoupled"}
RECIPES = {
    "sgd": {"optimizer": "sgd"},
    "momentum": {"optimizer": "sgd", "momentum": 0.9},
    "nesterov": {"optimizer": "sgd", "momentum": 0.9, "nesterov": True},
    "adam": {"optimizer": "adam"},
    "adamw": {"optimizer": "adamw", "weight_decay": 0.3},
    "adamw without decay": {"optimizer": "adamw"},
    "adam, decoupled": {"optimizer": "adam", **DECOUPLED},
    "sgd, decoupled": {"optimizer": "sgd", **DECOUPLED},
    "nesterov, decoupled": {"optimizer": "sgd", "momentum": 0.9, "nesterov": True, **DECOUPLED},
    "clipped": {"optimizer": "sgd", "momentum": 0.9, "clip_norm": 2.0},
    "adamw, clipped": {"optimizer": "adamw", "weight_decay": 0.3, "clip_norm": 2.0},
}
LOOPS_FAST = {
    *(("momentum", False), ("adam", True), ("adamw", False), ("adam, decoupled", False)),
    *(("nesterov, decoupled", True), ("adamw, clipped", True)),
}
EVERY_RECIPE = pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)


def config_of(recipe: dict, **flags) -> TrainingConfig:
    return TrainingConfig(**{"learning_rate": 0.1, **recipe, **flags})


def changing_rate(config: TrainingConfig):
    """Half the rate in iteration 0, all of it in 1 and 2, a tenth from 3 on."""
    return learning_rate_schedule(config, train_steps=10, steps_per_epoch=10)


CHANGING = {"lr_schedule": "step", "lr_milestones": "3it", "warmup_steps": "2it"}
CHANGING_RATES = (0.05, 0.1, 0.1, 0.01)


def build(
    config: TrainingConfig, rate: float | Callable
) -> tuple[keras.optimizers.Optimizer, list[tf.Variable]]:
    variables = [tf.Variable(KERNEL, name="kernel"), tf.Variable(BIAS, name="bias")]
    optimizer = build_optimizer(config, rate)
    exempt_from_weight_decay(optimizer, variables, variables[:1])
    return build_slots(optimizer, variables), variables


def by_formula(config: TrainingConfig, rates: tuple[float, ...]) -> Iterator[list[np.ndarray]]:
    """Weights after each step, as the papers define it."""
    weights = [KERNEL.astype(np.float64), BIAS.astype(np.float64)]
    first, second = ([np.zeros_like(weight) for weight in weights] for _ in range(2))
    for step, (rate, gradients) in enumerate(zip(rates, GRADIENTS, strict=True), start=1):
        norm = np.sqrt(sum(np.sum(np.square(gradient)) for gradient in gradients))
        scale = min(1.0, (config.clip_norm or np.inf) / norm)
        if config.decouples_weight_decay:
            weights[0] = weights[0] * (1 - rate * config.weight_decay)
        for index, gradient in enumerate(scale * g.astype(np.float64) for g in gradients):
            if config.optimizer == "sgd":
                first[index] = config.momentum * first[index] - rate * gradient
                ahead = config.momentum * first[index] - rate * gradient
                weights[index] = weights[index] + (ahead if config.nesterov else first[index])
            else:
                first[index] = 0.9 * first[index] + 0.1 * gradient
                second[index] = 0.999 * second[index] + 0.001 * gradient**2
                mean, square = first[index] / (1 - 0.9**step), second[index] / (1 - 0.999**step)
                # Keras adds its epsilon to the root before the correction.
                epsilon = 1e-7 / np.sqrt(1 - 0.999**step)
                weights[index] = weights[index] - rate * mean / (np.sqrt(square) + epsilon)
        yield list(weights)


def assert_close(variables: list[tf.Variable], weights: list[np.ndarray]) -> None:
    for variable, weight in zip(variables, weights, strict=True):
        # Steps are about 0.1 long; Adam's 1 - 0.999^t in float32 is right to about 1e-5 of itself.
        np.testing.assert_allclose(variable.numpy(), weight, rtol=0, atol=5e-6)


@EVERY_RECIPE
def test_steps_are_those_of_the_formula(recipe: dict):
    config = config_of(recipe)
    optimizer, variables = build(config, 0.1)
    for gradients, weights in zip(GRADIENTS, by_formula(config, (0.1,) * 4), strict=True):
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        assert_close(variables, weights)


@pytest.mark.parametrize(
    ("recipe", "jit_compile"),
    [
        pytest.param(
            recipe,
            jit_compile,
            id=f"{name}-{jit_compile}",
            marks=[] if (name, jit_compile) in LOOPS_FAST else pytest.mark.slow,
        )
        for name, recipe in RECIPES.items()
        for jit_compile in (False, True)
    ],
)
def test_every_step_of_a_compiled_loop_has_its_own_rate(recipe: dict, jit_compile: bool):
    config = config_of(recipe, **CHANGING)
    optimizer, variables = build(config, changing_rate(config))
    stacked = [tf.constant(np.stack(gradients)) for gradients in zip(*GRADIENTS, strict=True)]

    @tf.function(jit_compile=jit_compile, autograph=False)
    def run() -> None:
        def step(index: tf.Tensor) -> list[tf.Tensor]:
            gradients = [gradient[index] for gradient in stacked]
            optimizer.apply_gradients(zip(gradients, variables, strict=True))
            return [index + 1]

        tf.while_loop(lambda index: index < 4, step, [tf.constant(0)])

    run()
    *_, weights = by_formula(config, CHANGING_RATES)
    assert_close(variables, weights)
    *_, at_one_rate = by_formula(config, (0.1,) * 4)
    assert np.abs(weights[0] - at_one_rate[0]).max() > 1e-3


@pytest.mark.parametrize("recipe", ["adamw", "nesterov, decoupled"])
def test_decoupled_decay_is_of_kernels_at_the_rate_of_the_iteration(recipe: str):
    config = config_of(RECIPES[recipe], **CHANGING)
    optimizer, (kernel, bias) = build(config, changing_rate(config))
    expected = KERNEL
    for rate in np.float32(CHANGING_RATES):
        optimizer.apply_gradients(zip(ZEROS, (kernel, bias), strict=True))
        expected = expected - expected * np.float32(0.3) * rate
        assert kernel.numpy().tobytes() == expected.tobytes()
    assert bias.numpy().tobytes() == BIAS.tobytes()


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_l2_penalty_is_not_the_optimizers(optimizer: str):
    built, variables = build(config_of({"optimizer": optimizer, "weight_decay": 0.3}), 0.1)
    built.apply_gradients(zip(ZEROS, variables, strict=True))
    assert variables[0].numpy().tobytes() == KERNEL.tobytes()


def test_gradients_within_the_norm_are_left_as_they_are():
    results = []
    for clip_norm in (None, 1e6):
        optimizer, variables = build(config_of({"optimizer": "sgd", "clip_norm": clip_norm}), 0.1)
        optimizer.apply_gradients(zip(GRADIENTS[0], variables, strict=True))
        results.append(variables[0].numpy().tobytes())
    assert results[0] == results[1]


def test_exemptions_come_before_the_slots():
    optimizer, variables = build(config_of(RECIPES["adamw"]), 0.1)
    with pytest.raises(ValueError, match="before the optimizer is built"):
        exempt_from_weight_decay(optimizer, variables, [])


def test_clipping_is_of_the_gradient_summed_over_replicas(mirrored: tf.distribute.Strategy):
    """Clipped on each replica, the step would be (1, 1)."""
    with mirrored.scope():
        variables = [tf.Variable(0.0), tf.Variable(0.0)]
        config = config_of({"optimizer": "sgd", "clip_norm": 1.0})
        optimizer = build_slots(build_optimizer(config, 1.0), variables)

    @tf.function(autograph=False)
    def run() -> None:
        def step() -> None:
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            gradients = tf.unstack(tf.gather([[-3.0, 0.0], [0.0, -4.0]], replica))
            optimizer.apply_gradients(zip(gradients, variables, strict=True))

        mirrored.run(step)

    run()
    for variable, expected in zip(variables, (0.6, 0.8), strict=True):
        for value in mirrored.experimental_local_results(variable):
            assert value.numpy() == pytest.approx(expected, rel=1e-6)


def build_network(config: TrainingConfig, dtype: str = "float32") -> Network:
    """A 6-8-3 network with normalization, whose kernels alone decay."""
    policy = keras.mixed_precision.Policy(dtype)
    model = prunable(
        keras.Sequential(
            [
                keras.layers.Dense(8, input_shape=(6,), name="hidden", dtype=policy),
                keras.layers.BatchNormalization(name="norm"),
                keras.layers.Dense(3, name="output", dtype=policy),
            ]
        )
    )
    kernels = [model.layers[index].layer.kernel for index in (0, 2)]
    optimizer = build_optimizer(config, changing_rate(config))
    exempt_from_weight_decay(optimizer, model.trainable_variables, kernels)
    network = Network(model, optimizer)
    rng = np.random.default_rng(1)
    weights = {
        name: rng.uniform(0.1, 0.9, array.shape).astype(np.float32)
        for name, array in network.weights().items()
    }
    network.set_weights(weights, network.mask)
    return network


def half_mask(network: Network) -> Mask:
    rng = np.random.default_rng(2)
    return Mask({name: rng.random(a.shape) < 0.5 for name, a in network.mask.items()})


def train(network: Network, steps: int, *, scale: float = 1.0, jit_compile: bool = False) -> None:
    """Steps whose gradients, the same on every replica, depend on weights and iteration."""
    variables = network.model.trainable_variables

    @tf.function(jit_compile=jit_compile, autograph=False)
    def run() -> None:
        def step() -> None:
            phase = tf.cast(network.optimizer.iterations, tf.float32)
            gradients = [scale * tf.sin(3 * tf.convert_to_tensor(v) + phase) for v in variables]
            network.optimizer.apply_gradients(zip(gradients, variables, strict=True))

        tf.distribute.get_strategy().run(step)

    for _ in range(steps):
        run()


def assert_equal(one: NetworkState, two: NetworkState) -> None:
    ours, theirs = one.tensors(), two.tensors()
    assert list(ours) == list(theirs)
    assert one.step == two.step
    for name, value in ours.items():
        assert value.tobytes() == theirs[name].tobytes(), name


def assert_pruned_are_zero(network: Network, mask: Mask) -> None:
    weights = network.weights()
    for name, array in mask.items():
        assert not weights[name][~array].view(np.uint32).any()
        assert weights[name][array].all()


TRAINED = ["momentum", "nesterov, decoupled", "adamw, clipped"]
# The others are slow.
TRAINED_FAST = [
    recipe if recipe == "adamw, clipped" else pytest.param(recipe, marks=pytest.mark.slow)
    for recipe in TRAINED
]
SCHEDULES = {
    "step": CHANGING,
    "linear": {"lr_schedule": "linear", "final_learning_rate": 0.01},
    "cosine": {"lr_schedule": "cosine", "warmup_steps": "2it"},
}


# The recipes and the schedules know nothing of one another: one pair is there with all that others
# have, and those are slow.
PAIRS = [
    pytest.param(
        recipe,
        settings,
        id=f"{recipe}-{schedule}",
        marks=() if (recipe, schedule) == ("adamw, clipped", "step") else pytest.mark.slow,
    )
    for recipe in TRAINED
    for schedule, settings in SCHEDULES.items()
]


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "schedule"), PAIRS)
def test_a_restored_network_continues_to_the_bit(recipe: str, schedule: dict):
    config = config_of(RECIPES[recipe], **schedule)
    network = build_network(config)
    mask = half_mask(network)
    network.set_weights(network.weights(), mask)
    train(network, 2)
    state = network.state()
    train(network, 4)
    other = build_network(config)
    other.restore(NetworkState.from_tensors(state.step, state.tensors()), mask)
    train(other, 4)
    assert_equal(other.state(), network.state())


@pytest.mark.parametrize(("recipe", "schedule"), PAIRS)
def test_rewinding_keeps_iteration_rate_and_exemptions(recipe: str, schedule: dict):
    """Every time it is as a new network with a new optimizer whose schedule goes on."""
    config = config_of(RECIPES[recipe], **schedule)
    new = build_network(config)
    mask = half_mask(new)
    network = build_network(config)
    train(network, 2)
    state = network.state()
    new.rewind(NetworkState(2, state.weights, []), mask)
    assert new.optimizer.iterations.numpy() == 0
    start, expected = new.state(), None
    for _ in range(2):
        train(network, 3)
        network.rewind(state, mask)
        assert_equal(network.state(), start)
        if expected is None:
            train(new, 4)
            expected = new.state()
        train(network, 4)
        assert_equal(network.state(), expected)


def test_resetting_leaves_the_description_as_it_was():
    config = config_of(RECIPES["adamw"], **CHANGING)
    optimizer, variables = build(config, changing_rate(config))
    description, before = optimizer.get_config(), optimizer.get_config()
    optimizer.iterations.assign(3)
    reset_optimizer(optimizer, description, variables)
    assert description == before
    assert optimizer.iterations.numpy() == 0


@pytest.mark.parametrize("jit_compile", [pytest.param(False, marks=pytest.mark.slow), True])
@pytest.mark.parametrize("recipe", TRAINED_FAST)
def test_pruned_weights_stay_zero(recipe: str, jit_compile: bool):
    network = build_network(config_of(RECIPES[recipe], **CHANGING))
    mask = half_mask(network)
    network.set_weights(network.weights(), mask)
    train(network, 4, jit_compile=jit_compile)
    assert_pruned_are_zero(network, mask)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", TRAINED)
def test_two_replicas_train_like_one(recipe: str, mirrored: tf.distribute.Strategy):
    """The sum of two equal gradients is twice the one."""
    config = config_of(RECIPES[recipe], **CHANGING)
    one = build_network(config)
    mask = half_mask(one)
    with mirrored.scope():
        two = build_network(config)
        two.set_weights(two.weights(), mask)
        early = two.state()
        train(two, 3)
        two.rewind(early, mask)
        train(two, 4)
    one.set_weights(one.weights(), mask)
    train(one, 4, scale=2.0)
    for name, value in two.weights().items():
        np.testing.assert_allclose(value, one.weights()[name], atol=1e-5, err_msg=name)
    assert_pruned_are_zero(two, mask)
    for variable in two.model.trainable_variables:
        here, there = mirrored.experimental_local_results(variable)
        np.testing.assert_array_equal(here, there)


@pytest.mark.parametrize(
    ("replicas", "dtype"),
    [
        (1, "float32"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in ((1, "mixed_bfloat16"), (2, "float32"))
        ),
        (2, "mixed_bfloat16"),
    ],
)
def test_only_kernels_decay(replicas: int, dtype: str, mirrored: tf.distribute.Strategy):
    strategy = mirrored if replicas == 2 else tf.distribute.get_strategy()
    with strategy.scope():
        network = build_network(config_of(RECIPES["sgd, decoupled"]), dtype)
        before = network.weights()
        train(network, 1, scale=0.0)
    for name, value in network.weights().items():
        shrunk = before[name] - before[name] * np.float32(0.3) * np.float32(0.1)
        expected = shrunk if name.endswith("/kernel") else before[name]
        np.testing.assert_allclose(value, expected, rtol=1e-6, err_msg=name)
