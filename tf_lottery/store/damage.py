"""What is damaged in a run folder, what is lost by it, and how to get it back."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tf_lottery.store.atomic import finished_files, is_leftover
from tf_lottery.store.csv_files import Row, read_table
from tf_lottery.store.errors import DamagedFileError, RunFolderError
from tf_lottery.store.levels import LevelsFolder
from tf_lottery.store.lock import is_held
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.seal import damaged_files, read_seal, verify_seal
from tf_lottery.store.sealed_table import check_table, table_seal
from tf_lottery.store.search_folder import SearchFolder
from tf_lottery.store.search_remedy import SEARCH_SEAL, remedy_in_search

# Hashing files up to this size takes a run of twenty levels some milliseconds.
_SMALL_BYTES = 128 * 1024
EXPORT_SEAL = "export.json"
_IN_THE_WAY = "Move it away, or delete it, and start the run's command again, which makes it anew."
_WRITTEN_ANEW = "The run's command, started again, writes it anew."


@dataclass(frozen=True)
class Damage:
    """Something that is not as it was written.

    Attributes:
      error: names the file, what is wrong with it, and how to get it back.
      lost: what is lost.
      repaired: whether the command that made the run, started again, repairs it unasked.
      beside: whether it is of an analysis or an export, without which the run can go on.
      level: the level that it is of, if it is of one.
    """

    error: DamagedFileError
    lost: str
    repaired: bool = False
    beside: bool = False
    level: int | None = None


@dataclass
class Findings:
    """What was found in a run folder.

    Attributes:
      damages: what is damaged.
      unsealed: files, with nothing to compare them with: an earlier version wrote them.
    """

    damages: list[Damage] = field(default_factory=list)
    unsealed: list[Path] = field(default_factory=list)


def inspect_run(run: RunFolder, *, wholly: bool = False) -> Findings:
    """Looks for damage in a run folder, or in the folder of a branch; changes nothing.

    It always looks whether all files are there with their sizes, and at the content of small files.

    Args:
      run: the folder.
      wholly: whether large files are read too, and the checkpoints of levels in training.

    Returns:
      What was found; without the run's branches, which have folders of their own.
    """
    findings, size = Findings(), None if wholly else _SMALL_BYTES
    complete = run.complete_levels()
    findings.damages += _damages_of_levels(run, complete, size)
    findings.damages += _damages_of_level_places(run)
    findings.damages += _damages_of_seals(run)
    findings.damages += _damages_of_rewind(run, complete, size)
    findings.damages += _damages_of_kept_states(run, size)
    findings.damages += _damages_of_ticket(run, size)
    if wholly and not is_held(run.path):
        findings.damages += _damages_of_checkpoints(run, complete)
    _inspect_flags(run, complete, findings)
    findings.damages += _damages_of_summary(run, complete, wholly=wholly)
    findings.damages += _damages_of_figure(run)
    findings.damages += _damages_of_places(run)
    _inspect_tables(run, findings)
    _inspect_exports(run, size, findings)
    return findings


def inspect_search(search: SearchFolder) -> Findings:
    """Looks for damage in the folder of a search of the library; reads all files.

    Args:
      search: the folder.
    """
    complete, findings = search.complete_levels(), Findings()
    try:
        verify_seal(search.path, name=SEARCH_SEAL)
    except DamagedFileError as error:
        findings.damages.append(Damage(error, "what the search is: its arguments and its seed"))
    damages = [
        *_damages_of_complete_levels(search, complete, None),
        *_damages_of_gaps(search, complete),
        *_damages_of_level_places(search),
        *_damages_of_rewind(search, complete, None),
    ]
    for damage in damages:
        path, problem = damage.error.path, damage.error.problem
        error = DamagedFileError(path, problem, remedy_in_search(search.path, path))
        findings.damages.append(replace(damage, error=error))
    return findings


def _damages_of_levels(run: RunFolder, complete: list[int], size: int | None) -> Iterator[Damage]:
    yield from _damages_of_complete_levels(run, complete, size)
    if run.kind_of_branch is None:  # Its levels need not be in a row.
        yield from _damages_of_gaps(run, complete)
        complete = list(range(max(complete, default=-1) + 1))  # Others before the last are told.
    yield from _damages_of_rows(run, complete)


def _damages_of_level_places(run: LevelsFolder) -> Iterator[Damage]:
    """Finds what blocks the place of a level's folder, so that its training could not write."""
    for path in sorted(run.path.glob("level_*")):
        number = path.name.removeprefix("level_")
        if number.isdecimal() and _is_blocked(path):
            remedy = (
                "Restore the folder from a backup, or delete what is in its place and start the "
                "run's command again, which trains the level."
            )
            problem = "is no folder" if path.exists() else "is a link to nothing"
            error = DamagedFileError(path, problem, remedy)
            yield Damage(error, f"level {number}, if it was trained", level=int(number))


def _is_blocked(path: Path) -> bool:
    """Whether something is there that is no folder and leads to none."""
    return os.path.lexists(path) and not path.is_dir()


