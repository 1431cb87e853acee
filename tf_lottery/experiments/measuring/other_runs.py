"""The runs that a run is compared with: other replicates of its experiment, and any by name."""

from collections.abc import Iterator
from pathlib import Path

from tf_lottery.store.errors import RunFolderError
from tf_lottery.store.replicates import replicate_folders
from tf_lottery.store.run_folder import RunFolder

# Hexadecimal digits that tell one checksum from another: few enough for a float to hold them.
_DIGITS = 12


def other_replicates(run: RunFolder) -> Iterator[RunFolder]:
    """The run folders beside a run's, in the order of their numbers."""
    own = run.path.absolute()
    try:
        folders = replicate_folders(own.parent)
    except RunFolderError:
        # The run folder was renamed or moved away from the others.
        return
    for folder in folders:
        if folder != own and (folder / "config.json").exists():
            yield RunFolder.read(folder)


def beside(given: str | None) -> str | None:
    """How names of files show `--other_run`: by the end of its path, and a part of a checksum.

    The checksum is that of the run's first pruned level. So another run in a folder of the same
    name, or the same run trained anew, has files of its own, and a run that was moved keeps its
    files.

    Args:
      given: the flag, of a run folder; None: nothing.
    """
    if given is None:
        return None
    path = Path(given).expanduser().absolute()
    run = RunFolder.read(path)
    levels = run.complete_levels()
    pruned = [level for level in levels if level] or levels
    checksums = [f"{ticket_number(run, level):0{_DIGITS}x}"[:8] for level in pruned[:1]]
    return "_".join([*path.parts[-2:], *checksums])


def ticket_number(run: RunFolder, level: int) -> int:
    """A number for a column: it tells the mask and weights of a finished level from any others."""
    return int(run.level(level).ticket()[:_DIGITS], 16)
