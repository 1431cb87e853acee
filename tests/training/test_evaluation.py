"""Loss and accuracy of a split, against NumPy."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_lottery.training.evaluation import Evaluator
from tf_lottery.training.execution import ExecutionPlan


def network() -> keras.Model:
    model = keras.Sequential(
        [
            keras.layers.Flatten(input_shape=(3, 2)),
            keras.layers.Dense(4),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(3),
        ]
    )
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    return model


def examples(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    images = rng.integers(0, 3, (count, 3, 2)).astype(np.uint8)
    return images, rng.integers(0, 3, count).astype(np.int32)


def expected(model: keras.Model, images: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    hidden, bias, output, output_bias = (w.astype(np.float64) for w in model.get_weights())
    logits = (images.reshape(-1, 6) @ hidden + bias) @ output + output_bias
    log_sum = np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1)) + logits.max(1)
    losses = log_sum - logits[np.arange(len(labels)), labels]
    return losses.mean(), np.mean(logits.argmax(1) == labels)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("count", [1, 7, 8, 9, 29])
def test_against_numpy(count: int, compiled: bool):
    model, (images, labels) = network(), examples(count)
    evaluate = Evaluator(model, images, labels, ExecutionPlan(compiled, False, 1, 8))
    loss, accuracy = expected(model, images, labels)
    result = evaluate()
    assert result.loss == pytest.approx(loss, rel=1e-5)
    assert result.accuracy == accuracy
    assert evaluate() == result


def test_it_sees_the_weights_as_they_are_now():
    model, (images, labels) = network(), examples(20)
    evaluate = Evaluator(model, images, labels, ExecutionPlan(True, False, 1, 8))
    evaluate()
    model.set_weights([-w for w in model.get_weights()])
    loss, accuracy = expected(model, images, labels)
    assert evaluate() == (pytest.approx(loss, rel=1e-5), accuracy)


def test_two_replicas(mirrored: tf.distribute.Strategy):
    images, labels = examples(11)
    with mirrored.scope():
        model = network()
        result = Evaluator(model, images, labels, ExecutionPlan(False, False, 1, 4))()
    loss, accuracy = expected(model, images, labels)
    assert result == (pytest.approx(loss, rel=1e-5), accuracy)