def _damages_of_seals(run: RunFolder) -> Iterator[Damage]:
    """Finds seals of levels that are there, but lead nowhere."""
    for folder in sorted(run.path.glob("level_*")):
        number, path = folder.name.removeprefix("level_"), folder / "level.json"
        if number.isdecimal() and os.path.lexists(path) and not path.exists():
            error = DamagedFileError(path, "is a link to nothing")
            yield Damage(error, f"the results of level {number}", level=int(number))


def _damages_of_complete_levels(
    run: LevelsFolder, complete: list[int], size: int | None
) -> Iterator[Damage]:
    for number in complete:
        folder = run.level(number)
        try:
            content, seal = folder.seal(), folder.path / "level.json"
            unlisted = folder.file_names() - content["files"].keys()
            if unlisted:
                raise DamagedFileError(seal, f"does not list {', '.join(sorted(unlisted))}")
            # Searches do not record it.
            recorded = content["record"].get("level", number)
            if recorded != number:
                raise DamagedFileError(seal, f"is that of level {recorded}")
        except DamagedFileError as error:
            yield Damage(error, f"the results of level {number}", level=number)
            continue
        for error in damaged_files(folder.path, content, largest_hashed=size):
            lost = f"the {_KINDS.get(error.path.suffix, 'files')} of level {number}"
            yield Damage(error, lost, level=number)


def _damages_of_gaps(run: LevelsFolder, complete: list[int]) -> Iterator[Damage]:
    for number in sorted(set(range(max(complete, default=0))) - set(complete)):
        if not _is_blocked(run.level(number).path):  # Told of as that.
            yield _lost_level(run, number, f"level {complete[-1]} is there")


def _damages_of_rows(run: RunFolder, known: list[int]) -> Iterator[Damage]:
    """Finds levels that are gone, but have a row in summary.csv, as only complete levels have."""
    with suppress(DamagedFileError):  # Told of where the table is compared.
        numbers = [row.get("level") for row in read_table(run.summary_csv)]
        for number in sorted({number for number in numbers if isinstance(number, int)} - {*known}):
            # Looked at again: it may have been completed meanwhile. What is in its place is told.
            level = run.level(number)
            if not (level.is_complete() or _is_blocked(level.path)):
                yield _lost_level(run, number, f"{run.summary_csv.name} has its results")


def _lost_level(run: LevelsFolder, number: int, otherwise: str) -> Damage:
    path = run.level(number).path
    error = DamagedFileError(
        path,
        f"{'is not complete' if path.exists() else 'is missing'}, but {otherwise}",
        "Restore it from a backup, or start the run's command again, which trains it anew.",
    )
    return Damage(error, f"level {number}", repaired=True, level=number)


_KINDS = {".npz": "masks", ".csv": "metrics"} | dict.fromkeys(
    (".index", ".data-00000-of-00001"), "trained weights"
)


def _damages_of_rewind(
    run: LevelsFolder, complete: list[int], size: int | None
) -> Iterator[Damage]:
    # A branch has none, and before level 0 is complete there need not be one.
    of_a_branch = isinstance(run, RunFolder) and run.kind_of_branch is not None
    if of_a_branch or not (run.rewind.exists() or 0 in complete):
        return
    folder, level_0 = run.rewind.path, run.level(0).path
    lost = "the network at the rewind step, from which pruned levels and branches are trained"
    remedy = (
        f"Restore it from a backup, or delete the folders {folder.absolute()} and "
        f"{level_0.absolute()} and start the run's command again: training level 0 again makes "
        "both anew."
    )
    for error in _errors_in(folder, size):
        yield Damage(DamagedFileError(error.path, error.problem, remedy), lost)


def _damages_of_kept_states(run: RunFolder, size: int | None) -> Iterator[Damage]:
    for folder in sorted(run.path.glob("states/step_*")):
        if is_leftover(folder.name):
            continue
        for error in _errors_in(folder, size):
            remedy = (
                f"Restore it from a backup, or delete the folder {folder.absolute()}: runs that "
                "would take it train the dense network themselves."
            )
            error = DamagedFileError(error.path, error.problem, remedy)
            yield Damage(error, "a state of the dense network that other runs rewind to")


def _damages_of_ticket(run: RunFolder, size: int | None) -> Iterator[Damage]:
    folder = run.ticket.path
    if not folder.exists():
        return
    for error in _errors_in(folder, size):
        remedy = (
            f"Restore it from a backup, or delete the folder {folder.absolute()} and start the "
            "run's command again, which takes the ticket from --ticket again."
        )
        error = DamagedFileError(error.path, error.problem, remedy)
        yield Damage(error, "the ticket of another run that level 0 is trained from")


def _errors_in(folder: Path, size: int | None) -> list[DamagedFileError]:
    """What is wrong with the files of a folder that has a seal."""
    try:
        content = read_seal(folder)
        if content is None:
            raise DamagedFileError(
                folder / "seal.json" if folder.exists() else folder, "is missing"
            )
        return list(damaged_files(folder, content, largest_hashed=size))
    except DamagedFileError as error:
        return [error]


