"""After rewinding to k > 0, every optimizer is what a new one would be."""

import itertools
from collections.abc import Callable
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
    RATE,
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
from tf_lottery.pruning.plan import PruningPlan
from tf_lottery.tickets.fit.prune_and_rewind import PruneAndRewind
from tf_lottery.tickets.fit.search import IterativeMagnitudePruning
from tf_lottery.training.network import weights_of

NAMES = {tf_keras: ("Nadam",)}
SLOW_NAMES = {
    tf_keras: (
        *("SGD", "Adam", "RMSprop", "Adagrad", "Adadelta", "AdamW", "Adamax", "Ftrl", "Lion"),
        "Adafactor",
    ),
    keras_3: (
        *("SGD", "Adam", "RMSprop", "Adagrad", "Adadelta", "AdamW", "Adamax", "Ftrl", "Lion"),
        *("Adafactor", "Lamb", "Muon", "Nadam", "ScheduleFreeAdamW"),
    ),
}
FIRST_STEP_FAST = {(keras_3, "Nadam")}
OPTIMIZERS = [
    pytest.param(keras, name, id=f"{keras.__name__}-{name}", marks=marks)
    for names, marks in ((NAMES, ()), (SLOW_NAMES, pytest.mark.slow))
    for keras in names
    for name in names[keras]
]


@pytest.mark.parametrize(("keras", "name"), OPTIMIZERS)
def test_a_level_is_what_a_new_optimizer_makes_of_it(keras: ModuleType, name: str):
    """Bit for bit, so for every optimizer, however its update depends on its step count."""
    make = getattr(keras.optimizers, name)
    found = search(build(keras, make(RATE)))
    fit(found)
    trained = weights_at(found, 1)
    rewound = weights_at(found, 1, "rewind")
    new = train_anew(build(keras, make(RATE)), rewound, found.mask(1), REWIND, 3 * STEPS - REWIND)
    assert_same_weights(trained, new)


@pytest.mark.parametrize(
    ("keras", "name"),
    [
        pytest.param(
            *case,
            id=f"{case[0].__name__}-{case[1]}",
            marks=[] if case in FIRST_STEP_FAST else pytest.mark.slow,
        )
        for case in itertools.product(
            (tf_keras, keras_3), ("Nadam", "Adamax", "Adafactor", "Adam", "AdamW")
        )
    ],
)
def test_the_first_step_is_as_long_as_that_of_a_new_optimizer(keras: ModuleType, name: str):
    found = search(build(keras, getattr(keras.optimizers, name)(RATE)), rewind_step="11it")
    fit(found)
    rewound, trained = weights_at(found, 1, "rewind"), weights_at(found, 1)
    moved = max(np.abs(trained[weight] - rewound[weight]).max() for weight in trained)
    # Nadam's first step looks one ahead, which makes it 1.063 rates long.
    assert 0.5 * RATE < moved <= (1.07 if name == "Nadam" else 1.02) * RATE


REWOUND_FAST = {(keras_3, "Adam", False)}


@pytest.mark.parametrize(
    ("keras", "name", "run_eagerly"),
    [
        pytest.param(
            keras,
            name,
            run_eagerly,
            id=f"{keras.__name__}-{name}-{run_eagerly}",
            marks=[] if (keras, name, run_eagerly) in REWOUND_FAST else pytest.mark.slow,
        )
        for keras in (tf_keras, keras_3)
        for name, run_eagerly in (
            ("Adam", False), ("Nadam", True), ("Nadam", False), ("Adafactor", False)
        )
    ],
)  # fmt: skip
def test_a_rewound_optimizer_has_slots_and_count_of_the_rewind_step(
    keras: ModuleType, name: str, run_eagerly: bool, monkeypatch: pytest.MonkeyPatch
):
    """With a mask of ones, which is refused otherwise, the level is the rest of level 0 again."""
    monkeypatch.setattr(PruningPlan, "check", lambda plan, levels, prefix: None)
    optimizer = getattr(keras.optimizers, name)(schedule_of(keras))
    model = build(keras, optimizer, run_eagerly=run_eagerly)
    found = search(model, rewind_optimizer=True, pruning_rate=1e-9)
    fit(found)
    assert found.mask(1).density == 1
    trained = [weights_at(found, level) for level in (0, 1)]
    assert_same_weights(*trained)


@pytest.mark.slow
@TF_KERAS_FAST
@pytest.mark.parametrize("interrupted_after", [pytest.param(2, marks=pytest.mark.slow), 9])
def test_a_level_that_is_done_again_ends_with_the_same_bits(
    keras: ModuleType, interrupted_after: int
):
    """Also level 0, which starts afresh when it was interrupted."""

    class Interrupt(keras.callbacks.Callback):
        seen = itertools.count(1)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if next(self.seen) == interrupted_after:
                raise KeyboardInterrupt

    def make() -> Any:
        return search(build(keras, keras.optimizers.Nadam(schedule_of(keras))), rewind_step="2it")

    straight, broken = make(), make()
    fit(straight, epochs=2)
    with pytest.raises(KeyboardInterrupt):
        fit(broken, [Interrupt()], epochs=2)
    fit(broken, epochs=2)
    assert_same_weights(weights_at(broken, 1), weights_at(straight, 1))


