"""A search around a training loop of the user's."""

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import keras as keras_3
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests.either_keras import TF_KERAS_FAST
from tf_lottery.masking.prunable import get_mask, masked_variables, prunable
from tf_lottery.tickets.fit.own_loop import TrainingSteps
from tf_lottery.tickets.fit.search import IterativeMagnitudePruning
from tf_lottery.training.divergence import TrainingDivergedError
from tf_lottery.training.network import weights_of

ITERATIONS, BATCH = 6, 4
IMAGES = np.random.default_rng(0).normal(size=(ITERATIONS * BATCH, 5)).astype(np.float32)
TARGETS = np.random.default_rng(1).normal(size=(ITERATIONS * BATCH, 2)).astype(np.float32)
BOTH = pytest.mark.parametrize("keras", [tf_keras, keras_3])

Loop = Callable[[Iterable[int]], dict[str, float] | None]


def build(keras: ModuleType) -> Any:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    return prunable(
        keras.Sequential(
            [
                keras.Input((5,)),
                layers.Dense(8, activation="relu", name="hidden"),
                layers.Dense(2, name="output"),
            ]
        )
    )


def sgd(keras: ModuleType) -> Any:
    return keras.optimizers.SGD(0.1, momentum=0.9)


def train_step(model: Any, optimizer: Any) -> Callable[[int], float]:
    """One iteration on the batch of its number."""

    @tf.function(autograph=False)
    def update(images, targets):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(images, training=True) - targets))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    def step(number: int) -> float:
        part = slice(number * BATCH, (number + 1) * BATCH)
        return float(update(IMAGES[part], TARGETS[part]))

    return step


def search_and_step(keras: ModuleType = tf_keras, levels: int = 2, **arguments: Any):
    """A search over a model that is not compiled, and its training step."""
    model, optimizer = build(keras), sgd(keras)
    search = IterativeMagnitudePruning(
        model, levels, 0.5, optimizer=optimizer, **({"rewind_step": "2it"} | arguments)
    )
    return search, model, train_step(model, optimizer)


@TF_KERAS_FAST
def test_a_loop_finds_the_tickets_that_fit_finds(keras: ModuleType):
    search, _, step = search_and_step(keras)
    numbers: list[list[int]] = []

    def train(steps: TrainingSteps) -> dict[str, float]:
        assert len(steps) == (6 if not numbers else 4)
        numbers.append([])
        for number in steps:
            numbers[-1].append(number)
            loss = step(number)
        return {"loss": loss, "last": number}

    history = search.run(train, iterations=ITERATIONS, verbose=False)
    assert numbers == [[0, 1, 2, 3, 4, 5], [2, 3, 4, 5], [2, 3, 4, 5]]
    assert [level.metrics["last"] for level in history.levels] == [5.0] * 3

    # `fit` begins each level with the first batch, so that only level 0 sees the same.
    fitted = build(keras)
    fitted.compile(sgd(keras), "mse", jit_compile=False)
    other = IterativeMagnitudePruning(fitted, 1, 0.5, rewind_step="2it")
    other.fit(
        tf.data.Dataset.from_tensor_slices((IMAGES, TARGETS)).batch(BATCH), epochs=1, verbose=0
    )
    assert search.mask(1) == other.mask(1)
    early, expected = (weights_of(each.restore(1, "rewind")) for each in (search, other))
    for name, value in early.items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-6)
    weights = weights_of(search.restore(2))
    for name, array in search.mask(2).items():
        assert not weights[name][~array].view(np.uint32).any()


def test_the_rewind_step_is_saved_in_the_midst_of_the_loop():
    search, model, step = search_and_step(levels=1)
    states = {}

    def train(steps: TrainingSteps) -> None:
        for number in steps:
            states.setdefault(number, weights_of(model))
            step(number)

    search.run(train, iterations=ITERATIONS, verbose=False)
    rewound, mask = weights_of(search.restore(1, "rewind")), search.mask(1)
    for name, value in rewound.items():
        early = states[2][name]
        expected = np.where(mask[name], early, np.float32(0)) if name in mask else early
        assert value.tobytes() == expected.tobytes(), name


def test_a_loop_may_end_by_its_data():
    """The last step is done, but nobody asks for one after it."""
    search, _, step = search_and_step(levels=1)

    def train(steps: TrainingSteps) -> None:
        for number, _ in zip(range(ITERATIONS), steps, strict=False):
            step(number)

    search.run(train, iterations=ITERATIONS, verbose=False)
    assert len(search.history.levels) == 2


def test_a_loop_that_stops_early_is_refused_and_earlier_levels_are_kept():
    search, _, step = search_and_step()
    levels = []

    def train(steps: TrainingSteps) -> dict[str, float]:
        levels.append(len(levels))
        for number in steps:
            step(number)
            if levels[-1] == 1 and number == 3:
                break
        return {"loss": 1.0}

    with pytest.raises(ValueError, match=r"returned at iteration 4 of 6.*all steps"):
        search.run(train, iterations=ITERATIONS, verbose=False)
    assert [level.level for level in search.history.levels] == [0]
    assert get_mask(search.restore(0)).density == 1
    with pytest.raises(ValueError, match="level=1 is not finished"):
        search.restore(1)
    search.run(train, iterations=ITERATIONS, verbose=False)
    assert [level.level for level in search.history.levels] == [0, 1, 2]


