"""The replicates of an experiment: WORKDIR/NAME/replicate_1, replicate_2, …"""

import os
import re
from pathlib import Path

from tf_lottery.store.errors import DamagedFileError, RunFolderError
from tf_lottery.store.levels import LEVEL_NAME
from tf_lottery.store.run_patterns import runs_in

_REPLICATE_NAME = re.compile(r"replicate_([1-9]\d*)")


def replicate_folders(path: Path) -> list[Path]:
    """The run folders that a path stands for.

    Args:
      path: a run folder, or the folder of an experiment that holds its replicates.

    Returns:
      The run folder alone, or those of all replicates in the order of their numbers.

    Raises:
      RunFolderError: it is neither.
      DamagedFileError: it is a run folder without its config.json.
    """
    path = Path(path)
    if os.path.lexists(path / "config.json"):
        return [path]
    names = [folder.name for folder in path.iterdir()] if path.is_dir() else []
    numbers = filter(None, map(_REPLICATE_NAME.fullmatch, names))
    found = [path / f"replicate_{number}" for number in sorted(int(n[1]) for n in numbers)]
    if not found:
        if any(map(LEVEL_NAME.fullmatch, names)):
            raise DamagedFileError(path / "config.json", "is missing")
        raise RunFolderError(
            f"--run={path} is neither a run folder, WORKDIR/NAME/replicate_R, nor one that holds "
            f"run folders. {runs_in(path.absolute().parent)}"
        )
    return found
