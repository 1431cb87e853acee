"""Iterative magnitude pruning with rewinding."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from tf_lottery.pruning.masks import Mask
from tf_lottery.pruning.plan import PruningPlan
from tf_lottery.pruning.scores import Score, magnitude
from tf_lottery.training.network import Network, NetworkState


class LevelJournal(Protocol):
    """Keeps what each level leaves behind, in memory or in a run folder."""

    def is_complete(self, level: int) -> bool:
        """Whether the level was saved."""

    def load(self, level: int) -> tuple[Mapping[str, np.ndarray], Mask]:
        """Trained weights and mask of a complete level."""

    def save(
        self, level: int, weights: Mapping[str, np.ndarray], mask: Mask, record: Mapping[str, Any]
    ) -> None:
        """Completes a level."""

    def rewind_state(self) -> NetworkState:
        """The network at the rewind step of level 0."""


def iterative_magnitude_pruning(
    network: Network,
    plan: PruningPlan,
    levels: int,
    train: Callable[[int], Mapping[str, Any]],
    journal: LevelJournal,
    *,
    score: Score = magnitude,
    rewind_optimizer: bool = False,
) -> None:
    """Finds a sparse subnetwork that is trainable from an early point of training.

    The algorithm of arXiv 1803.03635, section 2, with the rewinding of arXiv 1912.05671, section 4:

    1. Randomly initialize a network.
    2. Train it to the end, keeping its state at the rewind step on the way.
    3. Prune the remaining weights with the lowest scores.
    4. Return those that are left to their values at the rewind step.
    5. Train from there to the end, and repeat from 3.

    Levels that the journal holds already are not done again.

    Args:
      network: the network as initialized; holds the last trained level at the end.
      plan: number of weights that remain at each level.
      levels: number of prunings.
      train: trains the network from its step to the end of training, given the level; at level 0
        it gives the journal the rewind state. Returns what is to be recorded of the level.
      journal: holds the finished levels.
      score: weights with the lowest scores are pruned.
      rewind_optimizer: rewind the optimizer's slots too, rather than start them fresh.
    """
    for level in range(levels + 1):
        if journal.is_complete(level):
            continue
        if level == 0:
            mask = network.mask
        else:
            trained_weights, mask = journal.load(level - 1)
            mask = plan.prune(score(trained_weights, mask), mask, level)
            del trained_weights  # not to be held while the next level is trained
            network.rewind(journal.rewind_state(), mask, rewind_optimizer=rewind_optimizer)
        record = train(level)
        journal.save(level, network.weights(), mask, record)
