"""One process at a time in a run folder."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

try:
    import fcntl
except ImportError:  # On Windows.
    fcntl = None

from tf_lottery.store.atomic import is_leftover, remove, write_text
from tf_lottery.store.errors import RunFolderBusyError, as_storage_error

_LOCK_FILES = frozenset({".lock", ".lock-holder"})

# `is_held` may have the lock for a moment, which is no reason to refuse.
_SECONDS_OF_PATIENCE = 1.0
_ANOTHER_RUN = "choose another --name or --replicate"


@contextmanager
def exclusive(folder: Path, otherwise: str = _ANOTHER_RUN) -> Iterator[None]:
    """Holds a folder for this block alone; the system frees it when the process dies.

    Args:
      folder: an existing folder.
      otherwise: what may be done in place of waiting for the one that holds it.

    Yields:
      Nothing.

    Raises:
      RunFolderBusyError: another process, or another block of this one, holds the folder.
      StorageError: the folder cannot be written to, or its file system knows no locks.
    """
    # A soft lock (a mere file) would outlive a killed process, so there is no falling back.
    lock = filelock.FileLock(
        folder / ".lock",
        timeout=_SECONDS_OF_PATIENCE,
        poll_interval=0.02,
        thread_local=False,
        fallback_to_soft=False,
    )
    holder = folder / ".lock-holder"
    with as_storage_error(folder):
        try:
            lock.acquire()
        except filelock.Timeout:
            raise _busy(folder, otherwise) from None
    try:
        write_text(holder, f"process {os.getpid()} on host {socket.gethostname()}\n")
        yield
    finally:
        remove(holder)
        lock.release()


def entries_of(folder: Path) -> list[str]:
    """Names of what is in a folder, without its lock and what killed processes left unfinished."""
    names = sorted(entry.name for entry in folder.iterdir())
    return [name for name in names if name not in _LOCK_FILES and not is_leftover(name)]


def is_held(folder: Path) -> bool:
    """Returns whether a process holds a folder; needs no right to write to it, and changes nothing.

    Args:
      folder: any folder, which need not exist.
    """
    if fcntl is None:
        return _is_held_on_windows(folder / ".lock")
    try:
        # Unlike filelock, which makes the file and needs to write to it.
        descriptor = os.open(folder / ".lock", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        # Shared, so that two processes that look at once do not see each other.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return True
    except OSError:
        return False  # The file system knows no locks, so that nobody has one.
    finally:
        os.close(descriptor)
    return False


def _is_held_on_windows(file: Path) -> bool:
    if not file.exists():
        return False
    try:
        with filelock.FileLock(file, timeout=0, thread_local=False):
            return False
    except (filelock.Timeout, OSError):
        return True


def refuse_held(folder: Path) -> None:
    """Raises RunFolderBusyError if another process holds a folder; changes nothing."""
    if is_held(folder):
        raise _busy(folder, _ANOTHER_RUN)


def _busy(folder: Path, otherwise: str) -> RunFolderBusyError:
    return RunFolderBusyError(
        f"the folder {folder.absolute()} is in use by {_read_holder(folder / '.lock-holder')}. "
        f"Wait until it has ended, or {otherwise}."
    )


def _read_holder(holder: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return holder.read_text(encoding="utf-8").strip() or "another process"
    return "another process"
