"""Tells how far each adaptive pruning went, and how many levels are likely to follow."""

import math
from collections.abc import Mapping

import numpy as np

from tf_lottery.experiments.running.setup import Experiment
from tf_lottery.masking.masks import Mask
from tf_lottery.pruning.pruner import Pruned, Pruner
from tf_lottery.pruning.score import Evidence
from tf_lottery.report.progress.levels import ProgressReporter


class ReportedPruner:
    """An adaptive pruner that tells of each pruning."""

    def __init__(self, pruner: Pruner, experiment: Experiment, progress: ProgressReporter):
        """Says how many levels there will be, if all are pruned as the papers prune.

        Args:
          pruner: prunes.
          experiment: what it prunes in.
          progress: is told.
        """
        self._pruner, self._experiment, self._progress = pruner, experiment, progress
        self._density = experiment.config.pruning.target_density
        if self._density is not None:
            self._expect(experiment.plan.ending_at(self._density)[1], exact=False)

    def check(self, weights: Mapping[str, np.ndarray], mask: Mask, evidence: Evidence) -> None:
        """As the pruner's."""
        self._pruner.check(weights, mask, evidence)

    def ends_at(self, mask: Mask) -> bool:
        """As the pruner's."""
        return self._pruner.ends_at(mask)

    def prune(
        self, weights: Mapping[str, np.ndarray], mask: Mask, level: int, evidence: Evidence
    ) -> Pruned:
        """As the pruner's; tells of it."""
        pruned = self._pruner.prune(weights, mask, level, evidence)
        record = pruned.record
        self._progress.note(
            f"level {level} prunes {record['pruning_rate']:.1%}: training loss "
            f"{record['loss_before_pruning']:.4f} to {record['loss_after_pruning']:.4f}"
        )
        if self._density is not None:
            self._expect(*self._expected(self._density, level, mask.density, pruned.mask))
        return pruned

    def _expected(self, density: float, level: int, before: float, mask: Mask) -> tuple[int, bool]:
        if self._pruner.ends_at(mask):
            return level, True
        further = math.log(density / mask.density) / math.log(mask.density / before)
        return min(level + max(1, math.ceil(further)), self._experiment.levels), False

    def _expect(self, levels: int, exact: bool) -> None:
        firsts = [self._experiment.first_step(level) for level in range(levels + 1)]
        steps = [self._experiment.lengths.last(first) - first for first in firsts]
        self._progress.expect_levels(steps, exact=exact)
