"""Runs that are interrupted in the middle of a level, in the process of the test."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from tf_lottery.training.training_program import TrainingProgram


def interrupt_when(path: Path, run: Callable[[], object]) -> None:
    """Runs until a checkpoint is there, and interrupts training as Ctrl-C does.

    Args:
      path: of the checkpoint; they are written at every chance.
      run: trains.
    """
    train = TrainingProgram.run

    def stop(program, epoch, first, last):
        if path.exists():
            raise KeyboardInterrupt
        train(program, epoch, first, last)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("tf_lottery.experiments.running.level_records._CHECKPOINT_SHARE", math.inf)
        patch.setattr(TrainingProgram, "run", stop)
        run()
