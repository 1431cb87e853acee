"""After rewinding to k > 0, the learning-rate schedule goes on from k."""

import itertools
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import keras as keras_3
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests.either_keras import KERAS_3_FAST, TF_KERAS_FAST
from tests.same_weights import assert_same_weights
from tests.tickets.restarted_searches import (
    REWIND,
    STEPS,
    X,
    Y,
    build,
    compiled_update,
    fit,
    schedule_of,
    search,
    train_anew,
    weights_at,
)
from tf_lottery.masking.prunable import get_mask
from tf_lottery.tickets.fit.search import IterativeMagnitudePruning
from tf_lottery.training.network import set_weights, weights_of

SCHEDULED_FAST = {(tf_keras, "Nadam", False)}


@pytest.mark.parametrize(
    ("keras", "name", "jit_compile"),
    [
        pytest.param(
            *case,
            id="-".join([case[0].__name__, case[1], str(case[2])]),
            marks=[] if case in SCHEDULED_FAST else pytest.mark.slow,
        )
        for case in itertools.product((tf_keras, keras_3), ("Adam", "Nadam"), (False, True))
    ],
)
def test_the_schedule_goes_on_and_the_count_begins_anew(
    keras: ModuleType, name: str, jit_compile: bool
):
    """Level 1 against a new optimizer whose schedule is written so that it begins at k."""
    make, schedules = getattr(keras.optimizers, name), keras.optimizers.schedules
    found = search(build(keras, make(schedule_of(keras)), jit_compile=jit_compile))
    fit(found)
    trained, rewound = weights_at(found, 1), weights_at(found, 1, "rewind")
    rates = [0.1 + (0.001 - 0.1) * min(step, 20) / 20 for step in range(REWIND, 3 * STEPS)]
    later = schedules.PiecewiseConstantDecay(list(range(len(rates) - 1)), rates)
    model = build(keras, make(later), jit_compile=jit_compile)
    new = train_anew(model, rewound, found.mask(1), REWIND, len(rates))
    for weight, value in trained.items():
        np.testing.assert_allclose(value, new[weight], atol=2e-6, err_msg=weight)


@KERAS_3_FAST
def test_callbacks_read_the_rate_of_the_schedule(keras: ModuleType, tmp_path: Path):
    """At the same iterations the same rates, whatever the optimizer counts."""
    rates: dict[int, list[float]] = {0: [], 1: []}
    logged: dict[int, list[float]] = {0: [], 1: []}
    model = build(keras, keras.optimizers.Adam(schedule_of(keras)))

    class Log(keras.callbacks.TensorBoard):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logged[level].append(float(self._collect_learning_rate({})["learning_rate"]))

    def watch(number: int) -> list[Any]:
        nonlocal level
        level = number
        read = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: rates[number].append(
                float(np.asarray(model.optimizer.learning_rate))
            )
        )
        return [read, Log(tmp_path / str(number), write_graph=False)]

    level = 0
    fit(search(model, rewind_step="4it"), watch)
    np.testing.assert_array_equal(rates[1], rates[0][4:])
    np.testing.assert_array_equal(logged[1], logged[0][1:])
    assert len(set(rates[0])) > 10


@TF_KERAS_FAST
def test_a_loop_that_was_compiled_before_the_search_is_refused(keras: ModuleType):
    """It holds the schedule as it was, which would begin at 0 again."""
    model, optimizer = build(keras), keras.optimizers.Adam(schedule_of(keras))
    update = compiled_update(model, optimizer)

    optimizer.build(model.trainable_variables)
    update(X, Y)
    found = search(model, optimizer=optimizer)

    def loop(steps: Any) -> None:
        for _ in steps:
            update(X, Y)

    with pytest.raises(ValueError, match="Make the search first"):
        found.run(loop, iterations=8, verbose=False)


@pytest.mark.slow
@TF_KERAS_FAST
def test_a_model_that_was_fitted_before_follows_the_schedule_too(keras: ModuleType):
    """Keras would go on with the training step that it has compiled."""
    model = build(keras, keras.optimizers.SGD(schedule_of(keras)))
    model.fit(X, Y, batch_size=4, verbose=0)
    fresh = build(keras, keras.optimizers.SGD(schedule_of(keras)))
    set_weights(fresh, weights_of(model), get_mask(model))
    trained = []
    for each in (model, fresh):
        found = search(each, rewind_step="4it")
        fit(found)
        trained.append(weights_at(found, 1))
    assert_same_weights(*trained)


def test_a_decay_by_the_step_count_is_refused():
    model = build(tf_keras, tf_keras.optimizers.legacy.SGD(0.1, decay=0.01))
    with pytest.raises(ValueError, match=r"decay=0\.01 of the legacy SGD .*InverseTimeDecay"):
        search(model)


@KERAS_3_FAST
@pytest.mark.slow
def test_a_saved_model_trains_on_at_the_same_rate(keras: ModuleType, tmp_path: Path):
    model = build(keras, keras.optimizers.Adam(schedule_of(keras)))
    fit(search(model), epochs=2)
    model.save(tmp_path / "model.keras")
    optimizer = keras.models.load_model(tmp_path / "model.keras").optimizer
    for each in (model.optimizer, optimizer):
        assert int(each.iterations) == 2 * STEPS - REWIND
        assert float(np.asarray(each._learning_rate(each.iterations))) == pytest.approx(
            0.1 - 0.099 * 2 * STEPS / 20, rel=1e-5
        )


def by_schedule(keras: ModuleType, schedule: Any) -> Any:
    found = search(build(keras, keras.optimizers.SGD(schedule, momentum=0.9)))
    fit(found)
    return weights_at(found, 1)


@cache
def by_a_schedule_of_keras(keras: ModuleType) -> Any:
    return by_schedule(keras, keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5))


@TF_KERAS_FAST
@pytest.mark.parametrize("described", [False, True])
def test_schedules_of_users_that_keras_cannot_make_anew(keras: ModuleType, described: bool):
    class Halving(keras.optimizers.schedules.LearningRateSchedule):
        def __init__(self, rate: float):
            self.rate = rate

        def __call__(self, step: Any) -> Any:
            return self.rate * 0.5 ** tf.cast(step, tf.float32)

    if described:
        Halving.get_config = lambda self: {"rate": self.rate}
    expected = by_a_schedule_of_keras(keras)
    for weight, value in by_schedule(keras, Halving(0.1)).items():
        np.testing.assert_allclose(value, expected[weight], atol=1e-6, err_msg=weight)


def test_a_search_with_such_a_schedule_goes_on_from_its_folder(tmp_path: Path):
    class Halving(tf_keras.optimizers.schedules.LearningRateSchedule):
        def __init__(self, rate: float):
            self.rate = rate

        def __call__(self, step: Any) -> Any:
            return self.rate * 0.5 ** tf.cast(step, tf.float32)

    def made(rate: float) -> IterativeMagnitudePruning:
        model = build(tf_keras, tf_keras.optimizers.SGD(Halving(rate)))
        return IterativeMagnitudePruning(model, 1, folder=tmp_path / "search")

    fit(made(0.1))
    assert len(made(0.1).history.levels) == 2
    with pytest.raises(ValueError, match="holds another search: optimizer: "):
        made(0.2)
