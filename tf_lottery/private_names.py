"""Names of other packages that are not public, where there is no public way."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata

_OWN = "tf_lottery"


@contextmanager
def private_names(package: str) -> Iterator[None]:
    """Has imports of names that another version may lack say which versions have them.

    Args:
      package: as it is installed, such as "tensorflow-datasets".

    Raises:
      ImportError: if what is imported meanwhile is not there.
    """
    try:
        yield
    except ImportError as error:
        raise ImportError(
            f"tf_lottery uses a part of {package} that has no public name, and "
            f"{package} {_version(package)} lacks it ({error}). Install {package}{_range(package)}."
        ) from error


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "(not installed)"


def _range(package: str) -> str:
    """The versions that this package asks for, such as ">=4.9.10,<4.10"."""
    try:
        required = metadata.requires(_OWN) or []
    except metadata.PackageNotFoundError:
        required = []
    pattern = re.compile(rf"{re.escape(package)}\s*\(?([<>=!~][^;)]*)")
    found = (pattern.match(line) for line in required)
    return next((match[1].strip() for match in found if match), ", as requirements.txt has it")
