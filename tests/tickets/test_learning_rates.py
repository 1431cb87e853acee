"""Callbacks that set the learning rate beside `PruneAndRewind`, or as its level's."""

import warnings
from types import ModuleType
from typing import Any

import pytest
import tf_keras

import tf_lottery
from tests.tickets.small_searches import BATCHES, BOTH, STEPS, network


def scheduler(keras: ModuleType) -> Any:
    return keras.callbacks.LearningRateScheduler(lambda epoch: 0.08 * 0.5**epoch)


def fit(
    keras: ModuleType, *beside: Any, levels: int = 2, rate: Any = 0.1, order: int = 1, **arguments
) -> None:
    """Levels of two epochs, rewound to the end of the first, if nothing else is said."""
    arguments = {"epochs_per_level": 2, "rewind_step": "1ep"} | arguments
    imp = tf_lottery.PruneAndRewind(levels, **arguments)
    network(keras, rate).fit(
        BATCHES,
        epochs=imp.epochs(STEPS),
        callbacks=[*beside, imp][::order],
        validation_data=BATCHES,
        verbose=0,
    )


@BOTH
@pytest.mark.parametrize("order", [1, pytest.param(-1, marks=pytest.mark.slow)])
def test_epochs_that_count_on_over_the_levels_are_told_once(keras, order):
    match = (
        r"level 1 begins with the learning rate 0\.02, but level 0 had 0\.04 at the rewind step, "
        r"and the optimizer is configured with 0\.1: .*LearningRateScheduler.*level_callbacks="
    )
    with pytest.warns(UserWarning, match=match) as caught:
        fit(keras, scheduler(keras), order=order)
    told = [each for each in caught if "learning rate" in str(each.message)]
    assert [each.filename for each in told] == [__file__]


@BOTH
@pytest.mark.parametrize(
    "case",
    [
        "scheduler of the level",
        pytest.param("scheduler of each level", marks=pytest.mark.slow),
        "plateau",
        "schedule",
        "constant",
        pytest.param("optimizer rewound", marks=pytest.mark.slow),
        pytest.param("fine-tuned", marks=pytest.mark.slow),
    ],
)
def test_what_begins_anew_is_not_told(keras, case):
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.9)
    plateau = keras.callbacks.ReduceLROnPlateau(patience=0, min_delta=9.0)
    constant = keras.callbacks.LearningRateScheduler(lambda epoch: 0.05)

    def each(level: int) -> list[Any]:
        return [keras.callbacks.LearningRateScheduler(lambda epoch: 0.08 * 0.5 ** (epoch + level))]

    with warnings.catch_warnings():
        warnings.filterwarnings("error", "level . begins with")
        match case:
            case "scheduler of the level":
                fit(keras, level_callbacks=[scheduler(keras)])
            case "scheduler of each level":
                fit(keras, level_callbacks=each)
            case "plateau":
                fit(keras, level_callbacks=[plateau])
            case "schedule":
                fit(keras, rate=schedule)
            case "constant":
                fit(keras, constant)
            case "optimizer rewound":
                fit(keras, level_callbacks=[plateau], rewind_optimizer=True)
            case "fine-tuned":
                fit(keras, retraining="fine_tune", fine_tune_learning_rate=0.02)


@pytest.mark.slow
def test_they_are_told_in_a_search_that_another_process_began(tmp_path):
    """Its level 0 is not seen, so all levels are to begin as the first that is."""
    fit(tf_keras, levels=0, folder=tmp_path / "search")
    with pytest.warns(UserWarning, match=r"level 2 begins with the learning rate 0\.04, "):
        fit(tf_keras, scheduler(tf_keras), folder=tmp_path / "search")


@pytest.mark.slow
def test_on_several_replicas_they_are_told_too(mirrored):
    with mirrored.scope():
        model = network(tf_keras)
    # Fine-tuning looks at the rate too.
    imp = tf_lottery.PruneAndRewind(1, 2, rewind_step="1ep", retraining="fine_tune")
    with pytest.warns(UserWarning, match=r"level 1 begins with the learning rate 0\.02, "):
        model.fit(
            BATCHES, epochs=imp.epochs(STEPS), callbacks=[scheduler(tf_keras), imp], verbose=0
        )


@BOTH
def test_a_rate_that_is_lowered_within_a_level_by_what_was_before_is_told(keras):
    """It begins with the right rate; periods that are those of the levels are not told."""

    class OwnPlateau(keras.callbacks.Callback):
        seen = 0

        def on_epoch_end(self, epoch, logs=None):
            self.seen += 1
            if self.seen == 5:
                self.model.optimizer.learning_rate = 0.01

    match = r"level 1 goes on at iteration 8 with the learning rate 0\.01, where level 0 had 0\.1: "
    with pytest.warns(UserWarning, match=match):
        fit(keras, OwnPlateau(), epochs_per_level=3, rewind_step="0it", levels=1)
    period = keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 * 0.5 ** (epoch % 3))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "level . ")
        fit(keras, period, epochs_per_level=3, rewind_step="0it", levels=1)
