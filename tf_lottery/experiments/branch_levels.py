"""The levels of a run that a branch starts from."""

from collections.abc import Collection, Sequence
from contextlib import suppress

from tf_lottery.config.branches import Branch
from tf_lottery.config.pruning import PruningConfig
from tf_lottery.experiments.branch_config import BranchPlan
from tf_lottery.messages import tell
from tf_lottery.pruning.score import find_method
from tf_lottery.store.errors import RunFolderError
from tf_lottery.store.former_flags import flags_in_effect
from tf_lottery.store.level_folder import LevelFolder
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.stopping import not_finished

# The examples that a score looks at follow the seed of the data order.
_CHANGE_MASKS = frozenset({"score", "score_examples", "pruning_scope", "rewind_step", "data_seed"})


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


def check_makes_sense(plan: BranchPlan, branch: Branch) -> None:
    """Checks that a branch has something to prune or to train on, unless it is begun already.

    Raises:
      ValueError: if its run prunes before training, or by a score that tells nothing, or does
        already what the branch does.
    """
    reason = why_no_control(branch, plan.config.pruning, plan.changes)
    if reason and not plan.is_begun:
        raise ValueError(f"--branch={branch.name} of {plan.run.path} {reason}.")


def why_no_control(
    branch: Branch, pruning: PruningConfig, changes: Collection[str] = ()
) -> str | None:
    """Why a branch is no control of a run; None if it is one.

    Args:
      branch: of `tf_lottery.tickets.branches`.
      pruning: the flags of the branch, which are those of the run but for what is changed.
      changes: names of flags that differ from the run's.
    """
    if reason := branch.why_not(pruning.prune_from, pruning.score):
        return reason
    flag, value = branch.as_a_run_with or (None, None)
    if (
        flag is None
        or getattr(pruning, flag) != value
        or _prunes_otherwise(branch, pruning, changes)
    ):
        return None
    weights = branch.name.partition("+")[2]
    if weights:
        return (
            f"has the masks of the run (--{flag}={value}), and would be a copy of --branch="
            f"{weights} under another label"
        )
    return (
        f"does what the run does (--{flag}={value}), and would be a copy under another label; "
        "flags of training are for --branch=retrain"
    )


def _prunes_otherwise(branch: Branch, pruning: PruningConfig, changes: Collection[str]) -> bool:
    """Whether the masks of a branch may differ from those of a run that prunes as it does."""
    if not branch.prunes:
        return False
    together = branch.ranks_together and find_method(pruning.score).ranks_all_together
    layerwise = branch.layerwise and pruning.pruning_scope != "layerwise"
    return together or layerwise or not _CHANGE_MASKS.isdisjoint(changes)


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


def levels_of_plan(
    plan: BranchPlan, branch: Branch, levels: Sequence[int] | None, *, verify: bool = True
) -> list[int]:
    """The levels that a branch starts from, but for those that would be copies of what there is.

    A branch goes on with all that it was begun with.

    Args:
      plan: the branch with its flags.
      branch: of `tf_lottery.tickets.branches`.
      levels: those that are wanted; None: all that there are for the branch now.
      verify: as of `levels_of_branch`.

    Raises:
      ValueError: as of `levels_of_branch`, or if nothing of a level that is wanted would change.
      DamagedFileError: if files of a level are not as they were written.
    """
    begun = _begun_levels(plan)
    if levels is None:
        levels = levels_of_branch(plan.run, branch, None, verify=False)
        reasons = [_would_be_a_copy(plan, branch, level) for level in levels]
        chosen = [n for n, why in zip(levels, reasons, strict=True) if n in begun or not why]
        if not chosen:
            raise ValueError(
                f"--levels: there is none for --branch={branch.name}: {reasons[0]}; finished in "
                f"{plan.run.path} are {', '.join(map(str, plan.run.complete_levels()))}."
            )
        levels = chosen
    for level in levels:
        if level in begun:
            continue
        if why := _moves_nothing(plan, branch, level):
            raise ValueError(
                f"--levels: {why}; --branch={branch.name} would train the dense network once more "
                f"under another label. Leave out level {level}, or, for other flags of training, "
                "take --branch=retrain."
            )
        if why := _useless_flag(plan, branch, level):
            raise ValueError(
                f"{why}, and --branch={branch.name} would train a copy of it under another label; "
                "leave out the flag, or the level (--levels)."
            )
    return levels_of_branch(plan.run, branch, levels, verify=verify)


