"""Tables with a seal beside them, NAME.csv.sha256, that tells whether they are as written.

The seal is a line such as `sha256sum` writes and checks. Tables of earlier versions have none.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tf_lottery.store.atomic import read_text, write_text
from tf_lottery.store.errors import DamagedFileError
from tf_lottery.store.metrics import csv_text
from tf_lottery.store.seal import CHANGED, file_sha256

_LINE = re.compile(r"([0-9a-f]{64})  .+")


def table_seal(path: Path) -> Path:
    """Where the seal of a table is."""
    return path.with_name(f"{path.name}.sha256")


def write_sealed_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping]) -> None:
    """Writes a table as `write_csv` does, and its seal.

    Args:
      path: The file; missing parent folders are made.
      columns: As of `write_csv`.
      rows: As of `write_csv`.

    Raises:
      ValueError: As `write_csv`.
      StorageError: The disk is full, read-only, …
    """
    text = csv_text(columns, rows)
    new = hashlib.sha256(text.encode()).hexdigest()
    before: list[str] = []
    with suppress(DamagedFileError):
        before = [file_sha256(path)]
    # Both tables count until the new one is in place, at whatever moment the process is killed.
    _write_seal(path, [*before, new])
    write_text(path, text)
    if before:
        _write_seal(path, [new])


def check_table(path: Path) -> bool:
    """Checks that a table is as it was written.

    Args:
      path: An existing file.

    Returns:
      Whether it has a seal, without which nothing can be said.

    Raises:
      DamagedFileError: It was edited, or its seal was.
    """
    seal = table_seal(path)
    if not seal.exists():
        return False
    lines = read_text(seal).splitlines()
    hashes = [found[1] for found in map(_LINE.fullmatch, lines) if found]
    if not lines or len(hashes) < len(lines):
        raise DamagedFileError(
            seal,
            f"is damaged: it is not the SHA-256 of {path.name}",
            f"Restore it from a backup, or delete it and {path.name}, and start the same command "
            "again to measure anew.",
        )
    if file_sha256(path) not in hashes:
        raise DamagedFileError(
            path,
            CHANGED,
            f"Restore it from a backup, or delete it and {seal.name}, and start the same command "
            "again to measure anew.",
        )
    return True


def _write_seal(path: Path, hashes: Sequence[str]) -> None:
    write_text(table_seal(path), "".join(f"{sha256}  {path.name}\n" for sha256 in hashes))
