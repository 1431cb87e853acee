"""A search with the optimizers, callbacks, weights and strategies of Keras."""

import numpy as np
import pytest
import tf_keras as keras

from tests.same_weights import assert_same_weights
from tf_lottery.masking.layers import model_variables
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import get_mask
from tf_lottery.tickets.fit.search import IterativeMagnitudePruning
from tf_lottery.training.network import weights_of

TOTAL = 6 * 10 + 10 * 3


def assert_zeros(model: keras.Model, mask: Mask) -> None:
    assert get_mask(model) == mask
    variables = model_variables(model)
    for name, array in mask.items():
        assert not variables[name].numpy()[~array].view(np.uint32).any()


def test_the_schedule_of_the_learning_rate_continues_from_the_rewind_step(build_model, batches):
    seen: dict[int, list[float]] = {}
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([5, 9], [0.1, 0.01, 0.001])
    model = build_model(keras.optimizers.SGD(schedule))

    def watch(level: int) -> list[keras.callbacks.Callback]:
        rates = seen.setdefault(level, [])
        note = keras.callbacks.LambdaCallback(
            on_batch_end=lambda batch, logs: rates.append(float(model.optimizer.learning_rate))
        )
        return [note]

    search = IterativeMagnitudePruning(model, levels=1, rewind_step="3it")
    search.fit(batches, epochs=3, verbose=0, callbacks=watch)
    expected = [0.1] * 6 + [0.01] * 4 + [0.001] * 2
    np.testing.assert_allclose(seen[0], expected, rtol=1e-6)
    np.testing.assert_allclose(seen[1], expected[3:], rtol=1e-6)


def test_a_learning_rate_that_a_callback_lowered_is_undone(build_model, batches):
    rates: dict[int, list[float]] = {}
    model = build_model()

    def lower(level: int) -> list[keras.callbacks.Callback]:
        noted = rates.setdefault(level, [])
        rate = model.optimizer.learning_rate
        note = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: noted.append(float(rate))
        )
        return [
            note,
            keras.callbacks.ReduceLROnPlateau("loss", factor=0.5, patience=1, min_delta=1e9),
        ]

    IterativeMagnitudePruning(model, levels=2).fit(batches, epochs=3, verbose=0, callbacks=lower)
    assert rates[0][0] > rates[0][-1]
    assert rates[0] == rates[1] == rates[2]


def test_callbacks_that_restore_weights_keep_zeros(build_model, batches):
    model = build_model()
    stopped_at = {}

    def stop_early(level: int) -> list[keras.callbacks.Callback]:
        stopped_at[level] = keras.callbacks.EarlyStopping(
            "loss", mode="max", patience=1, restore_best_weights=True
        )
        return [stopped_at[level]]

    search = IterativeMagnitudePruning(model, levels=2, pruning_rate=0.5, rewind_step="2it")
    search.fit(batches, epochs=6, verbose=0, callbacks=stop_early)
    assert all(stopper.stopped_epoch > 0 for stopper in stopped_at.values())
    assert len(search.history.levels) == 3
    assert_zeros(model, search.mask(2))
    for level in range(3):
        assert_zeros(search.restore(level), search.mask(level))


@pytest.mark.parametrize("rewind_optimizer", [pytest.param(False, marks=pytest.mark.slow), True])
def test_averaged_weights_are_masked(build_model, batches, rewind_optimizer):
    model = build_model(keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5))
    search = IterativeMagnitudePruning(
        model, 2, 0.5, rewind_step="2it", rewind_optimizer=rewind_optimizer
    )
    search.fit(batches, epochs=2, verbose=0)
    assert_zeros(model, search.mask(2))
    assert_zeros(search.restore(1), search.mask(1))


@pytest.mark.slow
def test_momentum_starts_fresh_or_is_rewound(build_model, batches):
    slots = {}
    for rewind_optimizer in (False, True):
        model = build_model()
        search = IterativeMagnitudePruning(
            model, 1, rewind_step="3it", rewind_optimizer=rewind_optimizer
        )

        def watch(level: int, model=model, key=rewind_optimizer) -> list[keras.callbacks.Callback]:
            def note(logs):
                slots[key, level] = [slot.numpy() for slot in model.optimizer.variables[1:]]

            return [keras.callbacks.LambdaCallback(on_train_begin=note)]

        search.fit(batches, epochs=2, verbose=0, callbacks=watch)
    other = build_model()
    other.fit(batches.take(3), verbose=0)
    assert len(slots[False, 1]) > 2
    assert not any(slot.any() for slot in slots[False, 1])
    for rewound, early in zip(slots[True, 1], other.optimizer.variables[1:], strict=True):
        np.testing.assert_array_equal(rewound, early)


@pytest.mark.slow
def test_class_weights_and_arrays(build_model, arrays):
    """A class without weight leaves no trace: its labels may as well be others."""
    x, y = arrays
    search = IterativeMagnitudePruning(build_model(weighted_metrics=["accuracy"]), levels=1)
    search.fit(
        x, y, epochs=2, batch_size=4, shuffle=False, verbose=0,
        class_weight={0: 1.0, 1: 3.0, 2: 0.0},
    )  # fmt: skip
    frames = []
    for labels in (y, np.where(y == 2, 0, y)):
        sample = IterativeMagnitudePruning(build_model(weighted_metrics=["accuracy"]), levels=1)
        sample.fit(
            x, labels, epochs=2, batch_size=4, shuffle=False, verbose=0,
            sample_weight=np.array([1.0, 3.0, 0.0])[y],
        )  # fmt: skip
        assert search.mask(1) == sample.mask(1)
        frames.append(sample.history.to_frame().astype(float))
    by_class, (by_sample, relabelled) = search.history.to_frame().astype(float), frames
    np.testing.assert_allclose(by_class, by_sample, rtol=1e-5)
    np.testing.assert_allclose(by_class, relabelled, rtol=1e-5)


@pytest.mark.slow
def test_two_replicas(build_model, batches, mirrored, make_counter):
    counters = {}

    def count(level: int) -> list[keras.callbacks.Callback]:
        counters[level] = make_counter()
        return [counters[level]]

    with mirrored.scope():
        model = build_model()
    search = IterativeMagnitudePruning(model, levels=2, pruning_rate=0.5, rewind_step="3it")
    search.fit(batches, epochs=2, verbose=0, callbacks=count)
    assert [counter.batches for counter in counters.values()] == [8, 5, 5]
    assert [r.weights_remaining for r in search.history.levels] == [90, 45, round(22.5)]
    assert_zeros(model, search.mask(2))
    for variable in model.trainable_variables:
        one, two = mirrored.experimental_local_results(variable)
        np.testing.assert_array_equal(one, two)


@pytest.mark.slow
def test_steps_per_execution(build_model, batches):
    searches = []
    for steps in (1, 2):
        model = build_model(steps_per_execution=steps)
        search = IterativeMagnitudePruning(model, levels=1, rewind_step="2it")
        search.fit(batches, epochs=2, verbose=0)
        searches.append(search)
    one, two = searches
    assert one.mask(1) == two.mask(1)
    assert_same_weights(weights_of(one.restore(1)), weights_of(two.restore(1)))
    model = build_model(steps_per_execution=2)
    unsuitable = IterativeMagnitudePruning(model, 1, rewind_step="3it")
    with pytest.raises(ValueError, match=r"rewind_step='3it'.*steps_per_execution=2"):
        unsuitable.fit(batches, epochs=2, verbose=0)
    assert int(model.optimizer.iterations) == 0
