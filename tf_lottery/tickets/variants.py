"""Variants of iterative magnitude pruning: which network is pruned, and how it is trained again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, get_args

import numpy as np

from tf_lottery.config.arguments import check_choice
from tf_lottery.config.pruning import PruneFrom, Retraining
from tf_lottery.masking.masks import Mask
from tf_lottery.tickets.journal import LevelJournal

if TYPE_CHECKING:  # It imports TensorFlow, for which those that only look do not wait.
    from tf_lottery.training.network import NetworkState

_PRUNE_FROM, _RETRAINING = get_args(PruneFrom), get_args(Retraining)


def first_step(
    level: int, retraining: Retraining, train_steps: int | None, rewind_step: int
) -> int:
    """Iteration at which a level of iterative pruning starts."""
    return first_step_after_pruning(retraining, train_steps, rewind_step) if level else 0


def first_step_after_pruning(
    retraining: Retraining, train_steps: int | None, rewind_step: int
) -> int:
    """Iteration at which all levels after the first start.

    Raises:
      ValueError: if they are fine-tuned and the end of training, `train_steps`, is not known.
    """
    if retraining != "fine_tune":
        return rewind_step
    if train_steps is None:
        raise ValueError("retraining='fine_tune' has to know how long training is.")
    return train_steps


def last_step(first: int, train_steps: int, rewind_step: int) -> int:
    """Iteration at which a level that starts at `first` ends.

    A level that starts after the end of training (fine-tuning) is as long as a rewound one.
    """
    return train_steps if first < train_steps else first + train_steps - rewind_step


@dataclass(frozen=True)
class Variant:
    """Where a level after the first gets its mask and its first weights from.

    Attributes:
      prune_from: the network that is judged and pruned. "previous_level": iterative pruning;
        "dense": one-shot pruning of the trained dense network (both arXiv 1803.03635, section 2);
        "rewind_step": pruning before training.
      retraining: what a pruned network is trained from (arXiv 2003.02389, section 2).
        "rewind_weights": weights and learning rate of the rewind step; "rewind_learning_rate": its
        trained weights, with the learning rate of the rewind step; "fine_tune": its trained
        weights, after the end of training, where the learning rate stays the last.
      train_steps: iteration at which training ends.
      learning_rate: that of all pruned levels; None: as the optimizer has it.
    """

    prune_from: PruneFrom = "previous_level"
    retraining: Retraining = "rewind_weights"
    train_steps: int | None = None
    learning_rate: float | None = None

    def __post_init__(self):
        check_choice("prune_from", self.prune_from, _PRUNE_FROM)
        check_choice("retraining", self.retraining, _RETRAINING)

    def judged(self, journal: LevelJournal, level: int) -> tuple[Mapping[str, np.ndarray], Mask]:
        """The network that is pruned to make a level.

        Args:
          journal: holds the levels before.
          level: 1 or more.

        Returns:
          Its weights and its mask.
        """
        if self.prune_from == "rewind_step":
            return journal.rewind_state().weights, journal.load(0)[1]
        return journal.load(level - 1 if self.prune_from == "previous_level" else 0)

    def start(self, journal: LevelJournal, level: int) -> NetworkState:
        """The state from which a level is trained; its mask is yet to be applied.

        Args:
          journal: holds the levels before.
          level: 1 or more.
        """
        state = journal.rewind_state()
        if self.retraining == "rewind_weights":
            return state
        step = first_step_after_pruning(self.retraining, self.train_steps, state.step)
        return replace(state, weights=self.judged(journal, level)[0], step=step)