@pytest.mark.slow
@KERAS_3_FAST
@pytest.mark.parametrize("name", [pytest.param("Adam", marks=pytest.mark.slow), "Nadam"])
def test_a_search_in_a_folder_goes_on_with_the_same_bits(
    keras: ModuleType, name: str, tmp_path: Path
):
    def make(folder: Path | None, levels: int) -> Any:
        optimizer = getattr(keras.optimizers, name)(schedule_of(keras))
        return IterativeMagnitudePruning(
            build(keras, optimizer), levels, rewind_step=f"{REWIND}it", folder=folder
        )

    straight = make(None, 2)
    fit(straight)
    for levels in (1, 2):
        found = make(tmp_path / "search", levels)
        fit(found)
    assert_same_weights(weights_at(found, 2), weights_at(straight, 2))


@KERAS_3_FAST
def test_a_loop_of_the_users(keras: ModuleType):
    """Its iterations are those of `fit`, with the same optimizer."""
    model, optimizer = build(keras), keras.optimizers.Adam(schedule_of(keras))
    found = search(model, optimizer=optimizer)
    update = compiled_update(model, optimizer)

    def loop(steps: Any) -> None:
        for step in steps:
            part = slice(step % STEPS * 4, (step % STEPS + 1) * 4)
            update(X[part], Y[part])

    found.run(loop, iterations=3 * STEPS, verbose=False)
    by_fit = search(build(keras, keras.optimizers.Adam(schedule_of(keras))))
    fit(by_fit)
    ours, theirs = weights_at(found, 1), weights_at(by_fit, 1)
    for weight, value in ours.items():
        np.testing.assert_allclose(value, theirs[weight], atol=1e-5, err_msg=weight)


@pytest.fixture(scope="module")
def by_adam() -> Any:
    """The weights of level 1 of a search with Adam in tf_keras."""
    found = search(build(tf_keras, tf_keras.optimizers.Adam(schedule_of(tf_keras))))
    fit(found)
    return weights_at(found, 1)


def test_the_callback_restarts_too(by_adam: Any):
    model = build(tf_keras, tf_keras.optimizers.Adam(schedule_of(tf_keras)))
    imp = PruneAndRewind(1, epochs_per_level=3, rewind_step="1ep")
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)
    model.fit(data, epochs=imp.epochs(STEPS), verbose=0, callbacks=[imp])
    assert_same_weights(weights_of(model), by_adam)


@TF_KERAS_FAST
@pytest.mark.slow
def test_two_replicas_restart(keras: ModuleType, mirrored: tf.distribute.Strategy):
    """They train as one does, which sees the same batches."""
    found = []
    for strategy in (tf.distribute.get_strategy(), mirrored):
        with strategy.scope():
            model = build(keras, keras.optimizers.Adam(schedule_of(keras)))
        found.append(search(model))
        fit(found[-1])
    one, two = (weights_at(each, 1) for each in found)
    for weight, value in one.items():
        np.testing.assert_allclose(value, two[weight], atol=1e-4, err_msg=weight)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(
            lambda schedule: tf_keras.optimizers.legacy.Adam(schedule), marks=pytest.mark.slow
        ),
        pytest.param(
            lambda schedule: tf_keras.mixed_precision.LossScaleOptimizer(
                tf_keras.optimizers.Adam(schedule)
            ),
            marks=pytest.mark.slow,
        ),
        lambda schedule: tf_keras.mixed_precision.LossScaleOptimizer(
            tf_keras.optimizers.legacy.Adam(schedule)
        ),
    ],
    ids=["legacy", "loss scaling", "legacy loss scaling"],
)
def test_legacy_and_loss_scaling_optimizers(make: Callable[[Any], Any], by_adam: Any):
    found = search(build(tf_keras, make(schedule_of(tf_keras))))
    fit(found)
    for weight, value in weights_at(found, 1).items():
        np.testing.assert_allclose(value, by_adam[weight], atol=1e-5, err_msg=weight)


@TF_KERAS_FAST
def test_every_level_begins_with_the_loss_scale_of_a_new_optimizer(
    keras: ModuleType, tmp_path: Path
):
    """Overflowing gradients halve it; a search that goes on has the bits of one that went on."""
    wrapper = keras.mixed_precision if keras is tf_keras else keras.optimizers
    scales: list[float] = []

    def search(levels: int, folder: Path | None = None) -> IterativeMagnitudePruning:
        optimizer = wrapper.LossScaleOptimizer(keras.optimizers.SGD(1e-4), initial_scale=2.0**121)
        model = build(keras, optimizer)

        def note(epoch: int, logs: Any = None) -> None:
            value = (
                model.optimizer.dynamic_scale if keras is keras_3 else model.optimizer.loss_scale
            )
            scales.append(float(np.asarray(value)))

        found = IterativeMagnitudePruning(model, levels, folder=folder)
        callback = keras.callbacks.LambdaCallback(on_epoch_begin=note)
        data = tf.data.Dataset.from_tensor_slices((X, 256 * Y)).batch(4)
        found.fit(data, epochs=2, verbose=0, callbacks=[callback])
        return found

    at_once = search(1)
    assert scales[0] == scales[2] == 2.0**121 > scales[1]
    search(0, tmp_path / "search")
    later = search(1, tmp_path / "search")
    assert_same_weights(*(weights_at(each, 1) for each in (at_once, later)))
