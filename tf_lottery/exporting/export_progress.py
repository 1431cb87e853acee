"""How an export says where it stands."""

from typing import Protocol


class ExportProgress(Protocol):
    """Is told what an export begins with; `print` will do."""

    def __call__(self, action: str, what: str, number: int, total: int) -> None:
        """Takes note.

        Args:
          action: "writing", "verifying" or "measuring".
          what: the name of a format, or "all files".
          number: which one it is of those with this action, from 1.
          total: how many of those there will be.
        """


def no_progress(action: str, what: str, number: int, total: int) -> None:
    """Says nothing."""
