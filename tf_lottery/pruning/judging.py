"""Scores weights and prunes the lowest, in as many rounds as the method takes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from tf_lottery.masking.masks import Mask, Weights
from tf_lottery.pruning.plan import PruningPlan
from tf_lottery.pruning.score import Evidence, Method


def prune_by_score(
    method: Method,
    plan: PruningPlan,
    weights: Mapping[str, np.ndarray],
    mask: Mask,
    level: int,
    evidence: Evidence,
) -> Mask:
    """Prunes to a level by the scores of a method.

    A method of r rounds scores what the rounds before have left, and comes to the density of the
    level in r ratios, equal but for rounding (arXiv 2006.05467, section 6, algorithm 1).

    Args:
      method: scores the weights.
      plan: number of weights that remain at each level.
      weights: all weights of the network that is judged.
      mask: the mask pruned so far.
      level: the new level.
      evidence: what the score may look at besides.

    Returns:
      A mask with as many weights as the plan leaves at the level.

    Raises:
      ValueError: as `PruningPlan.prune`.
    """
    # Two of every four weights remain, and nothing is on the way to it.
    rounds = 1 if plan.structure == "2:4" else method.rounds
    for rounds_left in range(rounds, 0, -1):
        scores = method.score(weights, mask, evidence)
        mask = plan.prune(scores, mask, level, progress=1 / rounds_left)
    return mask


def try_score(
    method: Method, weights: Mapping[str, np.ndarray], mask: Mask, evidence: Evidence
) -> None:
    """Takes a score once if it may fail, so that one that cannot be taken is told before training.

    Those are scores of derivatives, and those of plug-ins.

    Args:
      method: scores the weights.
      weights: all weights of the network, such as the initial ones.
      mask: the mask.
      evidence: what the score may look at besides.

    Raises:
      ValueError: if it does not fit the network or the data.
    """
    if method.code is not None:
        method.score(weights, mask, cast("Evidence", _EvidenceBeforeTraining(evidence, weights)))
    elif method.needs_data or method.rounds > 1:
        method.score(weights, mask, evidence)


@dataclass(frozen=True)
class _EvidenceBeforeTraining:
    """Evidence of a network that has not come to its rewind step yet."""

    evidence: Evidence
    weights: Weights

    @property
    def rewind_weights(self) -> Weights:
        # Others than the weights, so that a score may divide by how far they have moved.
        return {name: array / 2 for name, array in self.weights.items()}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.evidence, name)
