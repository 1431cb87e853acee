"""Loss and accuracy of a split, against NumPy."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_lottery.data import ArrayEvaluationStream, Split
from tf_lottery.training.evaluation import Evaluation, Evaluator, StreamedEvaluator
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


def evaluate(
    model: keras.Model, data: tuple[np.ndarray, np.ndarray], streamed: bool, **plan
) -> Evaluation:
    plan = ExecutionPlan(**{"evaluation_batch": 8, **plan})
    if streamed:
        return StreamedEvaluator(model, ArrayEvaluationStream(Split(*data)), plan)()
    return Evaluator(model, Split(*data), plan)()


FEW_EXAMPLES = {(1, True, False), (8, True, False)}
EITHER_WAY = pytest.mark.parametrize("streamed", [False, True], ids=["resident", "streamed"])


@pytest.mark.parametrize(
    ("count", "compiled", "streamed"),
    [
        # Whole batches and one that is not, of any kind; one example, and one batch.
        pytest.param(
            *case,
            marks=[] if case[0] == 29 or case in FEW_EXAMPLES else pytest.mark.slow,
        )
        for case in itertools.product((1, 7, 8, 9, 29), (False, True), (False, True))
    ],
)
def test_against_numpy(count: int, compiled: bool, streamed: bool):
    model, data = network(), examples(count)
    loss, accuracy = expected(model, *data)
    result = evaluate(model, data, streamed, compile_loop=compiled)
    assert result.loss == pytest.approx(loss, rel=1e-5)
    assert result.accuracy == accuracy


@EITHER_WAY
def test_it_sees_the_weights_as_they_are_now(streamed: bool):
    model, (images, labels) = network(), examples(20)
    plan = ExecutionPlan(compile_loop=True, evaluation_batch=8)
    split = Split(images, labels)
    evaluate = (
        StreamedEvaluator(model, ArrayEvaluationStream(split), plan)
        if streamed
        else Evaluator(model, split, plan)
    )
    first = evaluate()
    assert evaluate() == first
    model.set_weights([-w for w in model.get_weights()])
    loss, accuracy = expected(model, images, labels)
    assert evaluate() == (pytest.approx(loss, rel=1e-5), accuracy)


@pytest.mark.parametrize(
    ("count", "streamed"),
    [
        *((11, False), (4, True)),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in ((3, True), (4, False))),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in ((3, False), (11, True))),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in ((16, True), (16, False))),
    ],
)
def test_two_replicas(mirrored: tf.distribute.Strategy, count: int, streamed: bool):
    data = examples(count)
    with mirrored.scope():
        model = network()
        result = evaluate(model, data, streamed, evaluation_batch=4)
    loss, accuracy = expected(model, *data)
    assert result == (pytest.approx(loss, rel=1e-5), accuracy)


def test_the_number_of_replicas_changes_no_bit(mirrored: tf.distribute.Strategy):
    data = examples(29)
    alone = evaluate(network(), data, streamed=False, evaluation_batch=4)
    with mirrored.scope():
        assert evaluate(network(), data, streamed=False, evaluation_batch=4) == alone
