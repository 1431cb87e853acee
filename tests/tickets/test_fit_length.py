"""How long `model.fit` runs, as Keras itself counts it."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_lottery.tickets.fit.length import infer_steps_per_epoch, resolve_rewind_step

X, Y = np.zeros((30, 2), np.float32), np.zeros((30, 1), np.float32)


class Batches(keras.utils.Sequence):
    def __len__(self):
        return 7

    def __getitem__(self, index):
        return X[:2], Y[:2]


@pytest.mark.parametrize(
    ("x", "arguments", "expected"),
    [
        (X, {}, 1),
        (X, {"batch_size": 4}, 8),
        (X, {"batch_size": 4, "validation_split": 0.1}, 7),
        (X, {"batch_size": 1, "validation_split": 0.35}, 19),
        ((X, Y), {"batch_size": 10}, 3),
        ({"a": X}, {"batch_size": 7}, 5),
        (tf.data.Dataset.from_tensor_slices((X, Y)).batch(4), {}, 8),
        (tf.data.Dataset.from_tensor_slices((X, Y)).batch(4), {"steps_per_epoch": 3}, 3),
        (tf.data.Dataset.from_tensor_slices((X, Y)).batch(4).repeat(), {}, None),
        (tf.data.Dataset.from_tensor_slices((X, Y)).filter(lambda x, y: True), {}, None),
        (Batches(), {}, 7),
        (iter([(X, Y)]), {}, None),
    ],
)
def test_steps_per_epoch(x, arguments, expected):
    assert infer_steps_per_epoch(x, arguments) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    "split",
    [0.07, *(pytest.param(s, marks=pytest.mark.slow) for s in (0.1, 0.3, 1 / 3)), 0.29, 0.58],
)
def test_validation_splits_are_rounded_as_keras_does(split: float):
    model = keras.Sequential([keras.layers.Dense(1, input_shape=(1,))])
    model.compile("sgd", "mse", steps_per_execution=100, run_eagerly=False)
    steps = []
    count = keras.callbacks.LambdaCallback(on_batch_end=lambda batch, logs: steps.append(batch + 1))
    x = np.zeros((100, 1), np.float32)
    model.fit(x, x, batch_size=1, validation_split=split, verbose=0, callbacks=[count])
    assert infer_steps_per_epoch(x, {"batch_size": 1, "validation_split": split}) == steps[-1]


def resolve(rewind_step, steps_per_execution=1, steps_per_epoch=10, epochs=3) -> int:
    return resolve_rewind_step(
        rewind_step,
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        steps_per_execution=steps_per_execution,
    )


def test_rewind_steps():
    assert [resolve(s) for s in ("0it", 7, "2ep", "10%", "1.5ep")] == [0, 7, 20, 3, 15]
    assert resolve("7it", steps_per_epoch=None) == 7
    for step in ("30it", "3ep", "100%"):
        with pytest.raises(ValueError, match=rf"rewind_step='{step}' is iteration 30"):
            resolve(step)


def test_executions_of_several_steps():
    """Callbacks run between executions: the rewind step and the levels' ends must lie there."""
    assert resolve("2ep", 4) == 20
    assert resolve("6it", 2) == 6
    assert resolve("5it", 5) == 5
    assert resolve("8it", 4, steps_per_epoch=None) == 8
    for step, executed in (("3it", 2), ("4it", 4), ("14it", 4)):
        with pytest.raises(ValueError, match=f"steps_per_execution={executed}"):
            resolve(step, executed)
