"""The folder of an export: what may be in its place, and how it comes to be there."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tf_lottery import __version__
from tf_lottery.messages import tell
from tf_lottery.startup import LazyModule
from tf_lottery.store.atomic import atomic_folder, put_back, remove_abandoned
from tf_lottery.store.damage import EXPORT_SEAL
from tf_lottery.store.errors import DamagedFileError, StorageError, as_storage_error
from tf_lottery.store.seal import read_seal, seal, verify_seal

if TYPE_CHECKING:
    import tensorflow as tf
else:
    tf = LazyModule("tensorflow")

TABLE = "export.csv"
COMPACTION = "compaction.csv"
CARD = "README.md"

_ANOTHER = "choose a new or an empty folder"


class ExportFolder:
    """Where an export goes, whoever writes it: whole or not at all, and over no other's work.

    Its export.json lists its files and says which ticket they are of.

    Attributes:
      path: the absolute path.
    """

    def __init__(self, folder: str | Path, argument: str, *, overwrite: bool):
        """Takes a folder, which need not exist.

        Args:
          folder: its path; a link is followed.
          argument: what the user called it, for errors: "folder=out".
          overwrite: whether an earlier export gives way.
        """
        self.path = Path(folder).expanduser().absolute()
        if self.path.is_symlink():
            # Unlike `Path.resolve`, it takes a link to itself, which cannot be written to.
            self.path = Path(os.path.realpath(self.path))
        self._argument = argument
        self._overwrite = overwrite

    def holds(self, tickets: Collection[str] = ()) -> bool:
        """Looks what is there.

        Args:
          tickets: what the export may be of, as `LevelFolder.ticket` says.

        Returns:
          Whether it is an export of one of them already, whole and unchanged.

        Raises:
          ValueError: if there is something else that may not be replaced, or it cannot be written.
        """
        with self._system_errors_named():
            return self._holds(tickets)

    def _holds(self, tickets: Collection[str]) -> bool:
        put_back(self.path)
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"{self._argument} is a file; choose a folder.")
        names = sorted(entry.name for entry in self.path.iterdir()) if self.path.exists() else []
        if not names:
            self._check_place()
            return False
        record, damage = self._record(names), self._damage(names)
        if record.get("ticket") in tickets and damage is None:
            return True
        if not self._overwrite:
            what = f"an export of {record['of']}" if "of" in record else "an export"
            if damage is not None:
                raise ValueError(
                    f"{self._argument} holds {what}, of which {damage.path} {damage.problem}. "
                    "Restore that file from a backup, give overwrite=True (--overwrite), which "
                    "writes the export anew, or choose another folder."
                )
            raise ValueError(
                f"{self._argument} holds {what}; give overwrite=True (--overwrite) to replace it, "
                "or choose another folder."
            )
        self._check_place()
        return False

    @contextmanager
    def written(self, of: str, ticket: str | None = None) -> Iterator[Path]:
        """Gives an empty folder to fill, which takes the place at the end of the block.

        Args:
          of: what is exported, in words.
          ticket: the same, as `LevelFolder.ticket` says; None for a model in memory.

        Raises:
          ValueError: as in `holds`; what is there stays as it is.
        """
        self.holds()
        remove_abandoned(self.path)
        self._tell_of_older_leftovers()
        record = {"of": of, "ticket": ticket, "tf_lottery": __version__}
        try:
            # Looked at again at the end: meanwhile there may be another's work.
            with (
                self._system_errors_named(),
                atomic_folder(self.path, replace=True, confirm=self.holds) as temporary,
            ):
                yield temporary
                seal(temporary, sorted(_files_in(temporary)), record, EXPORT_SEAL)
        except tf.errors.OpError as error:
            raise ValueError(f"{self._argument} cannot be written: {error.message}") from error

    @contextmanager
    def _system_errors_named(self) -> Iterator[None]:
        try:
            with as_storage_error(self.path):
                yield
        except StorageError as error:
            raise ValueError(f"{self._argument} cannot be written: {error.reason}") from error

    def _record(self, names: Collection[str]) -> dict[str, Any]:
        """What the export there is of."""
        try:
            sealed = read_seal(self.path, EXPORT_SEAL)
        except DamagedFileError as error:
            raise ValueError(
                f"{self._argument} holds an export whose {error.path} {error.problem}, so that "
                "nobody knows what else is there. Restore that file from a backup, delete the "
                f"folder {self.path} if nothing in it is yours, or {_ANOTHER}."
            ) from error
        if sealed is None:
            return self._record_of_earlier_version(names)
        self._refuse(_files_in(self.path) - {*sealed["files"], EXPORT_SEAL})
        return sealed["record"]

    def _record_of_earlier_version(self, names: Collection[str]) -> dict[str, Any]:
        """Nothing, if it is what `export` wrote when it did not list its files yet."""
        if "saved_model.pb" in names:
            raise ValueError(
                f"{self._argument} holds a SavedModel without {EXPORT_SEAL}, which may be "
                f"anybody's; {_ANOTHER}, or move it away."
            )
        if TABLE not in names:
            self._refuse(names)
        # It imports TensorFlow, for which other folders are not to wait.
        from tf_lottery.exporting.formats import known_formats

        own = {kind.file_name for kind in known_formats().values()} | {TABLE, COMPACTION, CARD}
        self._refuse({*names} - own)
        return {}

    def _refuse(self, foreign: Collection[str]) -> None:
        if foreign:
            raise ValueError(
                f"{self._argument} holds {', '.join(sorted(foreign)[:5])}, which is no part of an "
                f"export; {_ANOTHER}."
            )

    def _damage(self, names: Collection[str]) -> DamagedFileError | None:
        if EXPORT_SEAL not in names:
            return None  # An earlier version listed no files.
        try:
            verify_seal(self.path, name=EXPORT_SEAL)
        except DamagedFileError as error:
            return error
        return None

    def _tell_of_older_leftovers(self) -> None:
        """Names what killed exports of older versions left: an earlier export may be in it."""
        own = re.compile(rf"\.{re.escape(self.path.name)}\.[a-z0-9_]{{8}}")
        left = []
        with suppress(OSError):
            beside = sorted(self.path.parent.iterdir())
            left = [path for path in beside if own.fullmatch(path.name) and _is_old_place(path)]
        for path in left:
            tell(
                f"Note: {path} is of an export by an older version of tf_lottery, which was killed "
                'if it is not running; "old" in it is the export that was there before. Delete it '
                "if you need nothing of it.",
            )

    def _check_place(self) -> None:
        parent = next(folder for folder in self.path.parents if folder.exists())
        if not (parent.is_dir() and os.access(parent, os.W_OK)):
            raise ValueError(
                f"{self._argument} cannot be written: {parent} is not a writable folder."
            )


def _is_old_place(path: Path) -> bool:
    """Whether a folder holds nothing but what exports of older versions put into theirs."""
    return path.is_dir() and {entry.name for entry in path.iterdir()} <= {"new", "old"}


def _files_in(folder: Path) -> set[str]:
    """Paths of all files and links, relative to the folder."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