def test_a_loop_that_changes_pruned_weights_is_refused():
    search, model, step = search_and_step()

    def train(steps: TrainingSteps) -> None:
        for number in steps:
            step(number)
        kernel, _ = masked_variables(model)["output/kernel"]
        kernel.assign_add(tf.ones_like(kernel))

    with pytest.raises(ValueError, match=r"changed pruned weights of output/kernel.*set_mask"):
        search.run(train, iterations=ITERATIONS, verbose=False)
    assert [level.level for level in search.history.levels] == [0]


@pytest.mark.slow
@BOTH
def test_fit_notices_changed_pruned_weights_too(keras: ModuleType):
    model = build(keras)
    model.compile(sgd(keras), "mse")
    kernel, _ = masked_variables(model)["hidden/kernel"]
    move = tf_keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: kernel.assign_add(tf.ones_like(kernel))
    )
    # Where all weights compete, those that are moved would be the only ones to remain.
    search = IterativeMagnitudePruning(model, 1, 0.5, scope="layerwise")
    with pytest.raises(ValueError, match=r"changed pruned weights of hidden/kernel"):
        search.fit(IMAGES, TARGETS, callbacks=[move], verbose=0)


@pytest.mark.parametrize("loss", [float("nan"), pytest.param(float("inf"), marks=pytest.mark.slow)])
def test_a_loss_that_is_not_finite_ends_the_search(loss: float):
    search, _, step = search_and_step()
    levels = []

    def train(steps: TrainingSteps) -> dict[str, float]:
        levels.append(len(levels))
        for number in steps:
            step(number)
        return {"loss": loss if levels[-1] else 1.0}

    with pytest.raises(TrainingDivergedError, match="level 1: the loss is"):
        search.run(train, iterations=ITERATIONS, verbose=False)
    assert [level.level for level in search.history.levels] == [0]


def untouched(steps: TrainingSteps) -> None:
    raise AssertionError("training began")


@pytest.mark.parametrize("rewind_step", ["6it", "1ep", "100%", 7])
def test_a_rewind_step_after_the_end_is_refused_before_training(rewind_step):
    search, _, _ = search_and_step(rewind_step=rewind_step)
    with pytest.raises(ValueError, match=r"rewind_step=.*training ends at 6"):
        search.run(untouched, iterations=ITERATIONS, verbose=False)


@pytest.mark.parametrize("score", ["snip", "taylor", "grasp"])
def test_scores_that_need_data_are_refused_before_training(score: str):
    search, _, _ = search_and_step(score=score)
    with pytest.raises(ValueError, match=rf"score={score}.*a loop of yours does not show"):
        search.run(untouched, iterations=ITERATIONS, verbose=False)


def test_an_optimizer_is_needed():
    with pytest.raises(ValueError, match=r"not compiled.*optimizer of your own loop"):
        IterativeMagnitudePruning(build(tf_keras), 1)


def test_a_line_per_level_is_printed_unless_not_wanted(capsys):
    search, _, step = search_and_step(levels=1)
    search.run(lambda steps: [step(n) for n in steps] and None, iterations=ITERATIONS)
    assert capsys.readouterr().out.splitlines() == [
        "Level 0 of 1, density 100.0%",
        "Level 1 of 1, density 50.0%",
    ]


def test_another_optimizer_than_the_rewound_one_is_told():
    model, rewound = build(tf_keras), sgd(tf_keras)
    search = IterativeMagnitudePruning(model, 1, 0.5, optimizer=rewound)
    step = train_step(model, sgd(tf_keras))
    with pytest.warns(
        UserWarning, match=r"rewinds \(SGD\) has taken no step.* as optimizer="
    ) as said:
        search.run(
            lambda steps: [step(number) for number in steps] and None,
            iterations=ITERATIONS,
            verbose=False,
        )
    assert said[0].filename == __file__


def test_a_training_step_with_another_optimizer_than_the_rewound_one_is_told():
    class OwnStep(tf_keras.Sequential):
        def train_step(self, data):
            images, targets = data
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(self(images, training=True) - targets))
            weights = self.trainable_variables
            self.of_the_user.apply_gradients(
                zip(tape.gradient(loss, weights), weights, strict=True)
            )
            return {"loss": loss}

    model = prunable(OwnStep([tf_keras.Input((5,)), tf_keras.layers.Dense(2)]))
    model.compile()
    model.of_the_user = sgd(tf_keras)
    search = IterativeMagnitudePruning(model, 1, 0.5, optimizer=sgd(tf_keras))
    with pytest.warns(UserWarning, match=r"rewinds \(SGD\) has taken no step") as said:
        search.fit(IMAGES, TARGETS, batch_size=BATCH, verbose=0)
    assert said[0].filename == __file__
