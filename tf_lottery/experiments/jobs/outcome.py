"""How a task has ended."""

from dataclasses import dataclass
from typing import Any

from tf_lottery.users_code import told


@dataclass(frozen=True)
class Outcome:
    """How a task has ended.

    Attributes:
      error: that ended it, if one did.
      interrupted: whether it was told to stop.
      text: what it has said, to be shown as a whole.
      result: what it found.
    """

    error: Exception | None = None
    interrupted: bool = False
    text: str = ""
    result: Any = None


class TaskFailedError(ConnectionError):
    """A task in a job of its own has failed, or was ended from outside; others may do well."""


# Errors of one task, which let others begin.
ALONE = (ArithmeticError, TaskFailedError)

# Exit codes of tasks in jobs of their own, besides those of the program.
DIVERGED, INTERRUPTED = 3, 130

# Those that are told to users; of their subclasses the text alone is passed on.
TOLD = (ConnectionError, OSError, MemoryError, ArithmeticError, ValueError)


def portable(error: Exception) -> Exception:
    """An error of one of the kinds that are told to users, as another process can be given it."""
    if isinstance(error, OSError) and error.strerror:
        return OSError(error.errno, told(error, error.strerror), error.filename)
    return next(kind for kind in TOLD if isinstance(error, kind))(told(error))
