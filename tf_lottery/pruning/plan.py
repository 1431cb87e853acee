"""Which weights compete with each other, and how many of them remain at each level."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import numpy as np

from tf_lottery.config.arguments import MOST_LEVELS, check_choice, check_whole, refusal
from tf_lottery.config.pruning import PruningScope, Structure
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.schedule import IMPSchedule
from tf_lottery.pruning.groups import Group, OnePruning, Together
from tf_lottery.pruning.ranking import ScoredBy, keep_highest
from tf_lottery.pruning.structures import (
    keep_highest_blocks,
    keep_highest_units,
    keep_n_of_m,
    shuffled,
)

SCOPES, STRUCTURES = get_args(PruningScope), get_args(Structure)


@dataclass(frozen=True)
class PruningPlan:
    """Number of survivors of every group at every level.

    Attributes:
      groups: weights that are ranked together.
      structure: what is removed; one of `STRUCTURES`. With "weights" the numbers are exact, "units"
        (whole units and filters) and "1x4" (blocks of four inputs of a unit) come as near as they
        can, and "2:4" halves kernels at once.
      unit_axes: weight name to the axes that count output units.
    """

    groups: tuple[Group, ...]
    structure: str = "weights"
    unit_axes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        sizes: Mapping[str, int],
        rates: Mapping[str, float | Sequence[float]],
        scope: str,
        structure: str = "weights",
        unit_axes: Mapping[str, tuple[int, ...]] | None = None,
        unit_sizes: Mapping[str, int] | None = None,
    ) -> "PruningPlan":
        """Groups the weights of a network.

        Args:
          sizes: weight name to number of weights, in the order of the network.
          rates: weight name to pruning rate, or to the rates of level 1, 2, ...
          scope: "layerwise": each array is ranked alone; "global": arrays of the same rate are
            ranked together, since a single ranking cannot remove two different fractions.
          structure: "weights", "units", "2:4" or "1x4".
          unit_axes: weight name to the axes that count output units; "weights" needs none.
          unit_sizes: weight name to the number of weights of a unit or block, of which one remains
            of each array; for "units" and "1x4" only.

        Raises:
          ValueError: if the scope or the structure is unknown, or there is nothing to prune.
        """
        for argument, value, known in (
            ("scope", scope, SCOPES),
            ("structure", structure, STRUCTURES),
        ):
            check_choice(argument, value, known)
        if not sizes:
            raise ValueError("the network has no prunable weights.")
        members: dict[Any, list[str]] = {}
        for name in sizes:
            members.setdefault(rates[name] if scope == "global" else name, []).append(name)
        return cls(
            tuple(
                Group(
                    tuple(names),
                    sum(sizes[name] for name in names),
                    IMPSchedule(rates[names[0]]),
                    sum(unit_sizes[name] for name in names) if unit_sizes else 1,
                )
                for names in members.values()
            ),
            structure,
            unit_axes or {},
        )

    def remaining(self, level: int) -> int:
        """Number of weights of the network that remain at a level."""
        return sum(group.schedule.remaining(group.size, level) for group in self.groups)

    def density(self, level: int) -> float:
        """Fraction of the prunable weights that remain at a level."""
        return self.remaining(level) / sum(group.size for group in self.groups)

    def ending_at(self, density: float) -> tuple["PruningPlan", int]:
        """Plans as many levels as a density takes; the last prunes no further than to it.

        Args:
          density: fraction of the prunable weights that is to remain, in (0, 1).

        Returns:
          The plan and its number of levels.

        Raises:
          ValueError: if the groups that are pruned at all are too small to reach the density.
        """
        total = sum(group.size for group in self.groups)
        kept = sum(group.size for group in self.groups if not group.schedule.pruning_rate)
        if kept >= density * total:
            raise ValueError(
                f"target_density={density}: {kept} of the {total} weights are in layers of pruning "
                f"rate 0, so that the density stays above {kept / total:.3g}."
            )

        import scipy.optimize  # Slow to import, and most plans are not of a density.

        def excess(levels: float) -> float:
            sizes = (
                group.size * (1 - group.schedule.pruning_rate) ** levels for group in self.groups
            )
            return sum(sizes) - density * total

        tolerance = 1e-9 * total
        levels = next((n for n in range(1, MOST_LEVELS + 1) if excess(n) <= tolerance), None)
        if levels is None:
            raise ValueError(
                f"target_density={density}: it takes more than {MOST_LEVELS} levels; use a higher "
                "pruning rate."
            )
        if excess(levels) >= -tolerance:
            return self, levels
        last = scipy.optimize.brentq(excess, levels - 1, levels)
        groups = []
        for group in self.groups:
            rate = group.schedule.pruning_rate
            final = 1 - (1 - rate) ** (last - levels + 1)
            groups.append(replace(group, schedule=IMPSchedule([rate] * (levels - 1) + [final])))
        return replace(self, groups=tuple(groups)), levels

    def leaving(self, mask: Mask, count: int) -> "PruningPlan":
        """Plans one pruning, to a number of weights.

        All groups go equally far along their schedules: each keeps (1 - its pruning rate)^s of the
        weights that it has, with the same s, but never fewer than its floor.

        Args:
          mask: the mask to be pruned.
          count: number of weights that are to remain.

        Returns:
          A plan that leaves so many at any level; more if the groups' floors and rates demand it.

        Raises:
          ValueError: if the mask has fewer weights.
        """
        import scipy.optimize  # As above.

        sizes = [self._remaining_of(group, mask) for group in self.groups]
        if not 0 <= count <= sum(sizes):
            raise ValueError(f"count={count}: use 0 to {sum(sizes)}, the weights that remain.")
        count = max(count, self.floor(mask))

        def kept(stride: float) -> np.ndarray:
            return np.array(
                [
                    max(min(group.floor, size), size * (1 - group.schedule.pruning_rate) ** stride)
                    for group, size in zip(self.groups, sizes, strict=True)
                ]
            )

        longest = next(n for n in (2.0**power for power in range(64)) if kept(n).sum() <= count)
        stride = scipy.optimize.brentq(lambda n: kept(n).sum() - count, 0, longest)
        counts = _rounded(kept(stride), count)
        groups = [
            replace(group, schedule=OnePruning(int(number), group.schedule.pruning_rate))
            for group, number in zip(self.groups, counts, strict=True)
        ]
        return replace(self, groups=tuple(groups))

    def together(self) -> "PruningPlan":
        """Plans as many weights in a single ranking of all that are pruned.

        Layers of pruning rate 0 stay as they are.
        """
        pruned = tuple(group for group in self.groups if group.schedule.pruning_rate)
        if len(pruned) < 2:
            return self
        one = Group(
            tuple(name for group in pruned for name in group.names),
            sum(group.size for group in pruned),
            Together(pruned),
            sum(group.floor for group in pruned) if self.structure != "weights" else 1,
        )
        others = tuple(group for group in self.groups if group not in pruned)
        return replace(self, groups=(one, *others))

    def with_layers_of(self, mask: Mask) -> "PruningPlan":
        """Plans one pruning that leaves as many weights of each array as a mask does."""
        groups = (
            Group((name,), array.size, OnePruning(int(np.count_nonzero(array)), 0.5))
            for name, array in mask.items()
        )
        return replace(self, groups=tuple(groups))

    def floor(self, mask: Mask) -> int:
        """The fewest weights of a mask that can remain: floors, and groups of rate 0."""
        return sum(
            min(group.floor, size) if group.schedule.pruning_rate else size
            for group in self.groups
            for size in [self._remaining_of(group, mask)]
        )

    def check(self, levels: int, flag: str = "") -> None:
        """Checks that enough is left of every group after `levels` prunings.

        Args:
          levels: number of prunings.
          flag: "--" where the arguments are flags.

        Raises:
          ValueError: if no level would prune any weight, or if one would leave no weight in a
            group, or fewer than a unit or block of each array; says how many are possible.
        """
        check_whole(f"{flag}levels", levels, 0, MOST_LEVELS)
        size = sum(group.size for group in self.groups)
        if levels and self.remaining(levels) >= size:
            rates = dict.fromkeys(group.schedule.pruning_rate for group in self.groups)
            given = " and ".join(str(rate) for rate in rates if rate)
            if not given:
                raise ValueError(
                    f"{flag}levels={levels}: nothing would be pruned, as the layers' own rates, "
                    f"which take the place of {flag}pruning_rate, are all 0; give one of them a "
                    "higher rate, such as 0.2, or none."
                )
            raise ValueError(
                f"{flag}pruning_rate={given}: it prunes none of the {size} weights "
                f"in {levels} levels; use a higher rate, such as 0.2."
            )
        for group in self.groups:
            group.check(levels, self._piece, flag)

    def check_density(self, density: float, levels: int, flag: str = "") -> None:
        """Checks a plan that ends at a density, as `check` does one of given levels.

        Args:
          density: that was given to `ending_at`.
          levels: number of prunings that it takes.
          flag: as of `check`.

        Raises:
          ValueError: as `check`, in words of the density.
        """
        argument, size = f"{flag}target_density", sum(group.size for group in self.groups)
        if self.remaining(levels) >= size:
            raise refusal(
                argument, density, f"it prunes none of the {size} weights; use a lower one"
            )
        for group in self.groups:
            level = group.first_short_level(levels)
            if level is not None:
                lower = ", or a lower pruning rate for these layers" * (len(self.groups) > 1)
                raise refusal(
                    *(argument, density),
                    f"{group.shortage(level, self._piece)}, and it takes {levels}; use a higher "
                    f"density{lower}",
                )

    @property
    def _piece(self) -> str:
        return "block" if self.structure == "1x4" else "unit"

    def prune(
        self, scores: Mapping[str, np.ndarray], mask: Mask, level: int, progress: float = 1.0
    ) -> Mask:
        """Lowers the density to that of `level`, or a part of the way to it.

        Args:
          scores: weight name to scores, arrays of the weights' shapes; the lowest are pruned.
          mask: the mask pruned so far. What it prunes stays pruned.
          level: the new level.
          progress: 1 for the density of the level; p in (0, 1) for the number of weights
            before * (after / before)^p in each group: methods that prune in r rounds come to the
            level with p = 1/r, 1/(r - 1), ..., 1. A group of which none are to remain is pruned
            in the last round alone.

        Returns:
          A mask with `remaining(level)` weights, or more on the way; see `structure`.

        Raises:
          ValueError: if a surviving weight's score is NaN or fewer weights remain than must.
        """
        kept: dict[str, np.ndarray] = {}
        for group in self.groups:
            masks = [mask[name] for name in group.names]
            count = group.schedule.remaining(group.size, level)
            if progress < 1:
                before = self._remaining_of(group, mask)
                # What is to be emptied stays until the end: no ratio leads there, and nothing would
                # flow through the network that the others are then scored in.
                count = round(before * (count / before) ** progress) if count else before
            arrays = self._kept(group, scores, masks, count)
            kept.update(zip(group.names, arrays, strict=True))
        return Mask.of_new({name: kept[name] for name in mask})

    def shuffled(self, mask: Mask, random: np.random.Generator) -> Mask:
        """Draws a mask with as many weights in each array, in pieces of the plan's structure."""
        return Mask(
            {
                name: shuffled(array, self.structure, self.unit_axes.get(name, ()), random)
                for name, array in mask.items()
            }
        )

    def _remaining_of(self, group: Group, mask: Mask) -> int:
        return sum(int(np.count_nonzero(mask[name])) for name in group.names)

    def _kept(
        self,
        group: Group,
        all_scores: Mapping[str, np.ndarray],
        masks: Sequence[np.ndarray],
        count: int,
    ) -> Sequence[np.ndarray]:
        if self.structure == "weights" and isinstance(all_scores, ScoredBy):
            arrays = [all_scores.arrays[name] for name in group.names]
            return keep_highest(arrays, masks, count, all_scores.key)
        scores = [all_scores[name] for name in group.names]
        if self.structure == "weights":
            return keep_highest(scores, masks, count)
        axes = [self.unit_axes[name] for name in group.names]
        if self.structure == "units":
            return keep_highest_units(scores, masks, count, axes)
        if self.structure == "1x4":
            return keep_highest_blocks(scores, masks, count, axes)
        # Groups of four are halved at once, in the last round of a level.
        halved = count <= group.schedule.remaining(group.size, 1) < group.size
        return keep_n_of_m(scores, masks, axes) if halved else masks


def _rounded(numbers: np.ndarray, total: int) -> np.ndarray:
    """Rounds numbers to integers of a given sum, by the largest remainders."""
    integers = np.floor(numbers).astype(np.int64)
    missing = total - int(integers.sum())
    largest = np.argsort(-(numbers - integers), kind="stable")[: max(missing, 0)]
    integers[largest] += 1
    return integers