def _damages_of_checkpoints(run: RunFolder, complete: list[int]) -> Iterator[Damage]:
    for folder in sorted(run.path.glob("level_*/checkpoint/step_*")):
        number = folder.parents[1].name.removeprefix("level_")
        if is_leftover(folder.name) or number in map(str, complete):
            continue
        remedy = (
            f"Restore it from a backup, or delete the folder {folder.parents[1].absolute()} and "
            "start the run's command again, which trains the level from its beginning."
        )
        for error in _errors_in(folder, None):
            error = DamagedFileError(error.path, error.problem, remedy)
            yield Damage(error, f"the point in training that level {number} continues from")


def _inspect_flags(run: RunFolder, complete: list[int], findings: Findings) -> None:
    if not complete and not os.path.lexists(run.flags_path):
        return  # The process was killed before it could write them.
    try:
        if not run.check_flags():
            findings.unsealed.append(run.flags_path)
    except DamagedFileError as error:
        lost = "the flags that replay the run, and where its data are"
        missing = not os.path.lexists(run.flags_path)
        if missing:
            error = DamagedFileError(error.path, error.problem, _WRITTEN_ANEW)
        findings.damages.append(Damage(error, lost, repaired=missing))


def _damages_of_figure(run: RunFolder) -> Iterator[Damage]:
    path = run.summary_png
    if path.exists() and not path.is_file():
        error = DamagedFileError(path, "is a folder and no figure", _IN_THE_WAY)
        yield Damage(error, "the figure of the levels")


def _damages_of_places(run: RunFolder) -> Iterator[Damage]:
    """Finds what is in the place of a folder, and is none."""
    branches = run.branch("any").parent
    places = [branches, run.landscape, run.export, run.tensorboard(0).parent]
    if branches.is_dir():
        places += sorted(path for path in branches.iterdir() if not is_leftover(path.name))
    for path in places:
        if _is_blocked(path):
            remedy = "Restore the folder from a backup, or delete what is in its place."
            error = DamagedFileError(path, "is no folder", remedy)
            yield Damage(error, f"what was in {path.name}", beside=True)


def _damages_of_summary(run: RunFolder, complete: list[int], *, wholly: bool) -> Iterator[Damage]:
    """Compares summary.csv with the levels' records, of which it is a copy."""
    path, lost = run.summary_csv, "nothing: the levels' records have the same"
    if not path.exists():
        if wholly and complete:
            yield Damage(DamagedFileError(path, "is missing", _WRITTEN_ANEW), lost, repaired=True)
        return
    if path.is_dir():
        yield Damage(DamagedFileError(path, "is a folder and no table", _IN_THE_WAY), lost)
        return
    try:
        rows = {row.get("level"): row for row in read_table(path)}
    except DamagedFileError as error:
        yield Damage(DamagedFileError(path, error.problem, _WRITTEN_ANEW), lost, repaired=True)
        return
    # A process that is killed after a level, before its row, leaves a row less, at the end.
    for number in complete:
        try:
            record = run.level(number).record()
        except RunFolderError:
            continue  # Told already.
        if number in rows and not _agree(rows[number], record):
            problem = f"does not say of level {number} what its level.json says"
        elif number not in rows and (wholly or number < complete[-1]):
            problem = f"has no row of level {number}"
        else:
            continue
        yield Damage(DamagedFileError(path, problem, _WRITTEN_ANEW), lost, repaired=True)
        return


def _agree(row: Row, record: dict[str, Any]) -> bool:
    """Whether a row has the values of a record, for those columns that the record knows."""
    return all(repr(value) == repr(record[name]) for name, value in row.items() if name in record)


def _inspect_tables(run: RunFolder, findings: Findings) -> None:
    paths = {seal.with_suffix("") for seal in run.landscape.glob("**/*.csv.sha256")}
    for path in sorted(paths.union(finished_files(run.landscape, "**/*.csv"))):
        try:
            if not check_table(path):
                findings.unsealed.append(path)
        except DamagedFileError as error:
            if path.name == "adaptive_pruning.csv":
                # What cannot be written in the place of a folder is refused before training.
                repaired = not (path.is_dir() or table_seal(path).is_dir())
                if repaired:
                    error = DamagedFileError(error.path, error.problem, _WRITTEN_ANEW)
                lost = "nothing: the levels' records have the same"
                findings.damages.append(Damage(error, lost, repaired=repaired))
            else:
                lost = "what an analysis has measured"
                findings.damages.append(Damage(error, lost, beside=True))


def _inspect_exports(run: RunFolder, size: int | None, findings: Findings) -> None:
    for folder in run.exports():
        try:
            content = read_seal(folder, EXPORT_SEAL)
            if content is None:
                findings.unsealed.append(folder)
                continue
            errors = list(damaged_files(folder, content, largest_hashed=size))
        except DamagedFileError as error:
            errors = [error]
        remedy = (
            f"Restore it from a backup, or delete the folder {folder.absolute()} and export the "
            "ticket again."
        )
        for error in errors:
            error = DamagedFileError(error.path, error.problem, remedy)
            lost = f"a file of the export {folder.name}"
            findings.damages.append(Damage(error, lost, beside=True))
