"""Checks of single arguments and flags: what is wrong is named with its value and what is right.

The name of an argument is how a user writes it: `levels`, or `--levels` where it is a flag.
"""

import errno
import numbers
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeGuard

# What TensorFlow and NumPy count with.
LARGEST_WHOLE = 2**63 - 1
# A search of more levels is a slip of the finger: each prunes less than a thousandth.
MOST_LEVELS = 10_000

_LONGEST = 80


def shown(value: Any) -> str:
    """A value as it is shown in a message: on one line, and not endless."""
    text = " ".join(repr(value).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def refusal(argument: str, value: Any, right: str) -> ValueError:
    """The error of an argument, which says what is right."""
    text = str(value) if argument.startswith("--") and isinstance(value, str) else shown(value)
    return ValueError(f"{argument}={text}: {right}.")


def is_whole(value: Any) -> TypeGuard[int]:
    """Whether it is a whole number, of Python or NumPy."""
    return isinstance(value, numbers.Integral) and not _is_truth(value)


def is_number(value: Any) -> TypeGuard[float]:
    """Whether it is a real number, of Python or NumPy."""
    return isinstance(value, numbers.Real) and not _is_truth(value)


def is_several(value: Any) -> TypeGuard[Collection[Any]]:
    """Whether it is a list or the like; a text and an array of NumPy without dimensions are not."""
    if isinstance(value, str | bytes) or getattr(value, "ndim", None) == 0:
        return False
    return isinstance(value, Collection)


def check_whole(
    argument: str, value: Any, least: int = 0, most: int = LARGEST_WHOLE, example: int | None = None
) -> None:
    """Checks for a whole number from `least` to `most`.

    Raises:
      ValueError: if it is none; names the argument.
    """
    if not is_whole(value) or not least <= value <= most:
        bounds = f"of {least} or more" if most == LARGEST_WHOLE else f"from {least} to {most}"
        such_as = "" if example is None else f", such as {example}"
        raise refusal(argument, value, f"use a whole number {bounds}{such_as}")


def check_fraction(
    argument: str, value: Any, *, zero: bool = False, example: float = 0.2, right: str = ""
) -> None:
    """Checks for a number in (0, 1), or with `zero` in [0, 1).

    Raises:
      ValueError: if it is none; names the argument.
    """
    if not is_number(value) or not 0 <= value < 1 or (value == 0 and not zero):
        interval = "[0, 1)" if zero else "(0, 1)"
        raise refusal(argument, value, right or f"use a fraction in {interval}, such as {example}")


def check_truth(argument: str, value: Any) -> None:
    """Checks for True or False.

    Raises:
      ValueError: if it is neither; names the argument.
    """
    if not _is_truth(value):
        raise refusal(argument, value, "use True or False")


def check_choice(argument: str, value: Any, choices: Collection[str]) -> None:
    """Checks for one of some texts.

    Raises:
      ValueError: if it is none of them; names the argument.
    """
    if not isinstance(value, str) or value not in choices:
        raise refusal(argument, value, f"use one of {', '.join(choices)}")


def check_text(argument: str, value: Any, example: str) -> None:
    """Checks for a text that is not empty.

    Raises:
      ValueError: if it is none; names the argument.
    """
    if not isinstance(value, str) or not value.strip():
        raise refusal(argument, value, f"use a text, such as {example!r}")


def check_path(argument: str, value: Any) -> None:
    """Checks for the name of a file or folder.

    Raises:
      ValueError: if it is none; names the argument.
    """
    if not isinstance(value, str | os.PathLike) or not str(value) or "\0" in str(value):
        raise refusal(argument, value, "give a path, as text or pathlib.Path")
    expanded(argument, value)


def expanded(argument: str, path: str | os.PathLike[str], given: str = "") -> Path:
    """A path with the home folder that ~ or ~NAME stands for.

    Args:
      argument: that has it, for error messages.
      path: as it is given.
      given: the value of the argument, where it is more than the path.

    Raises:
      ValueError: if there is none, or the path cannot be written into a file, or is longer than
        the system takes; names the argument.
    """
    try:
        os.fspath(path).encode()
        found = Path(path).expanduser()
    except UnicodeEncodeError:
        right = "it is not UTF-8; give it another name"
        raise refusal(argument, shown(given or path), right) from None
    except RuntimeError:
        home = Path(path).parts[0]
        right = f"there is no home folder {home}; write out which folder is meant"
        raise refusal(argument, given or os.fspath(path), right) from None
    if _is_too_long(found):
        right = "it is longer than the system takes; give a shorter one"
        raise refusal(argument, given or os.fspath(path), right)
    return found


def _is_too_long(path: Path) -> bool:
    try:
        path.lstat()
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG
    except ValueError:  # Of what is no name at all.
        return False
    return False


def check_mapping(argument: str, value: Any, example: str) -> None:
    """Checks for a mapping.

    Raises:
      ValueError: if it is none; names the argument.
    """
    if not isinstance(value, Mapping):
        raise refusal(argument, value, f"use a mapping, such as {example}")


def check_names(argument: str, value: Any, example: str) -> None:
    """Checks for several texts, of which a single one is a common mistake.

    Raises:
      ValueError: if they are none; names the argument.
    """
    if not is_several(value) or not all(isinstance(name, str) for name in value):
        raise refusal(argument, value, f"use a list of names, such as {example}")


def levels_from(value: Any) -> list[int] | None:
    """Reads an argument `levels`, whose numbers may be NumPy's, which are no JSON.

    Args:
      value: a list of levels; None: all that there are.

    Raises:
      ValueError: if it is neither.
    """
    if value is None:
        return None
    levels = value if is_several(value) else []
    if len(levels) == 0 or not all(is_whole(level) and level >= 0 for level in levels):
        raise refusal("levels", value, "use a list of levels, such as [0, 5]")
    return [int(level) for level in levels]


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool) or type(value).__name__ in ("bool_", "bool")
