"""Damage that is told, or refused, before anything is done with a run."""

from collections.abc import Collection

from tf_lottery.messages import tell
from tf_lottery.store.damage import Damage, inspect_run
from tf_lottery.store.errors import DamagedFileError
from tf_lottery.store.run_folder import RunFolder


def check_own_damage(run: RunFolder, *, tell: bool = True) -> list[Damage]:
    """Checks a run that is shown or continued.

    Args:
      run: the run folder, or that of a branch.
      tell: whether to print what does not stand in the way.

    Returns:
      What does not stand in the way: it is repaired by the same command, or is not of the run
      itself, but of its analyses and exports.

    Raises:
      DamagedFileError: if a file is missing or not as it was written.
    """
    damages = inspect_run(run).damages
    in_the_way = [damage for damage in damages if not (damage.repaired or damage.beside)]
    if in_the_way:
        raise _with_count(run, in_the_way)
    if tell:
        _tell(damages, of_this_command=True)
    return damages


def check_source(run: RunFolder, levels: Collection[int] | None) -> None:
    """Checks a run that something else starts from: a branch, an analysis, an export.

    Args:
      run: the run folder.
      levels: those that are needed; None: all.

    Raises:
      DamagedFileError: if the flags or a level that is needed are damaged; of other damage is told.
    """
    damages = inspect_run(run).damages
    needed = [
        damage
        for damage in damages
        if damage.error.path == run.flags_path.absolute()
        or (damage.level is not None and (levels is None or damage.level in levels))
    ]
    in_the_way = [damage for damage in needed if not damage.repaired]
    if in_the_way:
        error = _with_count(run, in_the_way)
        command = f" The run's command: {run.command}" if run.command else ""
        raise DamagedFileError(error.path, error.problem, error.remedy + command)
    _tell(damages)


def _with_count(run: RunFolder, damages: list[Damage]) -> DamagedFileError:
    first, others = damages[0].error, len(damages) - 1
    if not others:
        return first
    more = "1 more file is" if others == 1 else f"{others} more files are"
    remedy = f"{first.remedy} {more} damaged; --experiment=verify --run={run.path} names all."
    return DamagedFileError(first.path, first.problem, remedy)


def _tell(damages: list[Damage], *, of_this_command: bool = False) -> None:
    for damage in damages:
        if damage.repaired and of_this_command:
            tell(f"Note: {damage.error.path} {damage.error.problem}. It is made anew.")
        else:
            tell(f"Note: {damage.error}")
