"""Learning-rate schedules: against formulas in float64, compiled or not, and as descriptions."""

import json
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_lottery.config.training import TrainingConfig
from tf_lottery.training.learning_rate import HeldAtEnd, LinearWarmup, learning_rate_schedule

PEAK, FINAL, STEPS, WARMUP = 0.4, 0.004, 450_000, 25_000
MILESTONES = {"lr_schedule": "step", "lr_milestones": "32000it,48000it"}


def schedule(train_steps: int = STEPS, steps_per_epoch: int = 5_000, **flags):
    config = TrainingConfig(**{"learning_rate": PEAK, **flags})
    return learning_rate_schedule(config, train_steps=train_steps, steps_per_epoch=steps_per_epoch)


def rates(rate: Callable, iterations: list[int]) -> list[np.float32]:
    return [rate(tf.constant(iteration, tf.int64)).numpy() for iteration in iterations]


def expected(kind: str, iteration: int, warmup: int) -> float:
    if iteration < warmup:
        return PEAK * (iteration + 1) / warmup
    share = min(1.0, (iteration - warmup) / (STEPS - warmup))
    return {
        "constant": PEAK,
        "linear": PEAK + (FINAL - PEAK) * share,
        "cosine": FINAL + (PEAK - FINAL) * (1 + np.cos(np.pi * share)) / 2,
        "step": PEAK * 0.1 ** sum(iteration >= point for point in (32_000, 48_000)),
    }[kind]


def of_kind(kind: str, warmup: int):
    more = MILESTONES if kind == "step" else {"lr_schedule": kind}
    final = FINAL if kind in ("linear", "cosine") else 0.0
    return schedule(warmup_steps=f"{warmup}it", final_learning_rate=final, **more)


KINDS = ["constant", "linear", "cosine", "step"]
POINTS = [0, 1, WARMUP - 1, WARMUP, WARMUP + 1, 31_999, 32_000, 47_999, 48_000, 100_001, 237_500]
POINTS += [449_998, STEPS - 1, STEPS, STEPS + 1, 2 * STEPS]


def test_a_rate_that_never_changes_is_a_number():
    assert schedule() == PEAK
    assert isinstance(schedule(), float)


@pytest.mark.parametrize(
    ("kind", "warmup"),
    [("constant", WARMUP), *((kind, warmup) for kind in KINDS[1:] for warmup in (0, WARMUP))],
)
def test_rates_are_those_of_the_formula(kind: str, warmup: int):
    formula = [expected(kind, iteration, warmup) for iteration in POINTS]
    found = rates(of_kind(kind, warmup), POINTS)
    np.testing.assert_allclose(found, formula, rtol=0, atol=1e-6 * PEAK)
    assert {rate.dtype for rate in found} == {np.dtype(np.float32)}


def test_milestones_are_the_first_iterations_at_the_lower_rate():
    rate = schedule(64_000, learning_rate=0.1, **MILESTONES)
    points = [0, 31_999, 32_000, 47_999, 48_000, 63_999]
    assert rates(rate, points) == list(np.float32([0.1, 0.1, 0.01, 0.01, 0.001, 0.001]))


@pytest.mark.parametrize("kind", KINDS)
def test_the_warmup_ends_at_the_peak_itself(kind: str):
    rate = of_kind(kind, 3)
    thirds = np.float32(PEAK) * (np.float32([1, 2, 3]) / np.float32(3))
    assert rates(rate, [0, 1, 2]) == list(thirds)
    assert rates(rate, [2, 3]) == [np.float32(PEAK)] * 2


def test_the_rate_may_fall_right_after_the_warmup():
    rate = schedule(lr_schedule="step", lr_milestones="5it", lr_decay=0.5, warmup_steps="5it")
    np.testing.assert_allclose(rates(rate, [3, 4, 5, 6]), [0.32, 0.4, 0.2, 0.2], rtol=1e-6)


@pytest.mark.parametrize(
    "first", [*(pytest.param(each, marks=pytest.mark.slow) for each in (0, 200_000)), STEPS - 1000]
)
def test_float32_tells_neighbouring_iterations_apart(first: int):
    rate = tf.function(of_kind("linear", 0))
    found = rates(rate, list(range(first, first + 1000)))
    assert (np.diff(found) < 0).all()


def test_points_in_epochs_and_shares():
    flags = {"lr_schedule": "step", "warmup_steps": "0.5ep", "lr_decay": 0.5}
    by_epochs = schedule(1000, 100, lr_milestones="3ep, 6ep", **flags)
    by_shares = schedule(1000, 100, lr_milestones="30%,60%", **flags)
    points = [0, 49, 50, 299, 300, 599, 600]
    halves = np.float32(PEAK) * np.float32([0.02, 1, 1, 1, 0.5, 0.5, 0.25])
    for rate in (by_epochs, by_shares):
        np.testing.assert_allclose(rates(rate, points), halves, rtol=1e-6)


