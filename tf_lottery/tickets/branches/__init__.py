"""Controls that start from a level of an experiment and change one thing of it.

A branch is a file with a function of the same name, `(origin: Origin) -> Start`; that is all it
takes for `--branch` to know it. A decorator says what is special about it: `pruned_levels_only`,
`level_0_only`, `for_structures`, `compares_runs`, `perturbs`.
"""

import importlib
import pkgutil
from collections.abc import Callable

from tf_lottery.tickets.origin import Origin, Start

Branch = Callable[[Origin], Start]


def known_branches() -> list[str]:
    """Names of all branches."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def find_branch(name: str) -> Branch:
    """Finds a branch by name.

    Raises:
      ValueError: if there is none; lists the known ones.
    """
    if not isinstance(name, str) or name not in known_branches():
        raise ValueError(
            f"--branch={name} is not known; the branches are {', '.join(known_branches())}."
        )
    return getattr(importlib.import_module(f"{__name__}.{name}"), name)


def pruned_levels_only(branch: Branch) -> Branch:
    """Marks a branch that level 0, which follows no pruning, does not have."""
    branch.first_level = 1
    return branch


def first_level(branch: Branch) -> int:
    """The lowest level that a branch can start from."""
    return getattr(branch, "first_level", 0)


def level_0_only(branch: Branch) -> Branch:
    """Marks a branch that is the same for all levels, and so belongs to the dense network."""
    branch.last_level = 0
    return branch


def last_level(branch: Branch) -> int | None:
    """The highest level that a branch can start from; None: any."""
    return getattr(branch, "last_level", None)


def for_structures(*structures: str) -> Callable[[Branch], Branch]:
    """Marks a branch whose masks have the pieces of these structures alone (`--structure`)."""

    def mark(branch: Branch) -> Branch:
        branch.structures = structures
        return branch

    return mark


def has_structure(branch: Branch, structure: str) -> bool:
    """Whether the masks of a branch can have the pieces in which its run is pruned."""
    return structure in getattr(branch, "structures", (structure,))


def compares_runs(branch: Branch) -> Branch:
    """Marks a branch that takes something from another run."""
    branch.compares_runs = True
    return branch


def takes_other_run(branch: Branch) -> bool:
    """Whether a branch takes something from another run."""
    return getattr(branch, "compares_runs", False)


def perturbs(branch: Branch) -> Branch:
    """Marks a branch that moves the rewind point, measured by where the next level's is."""
    branch.perturbs = True
    return branch


def takes_perturbation(branch: Branch) -> bool:
    """Whether a branch moves the rewind point, and so needs the next level's mask."""
    return getattr(branch, "perturbs", False)
