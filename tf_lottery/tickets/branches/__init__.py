"""Controls that start from a level of an experiment and change one thing of it.

A branch is a function `(origin: Origin) -> Start` with `register_branch` above it: in a file here,
or in a plug-in. Its keyword arguments are flags.
"""

from tf_lottery.config.branches import BRANCHES, Branch, Look, register_branch
from tf_lottery.config.parameters import Parameter
from tf_lottery.tickets.origin import Origin, Start


def known_branches() -> list[str]:
    """Names of all branches."""
    return list(BRANCHES.all())


def find_branch(name: str) -> Branch:
    """Finds a branch by name.

    Raises:
      ValueError: if there is none; lists the known ones.
    """
    return BRANCHES.find(name)


__all__ = [
    "Branch",
    "Look",
    "Origin",
    "Parameter",
    "Start",
    "find_branch",
    "known_branches",
    "register_branch",
]
