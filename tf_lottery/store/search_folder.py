"""Where the files of a search of the library are, and how such a folder is recognized."""

import os
import re
from pathlib import Path

from tf_lottery.store.level_folder import LevelFolder
from tf_lottery.store.sealed_tensors import SealedTensors

SEARCH_SEAL = "search.json"
_LEVEL_NAME = re.compile(r"level_(0|[1-9]\d*)")


class SearchFolder:
    """Where the files of a search are: search.json, rewind/ and level_N/."""

    def __init__(self, path: Path):
        """Takes the folder, which need not exist."""
        self.path = path

    @property
    def rewind(self) -> SealedTensors:
        """The state at the rewind step."""
        return SealedTensors(self.path / "rewind")

    def level(self, number: int) -> LevelFolder:
        """The folder of a level, which need not exist."""
        return LevelFolder(self.path / f"level_{number}")

    def complete_levels(self) -> list[int]:
        """Returns all complete levels, in order."""
        names = (_LEVEL_NAME.fullmatch(entry.name) for entry in self.path.iterdir())
        numbers = sorted(int(name[1]) for name in names if name)
        return [number for number in numbers if self.level(number).is_complete()]


def holds_a_search(path: Path) -> bool:
    """Whether a folder is that of a search, which may have lost its search.json."""
    if os.path.lexists(path / SEARCH_SEAL):
        return True
    if os.path.lexists(path / "config.json"):
        return False  # The folder of a run has levels too.
    return (path / "rewind" / "seal.json").exists() and bool(SearchFolder(path).complete_levels())
