"""Which plug-ins a run was made with, for those who have not imported them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def plugins_named(run: Path) -> Iterator[None]:
    """Adds the plug-ins that a run was made with to an error, if some are not imported.

    Args:
      run: a run folder, which need not exist.

    Raises:
      ValueError: what was raised within, with the plug-ins.
    """
    try:
        yield
    except ValueError as error:
        missing = missing_plugins(run)
        if not missing or "--plugin" in str(error):
            raise
        raise ValueError(
            f"{error} {run} was made with --plugin={','.join(missing)}: give that flag too, or "
            f"import {' and '.join(missing)} first."
        ) from error


def missing_plugins(run: Path) -> list[str]:
    """The plug-ins that a run folder's flag file names, without those that are imported."""
    return [name for name in plugins_of(run) if name not in sys.modules]


def plugins_of(run: Path) -> list[str]:
    """The plug-ins that a run folder's flag file names."""
    with suppress(OSError, UnicodeDecodeError):
        for line in (run / "flags.cfg").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition("=")
            if name == "--plugin":
                return [module for module in value.split(",") if module]
    return []
