"""Solutions of a run folder in words: for legends, tables and titles."""

import re

_OF_LEVEL = re.compile(r"level_(\d+)(?:[/_]checkpoint[/_]step_(\d+))?")
_ELSEWHERE = re.compile(
    r"(?:branches[/_](?P<branch>.+)|(?P<replicate>replicate_\d+))[/_](level_.+)"
)
_REWIND = "rewind"


def solution_text(name: str) -> str:
    """Says in words which solution a path from a run folder means.

    Args:
      name: such as "branches/random_mask/level_5" or "../replicate_2/level_5"; also with
        underscores for the slashes, as in names of files.

    Returns:
      Such as "level 5 of random mask" or "level 5 of replicate 2"; anything else as it is.
    """
    path = name.removeprefix("../")
    if path == _REWIND:
        return "rewind point"
    if found := _OF_LEVEL.fullmatch(path):
        level, step = found.groups()
        return f"level {level}" + (f" at step {step}" if step else "")
    if found := _ELSEWHERE.fullmatch(path):
        return f"{solution_text(found[3])} of {branch_text(found['branch'] or found['replicate'])}"
    return name


def line_text(*solutions: str) -> str:
    """Names the line between two solutions, or the lines from each to the next."""
    return " to ".join(map(solution_text, solutions))


def branch_text(label: str) -> str:
    """Names a branch or a replicate by its folder, such as "retrain, learning rate 0.01"."""
    return ", ".join(part.replace("_", " ") for part in label.split("-"))
