"""Weights that compete with each other, and the number of them that remains."""

from bisect import bisect
from dataclasses import dataclass

from tf_lottery.masking.schedule import IMPSchedule


@dataclass(frozen=True)
class OnePruning:
    """In place of a schedule: the number of weights that one pruning leaves."""

    count: int
    pruning_rate: float

    def remaining(self, total: int, level: int) -> int:
        return self.count


@dataclass(frozen=True)
class Together:
    """In place of a schedule: as many weights as some groups have at a level."""

    groups: tuple["Group", ...]

    @property
    def pruning_rate(self) -> float:
        """Fraction of the weights removed at level 1."""
        size = sum(group.size for group in self.groups)
        return 1 - self.remaining(size, 1) / size

    def remaining(self, total: int, level: int) -> int:
        return sum(group.schedule.remaining(group.size, level) for group in self.groups)


@dataclass(frozen=True)
class Group:
    """Weights that are ranked together.

    Attributes:
      names: weight names, in the order of the network.
      size: number of weights in all of them.
      schedule: gives the number that remains at each level.
      floor: the fewest that can remain.
    """

    names: tuple[str, ...]
    size: int
    schedule: IMPSchedule | OnePruning | Together
    floor: int = 1

    def first_short_level(self, levels: int) -> int | None:
        """The first of so many levels that leaves fewer weights than the floor, if one does."""
        # Fewer and fewer remain.
        level = bisect(range(levels + 1), -self.floor, key=lambda level: -self._left(level))
        return level if level <= levels else None

    def check(self, levels: int, piece: str, flag: str) -> None:
        """Checks that enough is left of the weights after `levels` prunings.

        Args:
          levels: number of prunings.
          piece: what one of each array remains: "unit" or "block".
          flag: "--" where the arguments are flags.

        Raises:
          ValueError: if no weight would be left, or fewer than the floor; says how many levels are
            possible.
        """
        level = self.first_short_level(levels)
        if level is None:
            return
        fewer = f"at most {level - 1} level{'' if level == 2 else 's'} or " if level > 1 else ""
        raise ValueError(
            f"{flag}levels={levels}: {self.shortage(level, piece)} at their {flag}pruning_rate of "
            f"{self.schedule.pruning_rate}; use {fewer}a lower pruning rate."
        )

    def shortage(self, level: int, piece: str) -> str:
        """Says what a level leaves that leaves too little; `piece` as of `check`."""
        kept = "none" if self.floor == 1 else f"only {self._left(level)}"
        least = "" if self.floor == 1 else f" (but a {piece} of each has {self.floor})"
        names = ", ".join(self.names)
        return f"{kept} of the {self.size} weights of {names} would remain at level {level}{least}"

    def _left(self, level: int) -> int:
        return self.schedule.remaining(self.size, level)
