"""Folders that change places in one step, and those that a process still works in."""

import ctypes
import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # On Windows, where folders cannot be opened either.
    fcntl = None

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_RENAME_SWAP = 2
_UNKNOWN_HERE = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EXDEV}

_SECONDS_OF_PATIENCE = 5.0


def exchange(one: Path, other: Path) -> bool:
    """Exchanges two folders in one step, so that there is no moment without either.

    Args:
      one: a folder.
      other: another on the same file system.

    Returns:
      Whether it was done: some systems, and some file systems, do not know how.

    Raises:
      OSError: the system does not allow it.
    """
    if sys.platform == "win32":
        return False
    paths = os.fsencode(one), os.fsencode(other)
    system = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "darwin" and hasattr(system, "renamex_np"):
        failed = system.renamex_np(*paths, ctypes.c_uint(_RENAME_SWAP))
    elif hasattr(system, "renameat2"):
        here = ctypes.c_int(_AT_FDCWD)
        failed = system.renameat2(here, paths[0], here, paths[1], ctypes.c_uint(_RENAME_EXCHANGE))
    else:
        return False
    if not failed:
        return True
    number = ctypes.get_errno()
    if number in _UNKNOWN_HERE:
        return False
    raise OSError(number, os.strerror(number), str(other))


def make_held(folder: Path) -> int | None:
    """Makes a folder that `is_abandoned` leaves alone until the process ends, or closes it.

    Args:
      folder: of a name that nobody else takes; its parents are made too.

    Returns:
      A descriptor, to be closed; None if another process has taken the folder for abandoned.
    """
    folder.mkdir(parents=True)
    if fcntl is None:
        return os.open(os.devnull, os.O_RDONLY)
    try:
        return _held(os.open(folder, os.O_RDONLY), folder)
    except FileNotFoundError:
        return None


def make_held_file(path: Path) -> int | None:
    """Makes an empty file as `make_held` does a folder.

    Args:
      path: of a name that nobody else takes, in an existing folder.

    Returns:
      As `make_held`.
    """
    return _held(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666), path)


def _held(descriptor: int, path: Path) -> int | None:
    """The descriptor of what was just made there, locked; None if another process has it."""
    if fcntl is None:
        return descriptor
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        return descriptor  # The file system knows no locks: then nothing counts as abandoned.
    if _is_at(descriptor, path):
        return descriptor
    os.close(descriptor)
    return None


@contextmanager
def abandoned(path: Path) -> Iterator[bool]:
    """Says whether no process has what `make_held` or `make_held_file` made, also in the block.

    Args:
      path: any folder or file, also one that an earlier version made.
    """
    if fcntl is None:
        yield False
        return
    try:
        # Without waiting for somebody's pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield _is_at(descriptor, path)
    finally:
        os.close(descriptor)


@contextmanager
def turn_in(folder: Path) -> Iterator[None]:
    """Waits until no other process is in such a block of the same folder.

    Args:
      folder: an existing folder. Where its file system knows no locks, nothing is waited for.
    """
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    deadline = time.monotonic() + _SECONDS_OF_PATIENCE
    try:
        with suppress(OSError):
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    # The blocks take milliseconds, so that it is somebody else's lock.
                    if time.monotonic() > deadline:
                        break
                    time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    with suppress(OSError):
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    return False
