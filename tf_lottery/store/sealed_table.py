"""Tables in landscape/ with a seal beside them, which tells whether they are as written.

The seal, NAME.csv.sha256, is a line such as `sha256sum` writes and checks. Tables of earlier
versions have none.
"""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tf_lottery.store.atomic import read_text, write_text
from tf_lottery.store.csv_files import Row, csv_text, read_table
from tf_lottery.store.errors import DamagedFileError, StorageError, as_storage_error
from tf_lottery.store.result_names import text_columns
from tf_lottery.store.seal import CHANGED, file_sha256
from tf_lottery.store.swap import turn_in

# Of an empty file, which no table is: in a seal, it says that there need not be one yet.
_NO_TABLE = hashlib.sha256().hexdigest()
_LINE = re.compile(r"([0-9a-f]{64})  .+")


def table_seal(path: Path) -> Path:
    """Where the seal of a table is."""
    return path.with_name(f"{path.name}.sha256")


def write_sealed_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping]) -> None:
    """Writes a table as `write_csv` does, and its seal.

    Args:
      path: the file, whose name says which columns are of texts; missing parent folders are made.
      columns: as of `write_csv`.
      rows: as of `write_csv`.

    Raises:
      ValueError: as `write_csv`.
      StorageError: the disk is full, read-only, …
    """
    change_sealed_csv(path, columns, lambda: rows)


def change_sealed_csv(
    path: Path, columns: Sequence[str], rows: Callable[[], Iterable[Mapping]]
) -> None:
    """Writes a table of rows that depend on those that are there.

    Args:
      path: as of `write_sealed_csv`.
      columns: as of `write_sealed_csv`.
      rows: returns them; until they are written, no other process writes in that folder.

    Raises:
      ValueError: as `write_sealed_csv`.
      StorageError: as `write_sealed_csv`.
    """
    with _turn_to_write(path):
        text = csv_text(columns, rows(), text_columns(path.stem))
        new = hashlib.sha256(text.encode()).hexdigest()
        before = _NO_TABLE
        with suppress(DamagedFileError):
            before = file_sha256(path)
        # Both tables count until the new one is in place, at whatever moment the process is killed.
        _write_seal(path, [before, new])
        write_text(path, text)
        _write_seal(path, [new])


def finish_seal(path: Path) -> None:
    """Seals a table, as it was checked, whose writer was killed when the table was in place.

    It removes what that process left beside the seal. A folder that cannot be written to stays as
    it is, since both seals tell the same.

    Args:
      path: of a table that `check_table` has found to be as it was written.
    """
    seal = table_seal(path)
    with suppress(StorageError, DamagedFileError):
        if not seal.exists() or len(read_text(seal).splitlines()) < 2:
            return
        with _turn_to_write(path):
            # Unless a process that is still writing it has ended meanwhile.
            if len(read_text(seal).splitlines()) > 1:
                _write_seal(path, [file_sha256(path)])


def check_table(path: Path) -> bool:
    """Checks that a table is as it was written.

    Args:
      path: a file; it may be missing, if it has a seal.

    Returns:
      Whether it has a seal, without which nothing can be said.

    Raises:
      DamagedFileError: it was edited or deleted, or its seal was edited, or it is a folder.
    """
    seal = table_seal(path)
    if path.is_dir():
        remedy = (
            f"Restore the table from a backup, or delete the folder {path.absolute()} and start "
            "the same command again to measure anew."
        )
        raise DamagedFileError(path, "is a folder and no table", remedy)
    if not os.path.lexists(seal):
        return False
    try:
        lines = read_text(seal).splitlines()
    except DamagedFileError as error:
        raise DamagedFileError(seal, error.problem, _remedy(path.name)) from error
    hashes = [found[1] for found in map(_LINE.fullmatch, lines) if found]
    if not lines or len(hashes) < len(lines):
        problem = f"is damaged: it is not the SHA-256 of {path.name}"
        raise DamagedFileError(seal, problem, _remedy(path.name))
    if not path.exists():
        if _NO_TABLE in hashes:
            return True  # The process was killed before it was first written.
        remedy = (
            "Restore it from a backup, or start the same command again, which measures anew; if "
            f"it is not wanted, delete {seal.name} too."
        )
        raise DamagedFileError(path, "is missing", remedy)
    try:
        changed = file_sha256(path) not in hashes
    except DamagedFileError as error:
        raise DamagedFileError(path, error.problem, _remedy(seal.name)) from error
    if changed:
        with suppress(DamagedFileError):
            if read_text(seal).splitlines() != lines:
                return check_table(path)  # Another process was writing it.
        raise DamagedFileError(path, CHANGED, _remedy(seal.name))
    return True


def read_sealed_table(path: Path) -> list[Row]:
    """Reads a table that is as it was written.

    Args:
      path: the file.

    Raises:
      DamagedFileError: as `check_table`, or it is no table.
    """
    check_table(path)
    try:
        return read_table(path, text_columns(path.stem))
    except DamagedFileError as error:
        raise DamagedFileError(path, error.problem, remedy_of_table(path)) from error


def remedy_of_table(path: Path) -> str:
    """How to get a table back: nothing but it, and its seal, need be deleted."""
    seal = table_seal(path)
    return _remedy(seal.name if os.path.lexists(seal) else "")


@contextmanager
def _turn_to_write(path: Path) -> Iterator[None]:
    """Waits until no other process is writing: a table beside the seal of another is damaged."""
    with ExitStack() as turn:
        with as_storage_error(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            turn.enter_context(turn_in(path.parent))
        yield


def _remedy(other: str = "") -> str:
    more = f" and {other}, and" if other else " and"
    return (
        f"Restore it from a backup, or delete it{more} start the same command again to measure "
        "anew."
    )


def _write_seal(path: Path, hashes: Sequence[str]) -> None:
    write_text(table_seal(path), "".join(f"{sha256}  {path.name}\n" for sha256 in hashes))
