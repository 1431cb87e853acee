"""The folder of a report: which it is, and that nothing else in it is overwritten."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tf_lottery.report.run_records import RunRecord
from tf_lottery.store.atomic import atomic_path, is_leftover, read_json, remove, write_json
from tf_lottery.store.errors import DamagedFileError, StorageError

# Says that the folder is a report's, and which files of it a later report may replace.
_CONTENTS = "report.json"
_PROGRAM = "tf_lottery report"
_PAGE = "index.html"
# Near the beginning of every page, also of those of older versions.
_MARK, _BYTES_WITH_MARK = b'<meta name="generator" content="tf_lottery">', 1000
_FILE_NAME = re.compile(r"[A-Za-z0-9_]+\.(html|csv|png|svg)")
_NAMES_IN_NAME = 3
_BYTES_OF_NAME = 120
_NOT_OURS = (
    "which no report wrote; move it away, or name another folder, so that nothing of yours is "
    "overwritten"
)


def default_folder(runs: Sequence[RunRecord]) -> Path:
    """Returns NAME/report for the replicates of one run, else report_A_B beside the first."""
    folders = list(dict.fromkeys(run.path.parent for run in runs))
    if len(folders) == 1:
        return folders[0] / "report"
    names = [folder.name for folder in folders]
    if len(names) > _NAMES_IN_NAME:
        names = [*names[: _NAMES_IN_NAME - 1], f"and_{len(names) - _NAMES_IN_NAME + 1}_more"]
    # File systems allow 255 bytes, of which a temporary name needs some.
    name = "_".join(["report", *names]).encode(errors="surrogateescape")[:_BYTES_OF_NAME]
    return folders[0].parent / name.decode(errors="ignore")


def check_folder(folder: Path) -> None:
    """Refuses a folder that holds anything but a report.

    Args:
      folder: it need not exist.

    Raises:
      ValueError: it holds something else, or is no folder; names the flag.
    """
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


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes a report, each file atomically, and removes those of an earlier one.

    Args:
      folder: one that `check_folder` accepts.
      files: content by name; the last is written when all others are there.

    Raises:
      ValueError: the system refuses, or a file is of somebody else's; names the flag.
    """
    earlier = set(_files_of_report(folder) or ())
    foreign = sorted(name for name in files.keys() - earlier if (folder / name).exists())
    if foreign:
        raise ValueError(f"--report_dir={folder} holds {', '.join(foreign)}, {_NOT_OURS}.")
    try:
        # Before anything else: a report that is cut short can then be written again.
        _write_contents(folder, earlier | files.keys())
        for name, content in files.items():
            with atomic_path(folder / name) as temporary:
                temporary.write_bytes(content)
        for name in sorted(earlier - files.keys()):
            if not (folder / name).is_dir():  # What took the place of a file is somebody else's.
                remove(folder / name)
        _write_contents(folder, files.keys())
    except StorageError as error:
        raise ValueError(
            f"--report_dir={folder} cannot be written to: {error.reason}. "
            + error.remedy_or("name another folder")
        ) from error


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


def _write_contents(folder: Path, names: Iterable[str]) -> None:
    write_json(folder / _CONTENTS, {"program": _PROGRAM, "files": sorted(names)})


def _files_of_report(folder: Path) -> list[str] | None:
    """Returns the names of an earlier report's files; None if the folder is not a report's."""
    try:
        contents = read_json(folder / _CONTENTS)
    except DamagedFileError:
        return None
    names = contents.get("files")
    if contents.get("program") != _PROGRAM or not isinstance(names, list):
        return None
    return [name for name in names if isinstance(name, str) and _FILE_NAME.fullmatch(name)]
