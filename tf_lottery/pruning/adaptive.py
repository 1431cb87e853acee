"""Prunes as much at once as the loss of the network allows."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tf_lottery.config.arguments import MOST_LEVELS, check_fraction, is_number, refusal
from tf_lottery.masking.masks import Mask
from tf_lottery.pruning.judging import prune_by_score, try_score
from tf_lottery.pruning.plan import PruningPlan
from tf_lottery.pruning.pruner import Pruned
from tf_lottery.pruning.score import Evidence, Method

# Of the remaining weights: how finely a rate is chosen.
_RESOLUTION = 200


@dataclass(frozen=True)
class AdaptiveRate:
    """A pruning rate that is chosen anew at each level: the largest that the loss allows.

    How much can be pruned at once and still be found again by training depends on how flat the loss
    is around the solution (arXiv 2210.03044, section 3.3). This asks the loss itself: it prunes,
    without retraining, the largest fraction of the remaining weights with which the training loss
    rises by at most `loss_rise`.

    Attributes:
      loss_rise: by how much the mean training loss may rise, in nats for a cross-entropy.
      least: fraction of the remaining weights that is pruned in any case; also where a pruning has
        come so near to `density`.
      most: fraction that is pruned at most.
      density: fraction of the prunable weights at which pruning ends, reached exactly; None: only
        the number of levels ends it.
    """

    loss_rise: float = 0.1
    least: float = 0.05
    most: float = 0.9
    density: float | None = None

    def __post_init__(self):
        if not is_number(self.loss_rise) or not 0 < self.loss_rise < math.inf:
            raise refusal("loss_rise", self.loss_rise, "use a positive number, such as 0.1")
        check_fraction("least", self.least, example=0.05)
        check_fraction("most", self.most, example=0.9)
        if self.least > self.most:
            raise refusal("least", self.least, f"use at most most={self.most}")
        if self.density is not None:
            check_fraction("density", self.density, example=0.05)
            if (1 - self.least) ** MOST_LEVELS > self.density:
                right = f"density={self.density} could take more than {MOST_LEVELS} levels"
                raise refusal("least", self.least, f"{right}; use a higher rate")

    def most_levels(self) -> int | None:
        """Number of prunings that take it to `density` at the least rate; None without one."""
        if self.density is None:
            return None
        return math.ceil(math.log(self.density) / math.log(1 - self.least) - 1e-9)


class AdaptivePruner:
    """Prunes level by level at an adaptive rate; see `pruner.Pruner`.

    Layers of other pruning rates than the plan's common one are pruned in proportion: where it
    keeps k of its weights, a layer of rate r keeps k^(log(1 - r) / log(1 - common rate)).
    """

    def __init__(self, method: Method, plan: PruningPlan, rate: AdaptiveRate):
        """Takes how weights are judged, which compete, and how far they are pruned."""
        self._method, self._plan, self._rate = method, plan, rate

    def check(self, weights: Mapping[str, np.ndarray], mask: Mask, evidence: Evidence) -> None:
        """Tries the score and the loss; arguments and errors as of `try_score`."""
        try_score(self._method, weights, mask, evidence)
        evidence.loss(weights, mask)

    def ends_at(self, mask: Mask) -> bool:
        """Whether the density is reached, or nothing more can be pruned."""
        return mask.remaining <= max(self._target(mask), self._plan.floor(mask))

    def prune(
        self, weights: Mapping[str, np.ndarray], mask: Mask, level: int, evidence: Evidence
    ) -> Pruned:
        """Finds the largest fraction that the loss allows, by bisection.

        The loss need not rise with each weight pruned: the fraction keeps it within bounds, and
        half a percent more does not, but some larger fraction might again.

        Args:
          weights: all weights of the trained network.
          mask: the mask pruned so far, at which this does not end.
          level: the new level.
          evidence: gives the training loss.

        Returns:
          The mask, and the rate with the losses before and after as record.

        Raises:
          ValueError: if the loss of the network is not finite, or as `PruningPlan.prune`.
        """
        before = evidence.loss(weights, mask)
        if not math.isfinite(before):
            raise ValueError(f"the training loss before the pruning of level {level} is {before}.")
        method = self._judging_once(weights, mask, evidence)
        total = mask.remaining

        def pruned_by(count: int) -> tuple[Mask, float]:
            plan = self._plan.leaving(mask, total - count)
            candidate = prune_by_score(method, plan, weights, mask, level, evidence)
            return candidate, evidence.loss(weights, candidate)

        def allowed(found: tuple[Mask, float]) -> bool:
            return math.isfinite(found[1]) and found[1] - before <= self._rate.loss_rise

        end = total - max(self._target(mask), self._plan.floor(mask))
        low = min(end, math.ceil(self._rate.least * total))
        high = max(low, min(end, math.floor(self._rate.most * total)))
        best = pruned_by(high)
        if low < high and not allowed(best):
            best = pruned_by(low)
            while high - low > max(1, total // _RESOLUTION) and allowed(best):
                middle = (low + high) // 2
                found = pruned_by(middle)
                if allowed(found):
                    low, best = middle, found
                else:
                    high = middle
        if best[0].remaining * (1 - self._rate.least) <= total - end:
            # Else the level after this one would be trained for less than the least rate.
            best = pruned_by(end)
        pruned, loss = best
        record = {
            "pruning_rate": 1 - pruned.remaining / total,
            "loss_before_pruning": before,
            "loss_after_pruning": loss,
        }
        return Pruned(pruned, record)

    def _target(self, mask: Mask) -> int:
        size = sum(array.size for array in mask.values())
        return 0 if self._rate.density is None else round(self._rate.density * size)

    def _judging_once(
        self, weights: Mapping[str, np.ndarray], mask: Mask, evidence: Evidence
    ) -> Method:
        """The method, whose scores are the same however much is pruned if it takes one round."""
        if self._method.rounds > 1:
            return self._method
        scores = self._method.score(weights, mask, evidence)
        return replace(self._method, score=lambda *arguments: scores)
