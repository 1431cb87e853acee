"""Which trained levels a row of results is of, in a text: their folders and checksums.

Such as "level_1:5d41402abc4b branches/random_mask/level_1:7d793037a076"; `UNTOLD` says nothing.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from tf_lottery.store.level_folder import LevelFolder

UNTOLD = "-"
# Of a checksum: enough to tell the trainings of one folder from each other.
_DIGITS = 12
_LEVEL = re.compile(rf"(.+?):([0-9a-f]{{{_DIGITS}}})(?: |$)")


def levels_text(run: Path, levels: Iterable[LevelFolder]) -> str:
    """Tells the masks and trained weights of levels from any others.

    Args:
      run: the run folder, which the levels are in.
      levels: those of the run and of its branches.

    Returns:
      The text; `UNTOLD` if a level is not complete, or there are none.
    """
    levels = list(levels)
    if not all(level.is_complete() for level in levels):
        return UNTOLD
    paths = [level.path.relative_to(run).as_posix() for level in levels]
    tickets = [level.ticket()[:_DIGITS] for level in levels]
    return " ".join(map("{}:{}".format, paths, tickets)) or UNTOLD


def is_replaced(text: str, ticket: Callable[[str], str | None]) -> bool:
    """Whether a level that a text is of was trained anew since.

    Args:
      text: of `levels_text`.
      ticket: gives the checksum of the level in a folder, which is named as in the text; None if
        there is none any more.
    """
    then_and_now = [(was, ticket(path)) for path, was in _LEVEL.findall(text)]
    return any(now is not None and not now.startswith(was) for was, now in then_and_now)
