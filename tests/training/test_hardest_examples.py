"""The hardest examples never say that a loss is above a bound that it is not above."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_lottery.data import Split
from tf_lottery.training.execution import ExecutionPlan
from tf_lottery.training.hardest_examples import HardestExamples

CLASSES = 4


class Case:
    """Random logits by example, some of them hard."""

    def __init__(self, seed: int, examples: int, compiled: bool = False):
        generator = np.random.default_rng(seed)
        self._logits = tf.Variable(
            generator.gumbel(size=(examples, CLASSES)).astype(np.float32) * generator.uniform(1, 9)
        )
        self.labels = generator.integers(0, CLASSES, examples).astype(np.int32)
        numbers = np.arange(examples, dtype=np.float32)[:, None]
        inputs = keras.Input((1,))
        # The image of an example is its number.
        look_up = keras.layers.Lambda(lambda x: tf.gather(self._logits, tf.cast(x[:, 0], tf.int32)))
        self.hardest = HardestExamples(
            keras.Model(inputs, look_up(inputs)),
            Split(numbers, self.labels),
            ExecutionPlan(evaluation_batch=7, compile_loop=compiled),
        )

    def losses(self) -> np.ndarray:
        logits = self._logits.numpy().astype(np.float64)
        normalizer = np.log(np.exp(logits).sum(1))
        return normalizer - logits[np.arange(len(logits)), self.labels]

    def change(self, factor: float) -> None:
        self._logits.assign(self._logits * factor)


def test_before_they_are_chosen_nothing_is_shown():
    assert not Case(0, 50).hardest.show_loss_above(0.0)


@pytest.mark.parametrize("compiled", [False, True])
def test_they_are_a_fifth_with_the_largest_losses(compiled):
    case = Case(1, 100, compiled)
    case.hardest.choose()
    hardest = np.sort(case.losses())[-20:].sum() / 100
    assert case.hardest.show_loss_above(hardest * 0.999)
    assert not case.hardest.show_loss_above(hardest * 1.001)


@pytest.mark.parametrize("examples", [1, 3, 5, 20, 33])
def test_all_sizes_of_data(examples):
    case = Case(2, examples)
    case.hardest.choose()
    assert case.hardest.show_loss_above(0.0)
    assert not case.hardest.show_loss_above(case.losses().mean() * 1.001)


@pytest.mark.parametrize(("seeds", "least"), [(8, 1), pytest.param(40, 5, marks=pytest.mark.slow)])
def test_they_never_show_what_is_not_so(seeds, least):
    shown = 0
    for seed in range(seeds):
        case = Case(seed, 60)
        case.hardest.choose()
        before = case.losses().mean()
        case.change(np.random.default_rng(seed).uniform(0.3, 3))
        if case.hardest.show_loss_above(before):
            shown += 1
            assert case.losses().mean() > before
    assert shown > least
