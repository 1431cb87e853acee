"""What can go wrong with a run folder, as errors that tell the user what to do."""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tf_lottery.store.search_remedy import remedy_in_search, search_of

# Windows has no quotas.
_FULL = [getattr(errno, name) for name in ("ENOSPC", "EDQUOT") if hasattr(errno, name)]
_FORBIDDEN = [errno.EROFS, errno.EACCES, errno.EPERM]


class RunFolderError(ValueError):
    """A run folder cannot be used as asked."""


class RunFolderBusyError(RunFolderError):
    """Another process works in the run folder."""


class RunFolderMismatchError(RunFolderError):
    """The run folder holds an experiment with other flags."""


class DamagedFileError(RunFolderError):
    """A file of a run folder is missing, truncated or edited.

    Args:
      path: the damaged file.
      problem: what is wrong, to be read after the path ("is missing").
      remedy: how to get it back, in sentences; by default, how to compute its folder anew, or the
        level of a search and those after it.

    Attributes:
      path: as given, absolute.
      problem: as given.
      remedy: sentences.
    """

    def __init__(self, path: Path, problem: str, remedy: str | None = None):
        self.path, self.problem = Path(path).absolute(), problem
        self.remedy = remedy or _how_to_restore(self.path)
        super().__init__(f"{self.path} {problem}. {self.remedy}")


class StorageError(RunFolderError):
    """The operating system refused to write: disk full, read-only, not a folder, …

    Args:
      path: what should have been written.
      reason: the operating system's words.

    Attributes:
      path: as given.
      reason: as given.
    """

    def __init__(self, path: Path, reason: str):
        self.path, self.reason = Path(path), reason
        search = search_of(self.path)
        kept = (
            f" Finished levels are kept: the same {'script' if search else 'command'} continues "
            "after them."
        )
        remedy = self.remedy_or(
            "choose another folder, that can be written"
            if search
            else "choose a writable folder with --workdir (in the library: workdir, or folder of a "
            "search)"
        )
        super().__init__(
            f"cannot write {self.path.absolute()}: {reason}. {remedy}"
            + (kept if _beside_finished_levels(self.path.absolute()) else "")
        )

    def remedy_or(self, other: str) -> str:
        """A sentence on what can be done there, if anything can, or else: `other`."""
        if self._is_because_of(_FULL):
            return f"Make room there, or {other}."
        with suppress(OSError):  # Of a name that is too long.
            if self.path.is_dir() and not self._is_because_of(_FORBIDDEN):
                return f"Move it away, or {other}."
        return f"{other[0].upper()}{other[1:]}."

    def _is_because_of(self, numbers: Iterable[int]) -> bool:
        return any(os.strerror(number) in self.reason for number in numbers)


def _how_to_restore(path: Path) -> str:
    search = search_of(path)
    if search is not None:
        return remedy_in_search(search, path)
    return (
        f"Restore it from a backup, or delete the folder {path.parent} and start the run's command "
        "again to compute it anew."
    )


def _beside_finished_levels(path: Path) -> bool:
    """Whether a file or folder of a run is one of several, of which some levels are finished."""
    with suppress(OSError):
        return any(next(place.glob("level_*/level.json"), None) for place in [*path.parents][:4])
    return False


def problem_text(error: OSError | ValueError) -> str:
    """What is wrong with a file that was to be read, with its path."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename} cannot be read ({error.strerror})."
    return str(error)


@contextmanager
def as_storage_error(path: Path) -> Iterator[None]:
    """Turns an OSError of the block, which writes `path`, into a StorageError.

    A StorageError about a part of `path`, a temporary file perhaps, becomes one about `path`.

    Args:
      path: what the block writes.

    Yields:
      Nothing.

    Raises:
      StorageError: the block raised an OSError or a StorageError.
    """
    try:
        yield
    except OSError as error:
        raise StorageError(path, _reason(Path(path), error)) from error
    except StorageError as error:
        raise StorageError(path, error.reason) from error


def _reason(path: Path, error: OSError) -> str:
    """The operating system's words; what is in the way, where they do not say it."""
    if isinstance(error, IsADirectoryError) and error.filename:
        return f"{os.fspath(error.filename2 or error.filename)} is a folder"
    if isinstance(error, FileExistsError | NotADirectoryError):
        for part in path.absolute().parents:
            if part.exists() and not part.is_dir():
                return f"{part} is a file, where a folder has to be"
    if isinstance(error, FileExistsError | FileNotFoundError):
        for part in (path.absolute(), *path.absolute().parents):
            if part.is_symlink() and not part.exists():
                return f"{part} is a link to {part.readlink()}, which is not there"
    return error.strerror or str(error)
