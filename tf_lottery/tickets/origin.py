"""The level that a branch starts from, and where the branch starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tf_lottery.masking.masks import Mask, Weights
from tf_lottery.pruning.score import Evidence, Method
from tf_lottery.tickets.journal import LevelJournal
from tf_lottery.tickets.variants import Variant

if TYPE_CHECKING:  # They import TensorFlow, for which those that only look do not wait.
    from tf_lottery.pruning.plan import PruningPlan
    from tf_lottery.training.network import NetworkState


@dataclass(frozen=True)
class Start:
    """What a level is trained from.

    Attributes:
      state: weights, optimizer and step; the mask is yet to be applied to the weights.
      mask: what remains.
      rewind_optimizer: whether training begins with the state's optimizer slots, not fresh ones.
    """

    state: NetworkState
    mask: Mask
    rewind_optimizer: bool = False

    def with_weights(self, weights: Weights, *, keeps_slots: bool = False) -> Start:
        """The same step and mask with other weights, which the optimizer begins afresh with.

        Args:
          weights: all weights of the network.
          keeps_slots: whether they are so near to the state's that its slots belong to them too.
        """
        state = replace(self.state, weights=weights)
        return replace(self, state=state, rewind_optimizer=self.rewind_optimizer and keeps_slots)

    def with_mask(self, mask: Mask) -> Start:
        """The same step and weights with another mask."""
        return replace(self, mask=mask)


@dataclass(frozen=True)
class Origin:
    """A finished level of an experiment, from which a branch starts.

    Attributes:
      level: number of prunings.
      start: what the level was trained from. A branch changes one thing of it.
      random: draws what the branch draws; other numbers for another level or `--branch_seed`.
    """

    level: int
    start: Start
    random: np.random.Generator
    journal: LevelJournal
    plan: PruningPlan
    method: Method
    evidence: Callable[[int], Evidence]
    variant: Variant
    draw_weights: Callable[[int], Weights]
    other_journal: LevelJournal | None = None

    def new_weights(self) -> Weights:
        """Draws all weights of the network anew, from the distribution of the first ones."""
        return self.draw_weights(int(self.random.integers(2**31)))

    def of_variant(self, **changes: str) -> Start:
        """The level's mask, trained as another variant trains it.

        Args:
          **changes: fields of `Variant`.
        """
        return self._trained_as(replace(self.variant, **changes))

    def pruned_from(self, prune_from: str, plan: PruningPlan | None = None) -> Start:
        """A mask of as many weights of another network, trained as the run trains what it prunes.

        Args:
          prune_from: as in `Variant`.
          plan: which weights compete, and how many remain; by default as in the run.
        """
        from tf_lottery.pruning.judging import prune_by_score

        variant = replace(self.variant, prune_from=prune_from)
        if prune_from == "rewind_step":
            # Pruned before training, it has no trained weights to go on from.
            variant = replace(variant, retraining="rewind_weights")
        weights, mask = variant.judged(self.journal, self.level)
        evidence = self.evidence(self.level)
        return self._trained_as(variant).with_mask(
            prune_by_score(self.method, plan or self.plan, weights, mask, self.level, evidence)
        )

    def mask_of_other(self) -> Mask:
        """The mask of this level in another run.

        Raises:
          ValueError: if no other run was given.
        """
        if self.other_journal is None:
            raise ValueError("--other_run is not given: the run folder whose masks are taken.")
        return self.other_journal.load(self.level)[1]

    def next_mask(self) -> Mask:
        """The mask of the next level.

        Raises:
          ValueError: if that is not finished.
        """
        following = self.level + 1
        if not self.journal.is_complete(following):
            raise ValueError(f"level {self.level} needs level {following}, which is not finished.")
        return self.journal.load(following)[1]

    def _trained_as(self, variant: Variant) -> Start:
        state = variant.start(self.journal, self.level)
        # The slots of the rewind step belong to its weights.
        rewinds = self.start.rewind_optimizer and variant.retraining == "rewind_weights"
        return replace(self.start, state=state, rewind_optimizer=rewinds)
