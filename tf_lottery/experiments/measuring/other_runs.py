"""The runs that a run is compared with: other replicates of its experiment, and any by name."""

from collections.abc import Iterable
from pathlib import Path

from tf_lottery.report.copied_runs import copy_text, without_copies
from tf_lottery.store.errors import RunFolderError
from tf_lottery.store.replicates import replicate_folders
from tf_lottery.store.run_folder import RunFolder

# Hexadecimal digits that tell one checksum from another: few enough for a float to hold them.
DIGITS_OF_NUMBERS = 12


def other_replicates(run: RunFolder) -> tuple[list[RunFolder], list[str]]:
    """The other replicates of a run's experiment: run folders beside it, but for copies.

    Returns:
      The run folders, in the order of their numbers; and a sentence for each that is left out,
      being a copy of the run or of another.
    """
    own, number = run.path.absolute(), run.identity.get("replicate")
    try:
        folders = replicate_folders(own.parent)
    except RunFolderError:
        # The run folder was renamed or moved away from the others.
        return [], []
    beside_it = [folder for folder in folders if folder != own]
    runs = [RunFolder.read(path) for path in beside_it if (path / "config.json").exists()]
    if number is None:
        return without_copies(runs)
    copies = [one for one in runs if one.identity.get("replicate") == number]
    others, sentences = without_copies([one for one in runs if one not in copies])
    return others, [*(copy_text(copy.path, number, run.path) for copy in copies), *sentences]


def levels_in_common(run: RunFolder, other: RunFolder, levels: Iterable[int]) -> list[int]:
    """The levels whose masks and weights in another run folder are the run's own, bit for bit."""
    return [level for level in levels if ticket_number(run, level) == ticket_number(other, level)]


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
    checksums = [f"{ticket_number(run, level):0{DIGITS_OF_NUMBERS}x}"[:8] for level in pruned[:1]]
    return "_".join([*path.parts[-2:], *checksums])


def ticket_number(run: RunFolder, level: int) -> int:
    """A number for a column: it tells the mask and weights of a finished level from any others."""
    return int(run.level(level).ticket()[:DIGITS_OF_NUMBERS], 16)
