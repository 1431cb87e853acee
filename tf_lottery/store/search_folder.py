"""Where the files of a search of the library are, and how such a folder is recognized."""

import os
from pathlib import Path

from tf_lottery.store.levels import LevelsFolder
from tf_lottery.store.search_remedy import SEARCH_SEAL


class SearchFolder(LevelsFolder):
    """Where the files of a search are: search.json, rewind/ and level_N/."""


def holds_a_search(path: Path) -> bool:
    """Whether a folder is that of a search, which may have lost its search.json."""
    if os.path.lexists(path / SEARCH_SEAL):
        return True
    if os.path.lexists(path / "config.json"):
        return False  # The folder of a run has levels too.
    return (path / "rewind" / "seal.json").exists() and bool(SearchFolder(path).complete_levels())
