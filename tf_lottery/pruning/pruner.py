"""How a search comes from the network of one level to the mask of the next."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from tf_lottery.masking.masks import Mask
from tf_lottery.pruning.judging import prune_by_score, try_score
from tf_lottery.pruning.plan import PruningPlan
from tf_lottery.pruning.score import Evidence, Method


@dataclass(frozen=True)
class Pruned:
    """The mask of a new level.

    Attributes:
      mask: what remains.
      record: what is to be recorded of the pruning.
    """

    mask: Mask
    record: Mapping[str, float] = field(default_factory=dict)


class Pruner(Protocol):
    """Prunes level by level."""

    def check(self, weights: Mapping[str, np.ndarray], mask: Mask, evidence: Evidence) -> None:
        """Tries before training what needs data or derivatives; raises ValueError if it fails."""
        ...

    def ends_at(self, mask: Mask) -> bool:
        """Whether a level with this mask is the last."""
        ...

    def prune(
        self,
        weights: Mapping[str, np.ndarray],
        mask: Mask,
        level: int,
        evidence: Evidence,
    ) -> Pruned:
        """Prunes the network that is judged to make a level."""
        ...


@dataclass(frozen=True)
class PlannedPruner:
    """Prunes to the number of weights that a plan leaves at each level.

    Attributes:
      method: judges the weights.
      plan: number of weights that remain at each level.
    """

    method: Method
    plan: PruningPlan

    def check(self, weights: Mapping[str, np.ndarray], mask: Mask, evidence: Evidence) -> None:
        """Tries the score; arguments and errors as of `try_score`."""
        try_score(self.method, weights, mask, evidence)

    def ends_at(self, mask: Mask) -> bool:
        """Whether a level with this mask is the last: only the number of levels ends it."""
        return False

    def prune(
        self,
        weights: Mapping[str, np.ndarray],
        mask: Mask,
        level: int,
        evidence: Evidence,
    ) -> Pruned:
        """Prunes to the level; arguments and errors as of `prune_by_score`."""
        return Pruned(prune_by_score(self.method, self.plan, weights, mask, level, evidence))
