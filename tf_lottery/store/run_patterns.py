"""Runs that are named together, by a pattern such as "runs/lenet_*"."""

import re
from collections.abc import Iterable
from pathlib import Path

from tf_lottery.config.arguments import expanded
from tf_lottery.messages import listed

_PATTERN = re.compile(r"[*?[]")


def named_runs(text: str) -> list[Path]:
    """Finds the folders that a value of --run names.

    Args:
      text: a path; with "*", "?" or "[...]" in its names it stands for all run folders, and folders
        of replicates, that it fits.

    Returns:
      The path, or what the pattern fits in natural order: 2 before 10.

    Raises:
      ValueError: no run fits the pattern, of which those there are are listed; or several are named
        at once.
    """
    path = expanded("--run", text)
    if path.exists():
        return [path]
    several = [part.strip() for part in text.split(",")]
    if len(several) > 1 and all(expanded("--run", part).exists() for part in several):
        each = " ".join(f"--run={part}" for part in several)
        raise ValueError(f"--run={text}: give the flag once for each run, as {each}.")
    if not _PATTERN.search(text):
        return [path]
    found = [folder for folder in _matches(path) if _holds_runs(folder)]
    if not found:
        raise ValueError(f"--run={text} fits no run. {runs_in(_fixed_part(path))}")
    return naturally_sorted(found)


def naturally_sorted(paths: Iterable[Path]) -> list[Path]:
    """Sorts paths by their names, with the numbers in them by their values."""
    return sorted(paths, key=_natural_key)


def _natural_key(path: Path) -> tuple:
    parts = re.split(r"(\d+(?:\.\d+)?)", str(path))
    # Texts and numbers alternate, so that texts are compared with texts.
    numbers = tuple(float(part) if place % 2 else part for place, part in enumerate(parts))
    return numbers, str(path)


def _fixed_part(path: Path) -> Path:
    """The folder above the first name that is a pattern."""
    return next(above for above in path.parents if not _PATTERN.search(str(above)))


def _matches(path: Path) -> Iterable[Path]:
    folder = _fixed_part(path)
    return folder.glob(str(path.relative_to(folder))) if folder.is_dir() else ()


def _holds_runs(folder: Path) -> bool:
    if (folder / "config.json").exists():
        return True
    return any((entry / "config.json").exists() for entry in folder.glob("replicate_*"))


def runs_in(folder: Path) -> str:
    """Says in a sentence which runs, and folders of replicates, a folder has."""
    if not folder.is_dir():
        return f"There is no folder {folder.absolute()}."
    runs = naturally_sorted(found for found in folder.iterdir() if _holds_runs(found))
    if not runs:
        return f"In {folder.absolute()} there is none at all."
    names = listed((run.name for run in runs), most=10)
    return f"In {folder.absolute()} there are {names}."
