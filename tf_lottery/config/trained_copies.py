"""Which networks analyses train anew from the rewind step: flags that several of them share."""

from dataclasses import dataclass
from typing import Any

from tf_lottery.config.options import between, check_options, option, require
from tf_lottery.config.training import read_points

# Networks that tickets are compared with; branches of the same names.
BASELINES = ("random_mask", "random_reinitialization")
# More are a slip of the finger, and would take days.
MOST_TRAININGS = 1000


def _read_baselines(flag: str, text: Any) -> tuple[str, ...]:
    names = [name.strip() for name in text.split(",")] if text.strip() else []
    right = f"use {' or '.join(BASELINES)}, both, or nothing"
    require(set(names) <= set(BASELINES), flag.removeprefix("--"), text, right)
    return tuple(name for name in BASELINES if name in names)


@dataclass(frozen=True)
class Copies:
    """Copies that differ in the data order, of tickets and of what these are compared with."""

    copies: int = option(
        2,
        "Copies that --experiment=instability or stability trains of each network, in other data "
        "orders.",
        within=between(2, MOST_TRAININGS),
    )
    baselines: str = option(
        "random_mask,random_reinitialization",
        "What --experiment=instability and stability compare tickets with: random_mask, a random "
        "mask of the same layerwise densities; random_reinitialization, the ticket's mask on newly "
        "drawn weights; both, separated by a comma; empty: nothing.",
        reads=_read_baselines,
    )
    rewind_step: str | None = option(
        None,
        "With --experiment=instability and stability: the steps to train copies from, such as "
        "0it,500it, whose states the run has kept (--keep_states); unset: the run's rewind step.",
        reads=read_points,
    )

    def __post_init__(self):
        check_options(self)

    @property
    def chosen_baselines(self) -> tuple[str, ...]:
        """Those of `BASELINES` that `baselines` names."""
        return _read_baselines("--baselines", self.baselines)

    @property
    def rewind_points(self) -> tuple[str, ...]:
        """The points that `rewind_step` names; none: that of the run."""
        return read_points("--rewind_step", self.rewind_step)
