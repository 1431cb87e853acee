"""The library retrains and ends at a density as the program does, and as one would by hand."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

import tf_lottery
from tests.either_keras import KERAS_3_FAST
from tests.same_weights import assert_same_weights
from tests.tickets.small_searches import BATCHES, BOTH, STEPS, network
from tf_lottery.masking.layers import model_variables
from tf_lottery.training.network import weights_of

EPOCHS = 3


def searching(keras: ModuleType = tf_keras, rate: Any = 0.1, levels: Any = 2, **arguments: Any):
    return tf_lottery.IterativeMagnitudePruning(network(keras, rate), levels, 0.5, **arguments)


def by_hand(keras: ModuleType, schedule: Any, retraining: str, own_rate: float | None) -> list:
    """Trained weights of levels 0 to 2: `fit` with optimizers made anew, masks by NumPy."""

    class Later(keras.optimizers.schedules.LearningRateSchedule):
        def __init__(self, begun: int):
            self.begun = begun

        def __call__(self, step):
            return schedule(tf.convert_to_tensor(step) + self.begun)

    model = network(keras, Later(0))
    model.fit(BATCHES, epochs=1, verbose=0)
    early = weights_of(model)
    model.fit(BATCHES, epochs=EPOCHS - 1, verbose=0)
    found, mask = [weights_of(model)], None
    for _ in range(2):
        trained = found[-1]
        kernels = [name for name in trained if name.endswith("kernel")]
        alive = mask or {name: np.ones(trained[name].shape, bool) for name in kernels}
        sizes = np.concatenate([np.abs(trained[n])[alive[n]] for n in kernels])
        least = np.sort(sizes)[-round(132 * 0.5 ** len(found))]
        mask = {name: alive[name] & (np.abs(trained[name]) >= least) for name in kernels}
        start = early if retraining == "rewind_weights" else trained
        rate = Later(STEPS)
        if retraining == "fine_tune":
            rate = own_rate or float(schedule(tf.constant(EPOCHS * STEPS - 1)))
        model = network(keras, rate)
        for name, variable in model_variables(model).items():
            variable.assign(start[name] * mask.get(name, np.True_))
        tf_lottery.set_mask(model, tf_lottery.Mask(mask))
        model.fit(BATCHES, epochs=EPOCHS - 1, verbose=0)
        found.append(weights_of(model))
    return found


@BOTH
@pytest.mark.parametrize(
    ("retraining", "own_rate"),
    [
        pytest.param("rewind_weights", None, marks=pytest.mark.slow),
        ("rewind_learning_rate", None),
        pytest.param("fine_tune", None, marks=pytest.mark.slow),
        pytest.param("fine_tune", 0.03, marks=pytest.mark.slow),
    ],
)
def test_each_retraining_is_what_one_would_do_by_hand(keras, retraining, own_rate):
    schedule = keras.optimizers.schedules.PolynomialDecay(0.1, EPOCHS * STEPS, 0.01)
    search = searching(
        keras, schedule, rewind_step="1ep", retraining=retraining, fine_tune_learning_rate=own_rate
    )
    history = search.fit(BATCHES, epochs=EPOCHS, verbose=0)
    end = 20 if retraining == "fine_tune" else 12
    assert [level.iterations for level in history.levels] == [12, end, end]
    model = search._network.model
    for level, expected in enumerate(by_hand(keras, schedule, retraining, own_rate)):
        assert_same_weights(weights_of(search.restore(level, into=model)), expected)


@BOTH
def test_a_rate_without_a_schedule_holds_or_is_another(keras):
    rates = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            rates.append(float(np.asarray(self.model.optimizer.learning_rate)))

    search = searching(keras, levels=1, retraining="fine_tune", fine_tune_learning_rate=0.02)
    search.fit(BATCHES, epochs=1, verbose=0, callbacks=[Look()])
    assert rates == pytest.approx([0.1] * STEPS + [0.02] * STEPS)
    searching(keras, levels=1, retraining="fine_tune").fit(
        BATCHES, epochs=1, verbose=0, callbacks=[Look()]
    )
    assert rates[2 * STEPS :] == pytest.approx([0.1] * 2 * STEPS)


def test_a_loop_of_ones_own_is_fine_tuned_too():
    seen = []

    def train(steps):
        seen.append([*steps])

    search = searching(rewind_step="3it", retraining="fine_tune")
    history = search.run(train, iterations=8, verbose=False)
    assert seen == [[*range(8)], [*range(8, 13)], [*range(8, 13)]]
    assert [level.iterations for level in history.levels] == [8, 13, 13]


def test_levels_that_begin_within_an_epoch_and_data_of_unknown_length():
    unknown = BATCHES.filter(lambda x, y: True)
    search = searching(rewind_step="3it", retraining="fine_tune")
    history = search.fit(unknown, epochs=2, verbose=0)
    assert [level.iterations for level in history.levels] == [8, 13, 13]
    told = (batch for batch in BATCHES)
    with pytest.raises(ValueError, match="retraining='fine_tune' depends on the length"):
        searching(retraining="fine_tune").fit(told, epochs=2, verbose=0)


def test_fine_tuning_at_a_rate_that_has_ended_is_refused_before_training():
    ended = tf_keras.optimizers.schedules.PolynomialDecay(0.1, 11, 0.0)
    search = searching(tf_keras, ended, retraining="fine_tune")
    with pytest.raises(ValueError, match=r"ends at 0, .*fine_tune_learning_rate, such as 0\.01 "):
        search.fit(BATCHES, epochs=EPOCHS, verbose=0)
    assert not search.history.levels
    imp = tf_lottery.PruneAndRewind(1, EPOCHS, retraining="fine_tune")
    with pytest.raises(ValueError, match="fine_tune_learning_rate, such as"):
        network(tf_keras, ended).fit(BATCHES, epochs=6, callbacks=[imp], verbose=0)
    search = searching(tf_keras, ended, retraining="fine_tune", fine_tune_learning_rate=0.01)
    assert len(search.fit(BATCHES, epochs=EPOCHS, verbose=0).levels) == 3


@KERAS_3_FAST
def test_a_saved_fine_tuned_model_trains_on_at_the_same_rate(keras, tmp_path):
    schedule = keras.optimizers.schedules.PolynomialDecay(0.1, STEPS, 0.01)
    search = searching(keras, schedule, 1, retraining="fine_tune", fine_tune_learning_rate=0.03)
    search.fit(BATCHES, epochs=1, verbose=0)
    search._network.model.save(tmp_path / "model.keras")
    optimizer = keras.models.load_model(tmp_path / "model.keras").optimizer
    rate = optimizer._learning_rate(optimizer.iterations)
    assert float(np.asarray(rate)) == pytest.approx(0.03)


@pytest.mark.parametrize(
    ("rate", "density", "remaining"),
    [
        (0.5, 0.3, [132, 66, 40]),
        pytest.param(0.5, 0.25, [132, 66, 33], marks=pytest.mark.slow),
        pytest.param(0.9, 0.5, [132, 66], marks=pytest.mark.slow),
    ],
)
def test_a_density_is_reached_exactly(rate, density, remaining):
    for arguments in ({}, {"prune_from": "dense"}, {"scope": "layerwise"}):
        search = tf_lottery.IterativeMagnitudePruning(
            network(tf_keras, 0.1), pruning_rate=rate, target_density=density, **arguments
        )
        history = search.run(lambda steps: [*steps] and None, iterations=1, verbose=False)
        assert [level.weights_remaining for level in history.levels] == remaining


def test_an_adaptive_rate_ends_at_the_density_too():
    search = tf_lottery.IterativeMagnitudePruning(
        network(tf_keras, 0.1), pruning_rate="auto", target_density=0.3
    )
    history = search.fit(BATCHES, epochs=1, verbose=0)
    assert history.levels[-1].weights_remaining == round(0.3 * 132)
    same = tf_lottery.IterativeMagnitudePruning(
        network(tf_keras, 0.1), pruning_rate=tf_lottery.AdaptiveRate(density=0.3)
    )
    assert same.fit(BATCHES, epochs=1, verbose=0).levels == history.levels


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"retraining": "rewind"}, "retraining='rewind': use one of rewind_weights, rewind_lea"),
        (
            {"retraining": "fine_tune", "prune_from": "rewind_step"},
            "retraining='fine_tune' does not go with prune_from='rewind_step'",
        ),
        (
            {"retraining": "rewind_learning_rate", "rewind_optimizer": True},
            "rewind_optimizer=True does not go with retraining='rewind_learning_rate'",
        ),
        (
            {"fine_tune_learning_rate": 0.1},
            "retraining='rewind_weights' does not go with fine_tune_learning_rate",
        ),
        (
            {"fine_tune_learning_rate": 0, "retraining": "fine_tune"},
            "fine_tune_learning_rate=0: use a positive",
        ),
        ({"target_density": 0.1}, "target_density=0.1 does not go with levels=2"),
        ({"target_density": 2, "levels": None}, "target_density=2: use a fraction"),
        (
            {"target_density": 0.1, "levels": None, "pruning_rate": [0.5, 0.2]},
            r"target_density=0.1 does not go with pruning_rate=\[0.5, 0.2\]",
        ),
        (
            {"target_density": 0.1, "levels": None, "structure": "2:4"},
            "target_density=0.1 does not go with structure='2:4'",
        ),
        (
            {
                "target_density": 0.1,
                "levels": None,
                "pruning_rate": tf_lottery.AdaptiveRate(density=0.2),
            },
            "target_density=0.1 does not go with pruning_rate=AdaptiveRate",
        ),
        (
            {"target_density": 1e-9, "levels": None},
            "target_density=1e-09: none of the .* use a higher density",
        ),
        ({"levels": None}, "levels=None: use a whole number, such as 5, or give target_density="),
    ],
)
def test_what_does_not_go_together_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        tf_lottery.IterativeMagnitudePruning(network(tf_keras, 0.1), **{"levels": 2, **arguments})
