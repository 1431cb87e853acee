"""Seals: a small JSON file, written last, that says a folder is complete and what it holds."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tf_lottery.store.atomic import fsync_path, read_json, write_json
from tf_lottery.store.errors import DamagedFileError

CHANGED = "was changed after it was written"


def checksum(value: Any) -> str:
    """Returns the SHA-256 of a JSON value, which does not depend on the order of its keys."""
    # The round trip gives keys and tuples the form that they will have when read back.
    value = json.loads(json.dumps(value))
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def seal(
    folder: Path, file_names: Iterable[str], record: dict[str, Any], name: str = "seal.json"
) -> None:
    """Declares a folder complete: waits for its files to be on the disk, then writes the seal.

    Args:
      folder: the folder.
      file_names: the files in it that the seal covers.
      record: what else to remember, as JSON; floats and NaN keep their exact value.
      name: the seal's file name.

    Raises:
      DamagedFileError: one of the files is missing.
      StorageError: the disk is full, read-only, …
    """
    files = {}
    for file_name in file_names:
        files[file_name] = _describe(folder / file_name)
        fsync_path(folder / file_name)
    content = {"record": record, "files": files}
    write_json(folder / name, {**content, "sha256": checksum(content)})


def read_seal(folder: Path, name: str = "seal.json") -> dict[str, Any] | None:
    """Reads a seal without looking at the files that it covers.

    Args:
      folder: the folder.
      name: the seal's file name.

    Returns:
      {"record": {...}, "files": {file name: {"bytes": ..., "sha256": ...}}, "sha256": ...},
      or None when the folder has no seal.

    Raises:
      DamagedFileError: the seal itself is truncated or edited.
    """
    path = folder / name
    if not path.exists():
        return None
    content = read_json(path)
    if not all(isinstance(content.get(key), dict) for key in ("record", "files")):
        raise DamagedFileError(path, "is damaged: it has no record or no list of files")
    sealed = {"record": content["record"], "files": content["files"]}
    if content.get("sha256") != checksum(sealed):
        raise DamagedFileError(path, CHANGED)
    return content


def verify_seal(
    folder: Path, file_names: Iterable[str] | None = None, name: str = "seal.json"
) -> dict[str, Any]:
    """Checks that the sealed files are as they were when the folder was sealed.

    Args:
      folder: the folder.
      file_names: the files to check; all that the seal covers when left out.
      name: the seal's file name.

    Returns:
      The seal's record.

    Raises:
      DamagedFileError: the seal or a file is missing, truncated or edited.
    """
    content = read_seal(folder, name)
    if content is None:
        raise DamagedFileError(folder / name, "is missing")
    files = content["files"]
    for file_name in files if file_names is None else file_names:
        if file_name not in files:
            raise DamagedFileError(folder / name, f"does not list {file_name}")
        if _describe(folder / file_name) != files[file_name]:
            raise DamagedFileError(folder / file_name, CHANGED)
    return content["record"]


def damaged_files(
    folder: Path, content: dict[str, Any], *, largest_hashed: int | None = None
) -> Iterator[DamagedFileError]:
    """Compares the files that a seal covers with it, all of them.

    Args:
      folder: the folder.
      content: of its seal, as `read_seal` returns it.
      largest_hashed: bytes; of larger files only the size is looked at. None: all are hashed.

    Yields:
      An error for each file that is missing, truncated or edited.
    """
    for file_name, expected in content["files"].items():
        path = folder / file_name
        try:
            same = _size(path) == expected["bytes"] and (
                (largest_hashed is not None and expected["bytes"] > largest_hashed)
                or _describe(path) == expected
            )
        except DamagedFileError as error:
            yield error
            continue
        if not same:
            yield DamagedFileError(path, CHANGED)


def file_sha256(path: Path) -> str:
    """Returns the SHA-256 of a file.

    Raises:
      DamagedFileError: it is missing or cannot be read.
    """
    return _describe(path)["sha256"]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        raise DamagedFileError(path, "is missing") from None
    except OSError as error:
        raise DamagedFileError(path, f"cannot be read ({error.strerror})") from error


def _describe(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            return {"bytes": file.tell(), "sha256": sha256}
    except FileNotFoundError:
        raise DamagedFileError(path, "is missing") from None
    except OSError as error:
        raise DamagedFileError(path, f"cannot be read ({error.strerror})") from error
