"""The folder of a report: which it is, and that nothing else in it is overwritten."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from tf_lottery.report.run_records import RunRecord
from tf_lottery.store.atomic import atomic_path, is_leftover, read_json, remove, write_json
from tf_lottery.store.errors import DamagedFileError, RunFolderError, StorageError
from tf_lottery.store.levels import LEVEL_NAME
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.search_folder import holds_a_search

# Says that the folder is a report's, and which files of it a later report may replace.
_CONTENTS = "report.json"
_PROGRAM = "tf_lottery report"
_PAGE = "index.html"
# Near the beginning of every page, also of those of older versions.
_MARK, _BYTES_WITH_MARK = b'<meta name="generator" content="tf_lottery">', 1000
_FILE_NAME = re.compile(r"[A-Za-z0-9_]+\.(html|csv|png|svg)")
_NAMES_IN_NAME = 3
_BYTES_OF_NAME = 120
_REPLICATE_NAME = re.compile(r"replicate_[0-9]+")
_NOT_OURS = (
    "which no report wrote; move it away, or name another folder, so that nothing of yours is "
    "overwritten"
)


def default_folder(runs: Sequence[RunRecord]) -> Path:
    """Returns the folder of a report that is not told where to go.

    Args:
      runs: what it is of.

    Returns:
      NAME/report for the replicates of one run, else report_A_B beside the first; report_A_B_2 and
      so on, where an earlier report of other runs has that name.
    """
    folders = list(dict.fromkeys(run.path.parent for run in runs))
    if len(folders) == 1:
        return folders[0] / "report"
    names = [folder.name for folder in folders]
    if len(names) > _NAMES_IN_NAME:
        names = [*names[: _NAMES_IN_NAME - 1], f"and_{len(names) - _NAMES_IN_NAME + 1}_more"]
    # File systems allow 255 bytes, of which a temporary name needs some.
    name = "_".join(["report", *names]).encode(errors="surrogateescape")[:_BYTES_OF_NAME]
    folder = folders[0].parent / name.decode(errors="ignore")
    numbered = (folder.with_name(f"{folder.name}_{number}") for number in count(2))
    return (
        folder
        if _is_free_for(runs, folder)
        else next(one for one in numbered if _is_free_for(runs, one))
    )


def _is_free_for(runs: Sequence[RunRecord], folder: Path) -> bool:
    """Whether no report of other runs is there; of which runs it is, older versions did not say."""
    of = _contents(folder).get("runs")
    return of is None or of == run_names(runs, folder)


def run_names(runs: Sequence[RunRecord], folder: Path) -> list[str]:
    """Returns the folders of the runs that a report is of, as they are found from its folder."""
    folders = {str(run.path.parent) for run in runs}
    with suppress(ValueError):  # On Windows they may be on another drive.
        folders = {os.path.relpath(path, folder) for path in folders}
    return sorted(folders)


def check_folder(folder: Path) -> None:
    """Refuses a folder that holds anything but a report, or is where runs are.

    Args:
      folder: it need not exist.

    Raises:
      ValueError: it holds something else, is no folder, is in a run folder, or would be taken for
        a run or a level; names the flag.
    """
    _refuse_place_of_run(folder)
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ValueError(f"--report_dir={folder} is a file; name a folder.")
    names = [entry.name for entry in folder.iterdir() if not is_leftover(entry.name)]
    if names and _files_of_report(folder) is None:
        listed = ", ".join(sorted(names)[:5]) + (", …" if len(names) > 5 else "")
        raise ValueError(
            f"--report_dir={folder} holds {listed}, and no earlier report; name an empty or a new "
            "folder, so that nothing of yours is overwritten."
        )
    _refuse_foreign_page(folder)


def write_files(folder: Path, files: Mapping[str, bytes], runs: Sequence[str] = ()) -> None:
    """Writes a report, each file atomically, and removes those of an earlier one.

    Args:
      folder: one that `check_folder` accepts.
      files: content by name; the last is written when all others are there.
      runs: what it is of, by `run_names`.

    Raises:
      ValueError: the system refuses, or a file is of somebody else's; names the flag.
    """
    earlier = set(_files_of_report(folder) or ())
    foreign = sorted(name for name in files.keys() - earlier if (folder / name).exists())
    if foreign:
        raise ValueError(f"--report_dir={folder} holds {', '.join(foreign)}, {_NOT_OURS}.")
    try:
        # Before anything else: a report that is cut short can then be written again.
        _write_contents(folder, earlier | files.keys(), runs)
        for name, content in files.items():
            with atomic_path(folder / name) as temporary:
                temporary.write_bytes(content)
        for name in sorted(earlier - files.keys()):
            if not (folder / name).is_dir():  # What took the place of a file is somebody else's.
                remove(folder / name)
        _write_contents(folder, files.keys(), runs)
    except StorageError as error:
        raise ValueError(
            f"--report_dir={folder} cannot be written to: {error.reason}. "
            + error.remedy_or("name another folder")
        ) from error


def _refuse_place_of_run(folder: Path) -> None:
    place = folder.absolute().resolve()
    parents = (place, *place.parents)
    for parent in parents:
        if is_run(parent):
            raise ValueError(
                f"--report_dir={folder} is in the run folder {parent}; name a folder outside of "
                "it, such as one beside the replicates."
            )
    for parent in parents:
        named = _REPLICATE_NAME.fullmatch(parent.name) or LEVEL_NAME.fullmatch(parent.name)
        if named and (parent == place or _is_empty(parent)):
            raise ValueError(
                f"--report_dir={folder}: {parent.name} is a name of "
                f"{'run folders' if parent.name.startswith('replicate') else 'levels'}, for which "
                "it would be taken; choose another."
            )


def is_run(place: Path) -> bool:
    """Whether a folder is that of a run or of a search, which may be damaged."""
    with suppress(OSError):
        if holds_a_search(place):
            return True
        if _REPLICATE_NAME.fullmatch(place.name):
            names = {entry.name for entry in place.iterdir()}
            return "config.json" in names or any(map(LEVEL_NAME.fullmatch, names))
        with suppress(RunFolderError):
            # Others have a config.json too.
            return (place / "config.json").is_file() and bool(RunFolder.read(place).identity)
    return False


def _is_empty(place: Path) -> bool:
    with suppress(OSError):
        return not place.exists() or not any(place.iterdir())
    return False


def _refuse_foreign_page(folder: Path) -> None:
    page = folder / _PAGE
    if page.is_dir():
        raise ValueError(
            f"--report_dir={folder} holds a folder {_PAGE}, where the page of the report goes; "
            "move it away, or name another folder."
        )
    if page.is_file() and page.stat().st_size:
        with page.open("rb") as file:
            if _MARK not in file.read(_BYTES_WITH_MARK):
                raise ValueError(f"--report_dir={folder} holds an {_PAGE}, {_NOT_OURS}.")


def _write_contents(folder: Path, names: Iterable[str], runs: Sequence[str]) -> None:
    contents = {"program": _PROGRAM, "runs": list(runs), "files": sorted(names)}
    # Names of folders need not be valid UTF-8.
    write_json(folder / _CONTENTS, contents)


def _contents(folder: Path) -> dict[str, Any]:
    """Returns what an earlier report says of itself; nothing if there is none."""
    with suppress(DamagedFileError):
        contents = read_json(folder / _CONTENTS)
        if contents.get("program") == _PROGRAM:
            return contents
    return {}


def _files_of_report(folder: Path) -> list[str] | None:
    """Returns the names of an earlier report's files; None if the folder is not a report's."""
    names = _contents(folder).get("files")
    if not isinstance(names, list):
        return None
    return [name for name in names if isinstance(name, str) and _FILE_NAME.fullmatch(name)]
