"""What the program and the library say: through the logger "tf_lottery", on standard output.

`logging.getLogger("tf_lottery").setLevel("WARNING")` silences all of it, tables and progress too.
"""

import logging
import sys
import warnings
from collections.abc import Iterable

_LOGGER = logging.getLogger("tf_lottery")
# What stands between a line of the user's and a callback or a search that warns.
_BETWEEN = frozenset({"tf_lottery", "keras", "tf_keras"})


class _StandardOutput(logging.Handler):
    """Writes plain lines to what is standard output at that time, as a notebook may change it."""

    def emit(self, record: logging.LogRecord) -> None:
        print(record.getMessage(), file=sys.stdout, flush=True)


def tell(text: str = "") -> None:
    """Says something, as a line or lines of their own."""
    _LOGGER.info("%s", text)


def warn_user(text: str, category: type[Warning] = UserWarning) -> None:
    """Warns at the line of the user's that has called tf_lottery, through Keras perhaps."""
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in _BETWEEN:
        frame, level = frame.f_back, level + 1
    warnings.warn(text, category, stacklevel=level)


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
