"""Training programs: many steps of a network to a call."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from tf_lottery.data import Epoch
from tf_lottery.training.step import TrainingStep


class TrainingMetrics(NamedTuple):
    """Means over the training steps since the last time they were read."""

    loss: float
    accuracy: float


class TrainingProgram(ABC):
    """Runs training steps of a network; subclasses know where the batches come from."""

    def __init__(self, step: TrainingStep, batch_size: int):
        """Starts the metrics.

        Args:
          step: one training step; its network was made in the scope of the current strategy.
          batch_size: examples in a step, over all replicas, which share it equally.
        """
        self._step, self._batch_size = step, batch_size
        self._steps_measured = 0

    def run(self, epoch: Epoch, first: int, last: int) -> None:
        """Runs the steps `first` to `last` (exclusive) of an epoch."""
        self._step.random_numbers.begin(epoch)
        self._train(epoch, first, last)
        self._steps_measured += last - first

    def metrics(self) -> TrainingMetrics:
        """Reads and resets the metrics; waits for the steps to be done."""
        examples = max(1, self._steps_measured * self._batch_size)
        sums, self._steps_measured = self._step.tally.read(), 0
        return TrainingMetrics(sums.loss / examples, sums.correct / examples)

    def first_bad_step(self) -> int | None:
        """First iteration with a loss that was not finite since the metrics were read."""
        return self._step.tally.first_bad_step()

    @abstractmethod
    def _train(self, epoch: Epoch, first: int, last: int) -> None:
        """Does what `run` promises; the steps are counted there."""