def test_whole_numbers_are_rates_too():
    cosine = schedule(10, learning_rate=1, final_learning_rate=0, lr_schedule="cosine")
    np.testing.assert_allclose(rates(cosine, [0, 5, 10]), [1, 0.5, 0], atol=1e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_one_compiled_loop_over_many_iterations(kind: str, jit_compile: bool):
    rate, count = of_kind(kind, WARMUP), 6
    iteration = tf.Variable(0, dtype=tf.int64)

    @tf.function(jit_compile=jit_compile, autograph=False)
    def loop() -> tf.Tensor:
        def step(index: tf.Tensor, found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            found = tf.tensor_scatter_nd_update(found, [[index]], [rate(iteration)])
            with tf.control_dependencies([found]):
                iteration.assign_add(1)
            return index + 1, found

        return tf.while_loop(
            lambda index, found: index < count, step, [tf.constant(0), tf.zeros(count)]
        )[1]

    for first in (0, WARMUP - 3, 31_997, 47_997, STEPS - 3):
        iteration.assign(first)
        formula = [expected(kind, first + index, WARMUP) for index in range(count)]
        np.testing.assert_allclose(loop().numpy(), formula, rtol=0, atol=1e-6 * PEAK)
        assert iteration.numpy() == first + count


@pytest.mark.parametrize("warmup", [0, WARMUP])
@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_schedule_comes_back_from_its_description(kind: str, warmup: int):
    rate = of_kind(kind, warmup)
    description = json.loads(json.dumps(keras.optimizers.schedules.serialize(rate)))
    copy = keras.optimizers.schedules.deserialize(description)
    assert type(copy) is type(rate)
    assert copy.get_config() == rate.get_config()
    assert rates(copy, POINTS) == rates(rate, POINTS)


def test_a_warmup_alone_comes_back_within_its_optimizer():
    config = keras.optimizers.SGD(schedule(warmup_steps="4it")).get_config()
    optimizer = keras.optimizers.SGD.from_config(json.loads(json.dumps(config)))
    assert isinstance(optimizer._learning_rate, LinearWarmup)
    np.testing.assert_allclose(rates(optimizer._learning_rate, [0, 3, 9]), [0.1, 0.4, 0.4])


@pytest.mark.parametrize(
    ("milestones", "warmup", "message"),
    [
        ("100it,soon", "0it", r"--lr_milestones: 'soon' is not a point in training"),
        ("100it,,200it", "0it", r"--lr_milestones: '' is not a point in training"),
        ("", "0it", r"--lr_schedule=step does not go with --lr_milestones=: give the points"),
        ("200it,100it", "0it", r"--lr_milestones=200it,100it: .* \[200, 100\]; .* later"),
        ("1ep,100it", "0it", r"--lr_milestones=1ep,100it: .* \[100, 100\]; .* later"),
        ("1ep,10ep", "0it", r"--lr_milestones=1ep,10ep: 10ep is iteration 1000, .* at 1000"),
        ("100%", "0it", r"--lr_milestones=100%: 100% is iteration 1000, .* at 1000"),
        ("0it", "0it", r"--lr_milestones=0it: 0it is iteration 0, .*from iteration 0 .*later"),
        ("99it", "1ep", r"99it is iteration 99, .*from iteration 99 \(--warmup_steps=1ep\)"),
    ],
)
def test_milestones_that_do_not_fit(milestones: str, warmup: str, message: str):
    with pytest.raises(ValueError, match=message):
        schedule(1000, 100, lr_schedule="step", lr_milestones=milestones, warmup_steps=warmup)


@pytest.mark.parametrize("kind", ["constant", "cosine"])
@pytest.mark.parametrize(
    ("warmup", "message"),
    [
        ("10ep", r"--warmup_steps=10ep is 1000 iterations, but training has 1000; .*shorter"),
        ("100%", r"--warmup_steps=100% is 1000 iterations"),
        ("a while", r"--warmup_steps: 'a while' is not a point in training"),
    ],
)
def test_warmups_that_do_not_fit(kind: str, warmup: str, message: str):
    with pytest.raises(ValueError, match=message):
        schedule(1000, 100, lr_schedule=kind, warmup_steps=warmup)


@pytest.mark.parametrize("warmup", [0, WARMUP])
@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_held_rate_is_the_schedules_own_until_the_end_and_then_stays(kind: str, warmup: int):
    rate = of_kind(kind, warmup)
    held = HeldAtEnd(rate, STEPS - 1)
    points = [point for point in POINTS if point < STEPS]
    assert rates(held, points) == rates(rate, points)
    last = rates(rate, [STEPS - 1])
    assert rates(held, [STEPS, STEPS + 1, 2 * STEPS, 2**31 - 1]) == last * 4
    np.testing.assert_allclose(last, expected(kind, STEPS - 1, warmup), rtol=0, atol=1e-6 * PEAK)


def test_a_rate_held_before_the_end_does_not_fall_on():
    held = HeldAtEnd(schedule(10, learning_rate=1.0, lr_schedule="linear"), 3)
    np.testing.assert_allclose(rates(held, [0, 2, 3, 4, 10]), [1, 0.8, 0.7, 0.7, 0.7], rtol=1e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_held_rate_in_compiled_code_that_reads_the_counter(jit_compile: bool):
    held, counter = HeldAtEnd(of_kind("cosine", WARMUP), STEPS - 1), tf.Variable(0, dtype=tf.int64)
    ask = tf.function(lambda: held(counter), jit_compile=jit_compile)
    for point in (WARMUP - 1, STEPS - 1, STEPS, 3 * STEPS):
        counter.assign(point)
        formula = expected("cosine", min(point, STEPS - 1), WARMUP)
        np.testing.assert_allclose(ask(), formula, rtol=0, atol=1e-6 * PEAK)


@pytest.mark.parametrize("warmup", [0, WARMUP])
@pytest.mark.parametrize("kind", KINDS[1:])
def test_a_held_rate_comes_back_within_its_optimizer_and_more_than_once(kind: str, warmup: int):
    """Each level begins with an optimizer made of one description."""
    held = HeldAtEnd(of_kind(kind, warmup), STEPS - 1)
    config = keras.optimizers.SGD(held).get_config()
    assert json.loads(json.dumps(config)) == config
    for _ in range(3):
        copy = keras.optimizers.SGD.from_config(dict(config))._learning_rate
        assert isinstance(copy, HeldAtEnd)
        assert copy.get_config() == held.get_config()
        assert rates(copy, POINTS) == rates(held, POINTS)