def tell_of_levels_left_out(plan: BranchPlan, branch: Branch, levels: Sequence[int]) -> None:
    """Says of which levels a flag of a branch changes nothing, so that they are left out.

    Args:
      plan: the branch with its flags.
      branch: of `tf_lottery.tickets.branches`.
      levels: those that it does start from.
    """
    others = [
        level
        for level in levels_of_branch(plan.run, branch, None, verify=False)
        if level not in levels and _useless_flag(plan, branch, level)
    ]
    if others:
        tell(
            f"Note: --branch={branch.name} leaves out level{'s' * (len(others) > 1)} "
            f"{', '.join(map(str, others))}: {_useless_flag(plan, branch, others[0])}."
        )


def _begun_levels(plan: BranchPlan) -> Sequence[int]:
    """The levels that a branch was asked for before."""
    if plan.is_begun:
        # Others tell what is wrong with the folder.
        with suppress(OSError, RunFolderError):
            return RunFolder.read(plan.path).details.branch_levels or ()
    return ()


def _would_be_a_copy(plan: BranchPlan, branch: Branch, level: int) -> str:
    """Why there is no need of a branch at a level; "" if there is."""
    return _moves_nothing(plan, branch, level) or _useless_flag(plan, branch, level)


def _moves_nothing(plan: BranchPlan, branch: Branch, level: int) -> str:
    ticket = plan.run.level(level)
    # Those that are not finished are refused as such.
    if not (branch.mask_alone and ticket.is_complete() and ticket.record()["density"] == 1):
        return ""
    return f"nothing is pruned at level {level}, and {branch.name} moves what is pruned"


def _useless_flag(plan: BranchPlan, branch: Branch, level: int) -> str:
    """Which flag of a branch changes nothing of a level, and why; "" if there is none."""
    if not branch.starts_as_level:
        return ""
    changes = plan.changes
    if "rewind_step" in changes and level == 0:
        return f"--rewind_step={changes['rewind_step']}: level 0 is trained from its first step"
    if "warmup_steps" in changes and level > 0 and _starts_after_warmup(plan):
        return (
            f"--warmup_steps={changes['warmup_steps']}: level {level} is trained from the rewind "
            "step on, when the warmup is over"
        )
    return ""


def _starts_after_warmup(plan: BranchPlan) -> bool:
    """Whether pruned levels see neither the warmup of the run nor that of the branch."""
    training, details = plan.config.training, plan.run.details
    if {"batch_size", "train_steps"} & set(plan.changes):
        return False  # The data have to be there to say how long the warmup is.
    if training.lr_schedule not in ("constant", "step"):
        return False  # Others begin where it ends.
    both = flags_in_effect(plan.run.identity)["warmup_steps"], training.warmup_steps
    rewind_step = details.iteration(plan.config.pruning.rewind_step, "--rewind_step")
    return all(details.iteration(text, "--warmup_steps") <= rewind_step for text in both)


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
    _check_levels(run, branch, levels)
    if ahead:
        _check_next_levels(run, branch, levels, listed)
    if verify:
        for level in sorted({*levels, *(level + ahead for level in levels)}):
            run.level(level).verify()
    return sorted(set(levels))


def _check_levels(run: RunFolder, branch: Branch, levels: Sequence[int]) -> None:
    finished, first, last = run.complete_levels(), branch.first_level, branch.last_level
    for level in levels:
        if level not in finished:
            raise not_finished(run, level)
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
