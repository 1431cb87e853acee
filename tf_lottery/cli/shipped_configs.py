"""The flag files that come with the package: found by their names, in whichever folder one is."""

import textwrap
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import tf_lottery

_IN = "    "


@cache
def folder() -> Path:
    """Where they are: in the package, or beside it in a clone."""
    package = Path(tf_lottery.__file__).parent
    within = package / "configs"
    return within if within.is_dir() else package.parent / "configs"


def find(name: str) -> str:
    """The file that a value of --flagfile means.

    Args:
      name: a path, or one as it is below configs/, such as `paper/lth_lenet_mnist.cfg`.

    Returns:
      The path, if there is such a file or none of this name is shipped; else that of what is.
    """
    if Path(name).exists():
        return name
    below = Path(name)
    if below.parts[:1] == ("configs",):
        below = below.relative_to("configs")
    shipped = folder() / below
    is_below = not below.is_absolute() and ".." not in below.parts
    return str(shipped) if is_below and shipped.is_file() else name


def with_paths(arguments: Sequence[str]) -> list[str]:
    """A command line whose flag files are named by their paths.

    Args:
      arguments: of the command line.
    """
    found = []
    for argument in arguments:
        flag, equals, name = argument.partition("=")
        if equals and flag in ("--flagfile", "-flagfile"):
            argument = f"{flag}={find(name)}"
        elif found and found[-1] in ("--flagfile", "-flagfile"):
            argument = find(argument)
        found.append(argument)
    return found


def listing() -> str:
    """Their names below configs/, and what the first comment of each says."""
    paths = sorted(folder().rglob("*.cfg"), key=lambda path: (len(path.parents), path.name))
    lines = []
    for path in paths:
        lines.append(path.relative_to(folder()).as_posix())
        lines += textwrap.wrap(_first_sentence(path), 76, initial_indent=_IN, subsequent_indent=_IN)
    return "\n".join([*lines, "", "tf-lottery --flagfile=NAME runs one, in any folder."]) + "\n"


def _first_sentence(path: Path) -> str:
    comments = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        comments.append(line.lstrip("# "))
    return " ".join(comments).partition(". ")[0].rstrip(".")
