"""The levels of a run that a branch starts from."""

from collections.abc import Sequence

from tf_lottery.config.branches import Branch
from tf_lottery.experiments.branch_config import BranchPlan
from tf_lottery.store.level_folder import LevelFolder
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.stopping import because_of_end


def check_structure(plan: BranchPlan, branch: Branch) -> None:
    """Checks that a branch can have the pieces in which its run was pruned.

    Raises:
      ValueError: if it cannot.
    """
    structure = plan.config.pruning.structure
    if branch.structures is not None and structure not in branch.structures:
        raise ValueError(
            f"--branch={branch.name} moves single weights, and {plan.run.path} was pruned with "
            f"--structure={structure}: there would be two differences. --branch=random_mask draws "
            "as many such pieces in each layer."
        )


def check_other_run_is_named(plan: BranchPlan, branch: Branch) -> None:
    """Checks that a branch that takes something from another run is told from which.

    Raises:
      ValueError: if it is not.
    """
    if branch.needs_other_run and plan.config.branch.other_run is None:
        raise ValueError(
            f"--branch={branch.name} needs --other_run: the run folder whose masks are "
            "taken, such as that of another replicate."
        )


def levels_of_branch(
    run: RunFolder, branch: Branch, levels: Sequence[int] | None, *, verify: bool = True
) -> list[int]:
    """The levels that a branch starts from.

    Args:
      run: the run.
      branch: of `tf_lottery.tickets.branches`.
      levels: those that are wanted; None: all that there are for the branch now.
      verify: whether to read their files too.

    Raises:
      ValueError: if there is none, or one is not finished or not for the branch.
      DamagedFileError: if its files are not as they were written.
    """
    finished, first, last = run.complete_levels(), branch.first_level, branch.last_level
    ahead = int(branch.needs_next_level)
    if levels is None:
        levels = [
            level
            for level in finished
            if first <= level and (last is None or level <= last) and level + ahead in finished
        ]
    listed = ", ".join(map(str, finished)) or "none"
    if not levels:
        needs = " and needs the level after it" if ahead else ""
        raise ValueError(
            f"--levels: there is none for --branch={branch.name}, which starts from level "
            f"{first} or later{needs}; finished in {run.path} are {listed}."
        )
    _check_levels(run, branch, levels, listed)
    if ahead:
        _check_next_levels(run, branch, levels, listed)
    if verify:
        for level in sorted({*levels, *(level + ahead for level in levels)}):
            run.level(level).verify()
    return sorted(set(levels))


def _check_levels(run: RunFolder, branch: Branch, levels: Sequence[int], listed: str) -> None:
    finished, first, last = run.complete_levels(), branch.first_level, branch.last_level
    for level in levels:
        if level not in finished:
            raise ValueError(
                f"--levels: level {level} is not finished in {run.path}; finished are {listed}."
                f"{because_of_end(run)}"
            )
        if level < first:
            raise ValueError(
                f"--levels: --branch={branch.name} starts from level {first} or later, since "
                f"nothing is pruned to make level {level}."
            )
        if last is not None and level > last:
            raise ValueError(
                f"--levels: --branch={branch.name} starts from level {last} alone; it would "
                f"be the same for level {level}."
            )


def _check_next_levels(run: RunFolder, branch: Branch, levels: Sequence[int], listed: str) -> None:
    for level in levels:
        if not run.level(level + 1).is_complete():
            raise ValueError(
                f"--levels: --branch={branch.name} at level {level} needs level {level + 1} of "
                f"the run, which is not finished in {run.path}; finished are {listed}."
            )


def is_complete(plan: BranchPlan, levels: Sequence[int]) -> bool:
    """Whether all of these levels of a branch are there."""
    return all(LevelFolder(plan.path / f"level_{level}").is_complete() for level in levels)
