"""Which weights compete with each other, and how many of them remain at each level."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tf_lottery.pruning.masks import Mask
from tf_lottery.pruning.ranking import keep_highest
from tf_lottery.pruning.schedule import IMPSchedule

SCOPES = ("global", "layerwise")


@dataclass(frozen=True)
class Group:
    """Weights that are ranked together.

    Attributes:
      names: weight names, in the order of the network.
      size: number of weights in all of them.
      schedule: gives the number that remains at each level.
    """

    names: tuple[str, ...]
    size: int
    schedule: IMPSchedule


@dataclass(frozen=True)
class PruningPlan:
    """Exact number of survivors of every group at every level."""

    groups: tuple[Group, ...]

    @classmethod
    def build(
        cls, sizes: Mapping[str, int], rates: Mapping[str, float], scope: str
    ) -> "PruningPlan":
        """Groups the weights of a network.

        Args:
          sizes: weight name to number of weights, in the order of the network.
          rates: weight name to pruning rate.
          scope: "layerwise": each array is ranked alone; "global": arrays of the same rate are
            ranked together, since a single ranking cannot remove two different fractions.

        Raises:
          ValueError: if the scope is unknown or there is nothing to prune.
        """
        if scope not in SCOPES:
            raise ValueError(f"scope={scope!r}: use one of {', '.join(SCOPES)}.")
        if not sizes:
            raise ValueError("the network has no prunable weights.")
        members: dict[float | str, list[str]] = {}
        for name in sizes:
            members.setdefault(rates[name] if scope == "global" else name, []).append(name)
        return cls(
            tuple(
                Group(tuple(names), sum(sizes[n] for n in names), IMPSchedule(rates[names[0]]))
                for names in members.values()
            )
        )

    def remaining(self, level: int) -> int:
        """Number of weights of the network that remain at a level."""
        return sum(group.schedule.remaining(group.size, level) for group in self.groups)

    def density(self, level: int) -> float:
        """Fraction of the prunable weights that remain at a level."""
        return self.remaining(level) / sum(group.size for group in self.groups)

    def check(self, levels: int) -> None:
        """Checks that something is left of every group after `levels` prunings.

        Raises:
          ValueError: if a level would leave no weight in a group; says how many are possible.
        """
        for group in self.groups:
            level = next(
                (n for n in range(levels + 1) if group.schedule.remaining(group.size, n) < 1), None
            )
            if level is not None:
                names = ", ".join(group.names)
                raise ValueError(
                    f"levels={levels}: at pruning rate {group.schedule.pruning_rate} none of the "
                    f"{group.size} weights of {names} would remain at level {level}; use at most "
                    f"{level - 1} levels or a lower pruning rate."
                )

    def prune(self, scores: Mapping[str, np.ndarray], mask: Mask, level: int) -> Mask:
        """Lowers the density to that of `level`.

        Args:
          scores: weight name to scores, arrays of the weights' shapes; the lowest are pruned.
          mask: the mask of the level before. What it prunes stays pruned.
          level: the new level.

        Returns:
          A mask with exactly `remaining(level)` weights.

        Raises:
          ValueError: if a surviving weight's score is NaN or fewer weights remain than must.
        """
        kept: dict[str, np.ndarray] = {}
        for group in self.groups:
            count = group.schedule.remaining(group.size, level)
            arrays = keep_highest(
                [scores[name] for name in group.names], [mask[name] for name in group.names], count
            )
            kept.update(zip(group.names, arrays, strict=True))
        return Mask({name: kept[name] for name in mask})
