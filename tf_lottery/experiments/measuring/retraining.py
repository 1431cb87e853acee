"""Trains pruned solutions on, to see whether the loss comes back."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tf_lottery.config.fine_tuning import check_fine_tuning_rate
from tf_lottery.data import Epoch
from tf_lottery.experiments.running.feeding import build_program
from tf_lottery.experiments.running.setup import Experiment
from tf_lottery.masking.masks import Mask, Weights
from tf_lottery.training.divergence import TrainingDivergedError
from tf_lottery.training.loop import train
from tf_lottery.training.network import NetworkState

# How often the loss is looked at in the steps that there are.
_LOOKS = 20


class Retrainer:
    """Training at the end of the schedule, until a loss is low enough or the steps are over.

    With the optimizer of the run, begun afresh, at the last learning rate of training or another.
    """

    def __init__(self, experiment: Experiment, steps: int, learning_rate: float | None = None):
        """Compiles nothing yet.

        Args:
          experiment: of the run.
          steps: how many there are, in iterations.
          learning_rate: another one than the last of training.

        Raises:
          ValueError: if the last learning rate is near 0 and no other is given.
        """
        config = experiment.config
        if learning_rate is None:
            check_fine_tuning_rate(
                replace(config.training, fine_tune_learning_rate=None),
                "--experiment=curvature retrains what it prunes",
                "--retrain_steps=0, which leaves retraining out, or --retrain_learning_rate",
            )
        self._steps = steps
        self._experiment = replace(
            experiment,
            config=replace(
                config,
                training=replace(config.training, fine_tune_learning_rate=learning_rate),
                pruning=replace(
                    config.pruning,
                    retraining="fine_tune",
                    prune_from="previous_level",
                    rewind_optimizer=False,
                ),
            ),
        )
        self._program = None

    def __call__(
        self,
        weights: Weights,
        mask: Mask,
        reaches: Callable[[Weights], bool],
        level: int,
    ) -> bool:
        """Whether training leads to weights that reach something.

        Args:
          weights: all weights to start from.
          mask: what remains.
          reaches: is asked a number of times on the way.
          level: whose data order is gone on with.

        Returns:
          Whether it was reached; not if training diverges.
        """
        if self._program is None:
            self._program = build_program(self._experiment)
        # An earlier training may have diverged.
        self._program.metrics()
        network, lengths = self._experiment.network, self._experiment.lengths
        first = lengths.train_steps
        network.rewind(NetworkState(first, weights, []), mask)
        config = self._experiment.config
        order = config.training.order_of(level)
        for start, end in self._parts(first):
            try:
                train(
                    self._program,
                    lambda number: Epoch(config.data_seed, order, number),
                    lengths.steps_per_epoch,
                    start,
                    end,
                    [],
                )
            except TrainingDivergedError:
                return False
            if reaches(network.weights()):
                return True
        return False

    def _parts(self, first: int) -> list[tuple[int, int]]:
        ends = np.unique(np.rint(np.linspace(0, self._steps, _LOOKS + 1)).astype(int)) + first
        return list(zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True))
