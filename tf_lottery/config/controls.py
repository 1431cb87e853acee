"""Options of the randomness, and of branches."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from tf_lottery.config.branches import BRANCHES
from tf_lottery.config.options import at_least, check_options, names_of, option

# What run folders record of every branch, whether it has such a parameter or not.
_IN_EVERY_BRANCH = {"perturbation": 1.0}


@dataclass(frozen=True)
class SeedConfig:
    """Where the randomness comes from."""

    replicate: int = option(
        1, "Number of this repetition of the experiment, from 1.", within=at_least(1)
    )
    init_seed: int | None = option(
        None, "Draws the initial weights; unset: the replicate.", within=at_least(0)
    )
    data_seed: int | None = option(
        None, "Draws the data order; unset: the replicate.", within=at_least(0)
    )

    def __post_init__(self):
        check_options(self)


@dataclass(frozen=True)
class BranchConfig:
    """What a branch changes of the level that it starts from.

    Attributes:
      parameters: the branch's own, which are flags too.
    """

    branch: str | None = option(
        None,
        "Control that starts from levels of --run; several are separated by commas. A + between "
        "two puts the mask of the first on the weights of the second.",
    )
    branch_seed: int = option(
        0, "Draws what a branch draws: other weights, other masks.", within=at_least(0)
    )
    other_run: str | None = option(
        None,
        "Run folder of the replicate whose masks --branch=mask_of_replicate takes, or whose "
        "solutions --experiment=same_region compares with; unset there: the first other replicate. "
        "With --experiment=compare: another run whose masks are compared with.",
        path=True,
    )
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self):
        check_options(self)
        if self.branch is not None:
            # The class is frozen; what is not given has its default.
            parameters = BRANCHES.find(self.branch).checked(self.parameters)
            object.__setattr__(self, "parameters", MappingProxyType(parameters))

    def values(self) -> dict[str, Any]:
        """Flag values that the results depend on, keyed by flag name."""
        own = {name: getattr(self, name) for name in names_of(self)}
        return {**_IN_EVERY_BRANCH, **own, **self.parameters}
