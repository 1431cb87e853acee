"""How the page of claims says numbers."""

from collections.abc import Iterable
from typing import NamedTuple


class Measured(NamedTuple):
    """What was measured of a claim: on which data, with how many replicates, and what came out."""

    data: str
    replicates: int
    here: str


def percent(fraction: float, digits: int = 2) -> str:
    return f"{100 * fraction:.{digits}f}"


def percent_each(fractions: Iterable[float]) -> str:
    """Each replicate's number, in percent."""
    return listed(map(percent, fractions))


def listed(texts: Iterable[str]) -> str:
    *others, last = texts
    return f"{', '.join(others)} and {last}" if others else last


def count(number: float) -> str:
    return f"{number:,.0f}"


def percent_list(fractions: Iterable[float], digits: int = 2) -> str:
    return ", ".join(percent(fraction, digits) for fraction in fractions)


def share(density: float) -> str:
    return f"{100 * density:.3g}%"


def signed_percent(fraction: float) -> str:
    return f"{100 * fraction:+.2f}"
