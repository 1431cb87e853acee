"""Files and folders that appear whole or not at all, even when the process is killed."""

import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tf_lottery.store.errors import DamagedFileError, as_storage_error
from tf_lottery.store.swap import abandoned, exchange, make_held, make_held_file, turn_in

_LEFTOVER = re.compile(r".+\.tmp-[0-9a-f]{12}(\..*)?")
_RETIRED = ".old"


def temporary_sibling(path: Path) -> Path:
    """Returns a fresh name beside `path` that `is_leftover` recognises."""
    return path.with_name(f"{path.name}.tmp-{secrets.token_hex(6)}")


def is_leftover(name: str) -> bool:
    """Returns whether a file or folder of this name is an unfinished write."""
    return _LEFTOVER.fullmatch(name) is not None


def finished_files(folder: Path, pattern: str) -> list[Path]:
    """Returns what a folder holds that a pattern of `glob` fits, without unfinished writes."""
    return sorted(path for path in folder.glob(pattern) if not is_leftover(path.name))


def fsync_path(path: Path) -> None:
    """Waits until a file's content, or a folder's list of names, is on the disk."""
    on_windows = os.name == "nt"
    if on_windows and path.is_dir():
        return  # Folders cannot be opened there.
    descriptor = os.open(path, os.O_RDWR if on_windows else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Removes a file or a folder with all it holds, as far as the system allows."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


def remove_folder(folder: Path) -> None:
    """Removes a folder in one step: killed in the middle, it leaves no half folder behind.

    Args:
      folder: the folder; it may be absent.

    Raises:
      StorageError: the system does not allow it.
    """
    doomed = temporary_sibling(folder)
    with as_storage_error(folder), suppress(FileNotFoundError):
        folder.rename(doomed)
        remove(doomed)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Writes a file through a temporary name, which takes the final one only when complete.

    Killed at any moment, the process leaves the earlier file or the new one; what it leaves beside
    it is removed when the same file is written the next time.

    Args:
      path: the final file; missing parent folders are made, an existing file is replaced.

    Yields:
      The temporary path to write to, in the same folder and with the same suffix.

    Raises:
      StorageError: the disk is full, read-only, …; a file of this name is as it was before.
    """
    # Writers that choose the format or add a suffix by the name (np.savez, matplotlib) need
    # to see the final suffix.
    temporary, held = _temporary_file(path), None
    try:
        with as_storage_error(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            while (held := make_held_file(temporary)) is None:
                temporary = _temporary_file(path)
            yield temporary
            fsync_path(temporary)
            temporary.replace(path)
            fsync_path(path.parent)
        _remove_abandoned(left for left in _leftovers_of(path) if left.is_file())
    except BaseException:
        remove(temporary)
        raise
    finally:
        if held is not None:
            os.close(held)


def _temporary_file(path: Path) -> Path:
    temporary = temporary_sibling(path)
    return temporary.with_name(temporary.name + path.suffix)


@contextmanager
def atomic_folder(
    folder: Path, *, replace: bool = False, confirm: Callable[[], object] = lambda: None
) -> Iterator[Path]:
    """Fills a folder under a temporary name, which takes the final one only when complete.

    Killed at any moment, the process leaves the earlier folder or the new one, and beside it what
    `remove_abandoned` removes. Only where the system cannot exchange two folders there is a moment
    with neither, after which `put_back` returns the earlier one.

    Args:
      folder: the final folder; missing parent folders are made.
      replace: whether a folder of that name gives way.
      confirm: is called at the last moment before that, and may raise to prevent it.

    Yields:
      The temporary folder, empty.

    Raises:
      StorageError: the disk is full, read-only, or `folder` exists and may not be replaced.
    """
    temporary, held = temporary_sibling(folder), None
    try:
        with as_storage_error(folder):
            while (held := make_held(temporary)) is None:
                temporary = temporary_sibling(folder)
            yield temporary
            fsync_path(temporary)
            with turn_in(folder.parent):
                confirm()
                retired = _take_place(temporary, folder, replace)
                fsync_path(folder.parent)
            remove(retired)
    except BaseException:
        remove(temporary)
        raise
    finally:
        if held is not None:
            os.close(held)


def _take_place(temporary: Path, folder: Path, replace: bool) -> Path:
    """Gives the temporary folder the final name; returns what the earlier one is called then."""
    if replace and folder.exists():
        if exchange(temporary, folder):
            return temporary
        retired = temporary.with_name(temporary.name + _RETIRED)
        folder.rename(retired)
        try:
            temporary.rename(folder)
        except OSError:
            retired.rename(folder)
            raise
        return retired
    temporary.rename(folder)
    return temporary


def put_back(folder: Path) -> None:
    """Puts a folder back that is gone because a process was killed while replacing it."""
    if os.path.lexists(folder):
        return
    retired = [path for path in _leftovers_of(folder) if path.name.endswith(_RETIRED)]
    if not retired:
        return
    with as_storage_error(folder), turn_in(folder.parent):
        if not os.path.lexists(folder):
            max(retired, key=lambda path: path.lstat().st_mtime).rename(folder)


def remove_abandoned(folder: Path, *, and_of_others: bool = False) -> None:
    """Removes what killed processes left beside a folder that `atomic_folder` was to make.

    That of a process that is still running stays.

    Args:
      folder: the final folder; it need not exist.
      and_of_others: also what was to become other folders in the same place.
    """
    _remove_abandoned(path for path in _leftovers_of(folder, and_of_others) if path.is_dir())


def _remove_abandoned(leftovers: Iterable[Path]) -> None:
    for path in leftovers:
        with abandoned(path) as nobody_there:
            if nobody_there:
                remove(path)


def _leftovers_of(folder: Path, and_of_others: bool = False) -> list[Path]:
    start = "" if and_of_others else f"{folder.name}.tmp-"
    with suppress(OSError):
        beside = list(folder.parent.iterdir())
        return [path for path in beside if path.name.startswith(start) and is_leftover(path.name)]
    return []


def remove_leftovers(folder: Path, *, except_below: Collection[str] = ()) -> None:
    """Removes what killed processes left unfinished, in a folder and all folders below it.

    Args:
      folder: a folder that no other process writes to now.
      except_below: names of folders in it that other processes may write to, and that are left
        as they are.
    """
    for place, folder_names, file_names in os.walk(folder):
        if Path(place) == folder:
            folder_names[:] = [name for name in folder_names if name not in except_below]
        for name in filter(is_leftover, folder_names + file_names):
            remove(Path(place) / name)


def write_text(path: Path, text: str) -> None:
    """Writes a UTF-8 text file atomically.

    Args:
      path: the file; missing parent folders are made.
      text: its content.

    Raises:
      StorageError: the disk is full, read-only, …
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Writes a JSON object atomically; floats, NaN among them, keep their exact value.

    Args:
      path: the file; missing parent folders are made.
      value: the object.

    Raises:
      StorageError: the disk is full, read-only, …
    """
    write_text(path, json.dumps(value, indent=2) + "\n")


def read_text(path: Path) -> str:
    """Reads a UTF-8 text file.

    Args:
      path: the file.

    Returns:
      Its content.

    Raises:
      DamagedFileError: it is missing, unreadable or not text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DamagedFileError(path, "is missing") from None
    except OSError as error:
        raise DamagedFileError(path, f"cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise DamagedFileError(path, f"is damaged: not a text file ({error})") from error


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object.

    Args:
      path: the file.

    Returns:
      The object.

    Raises:
      DamagedFileError: it is missing, not JSON, or not an object.
    """
    text = read_text(path)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(path, f"is damaged: not valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise DamagedFileError(path, "is damaged: not a JSON object")
    return value
