"""How to get back what is damaged in the folder of a search of the library, which has no flags."""

import os
import re
from pathlib import Path

SEARCH_SEAL = "search.json"
_LEVEL = re.compile(r"level_(\d+)")


def search_of(path: Path) -> Path | None:
    """The folder of the search that a file or folder in it is of; None if it is of a run.

    Args:
      path: of what is in the folder, or in one of its levels; need not exist.
    """
    if path.name == SEARCH_SEAL:
        return path.parent
    folders = (path, *path.parents[:2])
    return next((one for one in folders if os.path.lexists(one / SEARCH_SEAL)), None)


def remedy_in_search(search: Path, path: Path) -> str:
    """What to do about a damaged file of a search, in a sentence.

    Args:
      search: its folder.
      path: the file, or the folder of a level.
    """
    anew = f"delete the folder {search.absolute()} and start the same script again"
    if path.name == SEARCH_SEAL:
        return f"Restore it from a backup, or {anew}, which begins anew."
    level = _level_of(path) or _level_of(path.parent)
    if not level:
        return f"Restore it from a backup, or {anew}, which trains all levels anew."
    # What follows was found from it, and the data may come in another order now.
    last = max([level, *filter(None, map(_level_of, search.glob("level_*")))])
    names = ", ".join(f"level_{number}" for number in range(level, last + 1))
    return (
        f"Restore it from a backup, or delete {names} in {search.absolute()} and start the same "
        f"script again, which trains from level {level} on."
    )


def _level_of(folder: Path) -> int | None:
    found = _LEVEL.fullmatch(folder.name)
    return int(found[1]) if found else None
