"""What the program and the library say: through the logger "tf_lottery", on standard output.

`logging.getLogger("tf_lottery").setLevel("WARNING")` silences all of it, tables and progress too.
"""

import logging
import sys
from collections.abc import Iterable

_LOGGER = logging.getLogger("tf_lottery")


class _StandardOutput(logging.Handler):
    """Writes plain lines to what is standard output at that time, as a notebook may change it."""

    def emit(self, record: logging.LogRecord) -> None:
        print(record.getMessage(), file=sys.stdout, flush=True)


def tell(text: str = "") -> None:
    """Says something, as a line or lines of their own."""
    _LOGGER.info("%s", text)


def speaks() -> bool:
    """Whether what is said is to be seen."""
    return _LOGGER.isEnabledFor(logging.INFO)


def listed(texts: Iterable[str], most: int = 5, between: str = ", ") -> str:
    """Names the first of some things, and says how many more there are: "a, b and 3 more"."""
    texts = list(texts)
    named = between.join(texts[:most])
    more = len(texts) - most
    before = "" if between == ", " else between.rstrip()
    return f"{named}{before} and {more} more" if more > 0 else named


def _set_up() -> None:
    # Whoever has given the logger a level or handlers wants theirs.
    if _LOGGER.level == logging.NOTSET:
        _LOGGER.setLevel(logging.INFO)
    if not _LOGGER.handlers:
        _LOGGER.addHandler(_StandardOutput())
        _LOGGER.propagate = False


_set_up()
