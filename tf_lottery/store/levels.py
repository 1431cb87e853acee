"""What the folder of a run and that of a search have in common: rewind/ and level_N/."""

import re
from pathlib import Path

from tf_lottery.store.level_folder import LevelFolder
from tf_lottery.store.sealed_tensors import SealedTensors

LEVEL_NAME = re.compile(r"level_(0|[1-9]\d*)")


class LevelsFolder:
    """A folder of levels, which need not exist.

    Attributes:
      path: the folder.
    """

    def __init__(self, path: Path):
        self.path = path

    @property
    def rewind(self) -> SealedTensors:
        """The state at the rewind step."""
        return SealedTensors(self.path / "rewind")

    def level(self, number: int) -> LevelFolder:
        """Returns the folder of a level, which need not exist."""
        if number < 0:
            raise ValueError(f"level must be at least 0, not {number}")
        return LevelFolder(self.path / f"level_{number}")

    def level_numbers(self) -> list[int]:
        """Returns the levels that have a folder, in order."""
        names = (LEVEL_NAME.fullmatch(entry.name) for entry in self.path.iterdir())
        return sorted(int(name[1]) for name in names if name)

    def complete_levels(self) -> list[int]:
        """Returns all complete levels, in order; those of a branch need not be in a row."""
        return [number for number in self.level_numbers() if self.level(number).is_complete()]
