"""The training loop: runs steps and calls what is due."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tf_lottery.data import Epoch
from tf_lottery.interrupts import raise_if_interrupted
from tf_lottery.training.divergence import TrainingDivergedError
from tf_lottery.training.training_program import TrainingProgram
from tf_lottery.training.workers import Message, Workers

_SECONDS_PER_CALL = 1.0


@dataclass(frozen=True)
class StepCallback:
    """Something to be done at certain steps.

    Attributes:
      interval: due at multiples of it.
      final: due at the last step as well.
      repeats: due at further multiples than the first.
      act: called with the step.
    """

    interval: int
    act: Callable[[int], None]
    final: bool = True
    repeats: bool = True

    def next_due(self, step: int, last: int) -> int:
        """The first step after `step` at which it is due; beyond `last` if there is none."""
        if step >= self.interval and not self.repeats:
            return last if self.final else last + 1
        due = (step // self.interval + 1) * self.interval
        return min(due, last) if self.final else due


def train(
    program: TrainingProgram,
    epochs: Callable[[int], Epoch],
    steps_per_epoch: int,
    first: int,
    last: int,
    callbacks: Sequence[StepCallback],
    on_progress: Callable[[int], None] = lambda step: None,
) -> None:
    """Trains from step `first` to step `last`.

    Args:
      program: runs the steps.
      epochs: number of an epoch to the randomness that its batches are drawn with.
      steps_per_epoch: iterations in an epoch; what is left of its examples is not used.
      first: iterations done already.
      last: iterations when training is over.
      callbacks: called in the given order when they are due.
      on_progress: called about every second with the step reached.

    Raises:
      TrainingDivergedError: if the loss stops being finite; names the step.
    """
    workers = Workers()
    step, slice_steps = first, 1
    while step < last:
        epoch, position = divmod(step, steps_per_epoch)
        due = [callback.next_due(step, last) for callback in callbacks]
        stop = min([last, (epoch + 1) * steps_per_epoch, step + slice_steps, *due])
        started = time.perf_counter()
        program.run(epochs(epoch), position, position + stop - step)
        raise_if_interrupted()
        bad_step = program.first_bad_step()
        if bad_step is not None:
            raise TrainingDivergedError(f"the loss is not finite at step {bad_step}")
        short = time.perf_counter() - started < _SECONDS_PER_CALL / 2
        # The workers' clocks differ, but they have to stop at the same steps.
        if workers.from_chief(lambda short=short: Message(short)).record:
            slice_steps *= 2
        step = stop
        on_progress(step)
        for callback, when in zip(callbacks, due, strict=True):
            if when == step:
                callback.act(step)
