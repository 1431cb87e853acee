"""Percentages, counts and durations as people read them."""

import math
from collections.abc import Callable, Iterable
from typing import TypeGuard

import numpy as np

from tf_lottery.config.matching import matches

MISSING = "-"
# Between the parts of a line on the terminal.
GAP = "  "
# More would show the slack of the comparison, which is for rounding errors.
_MOST_DECIMALS = 6


def is_known(value: float | None) -> TypeGuard[float]:
    """Returns whether `value` is present: neither None nor NaN."""
    return value is not None and not math.isnan(value)


def format_density(density: float) -> str:
    """Writes a density as a percentage with three significant digits, never as 1e-05.

    Args:
      density: fraction of prunable weights that remain.

    Returns:
      For example "100%", "51.2%" or "0.687%".
    """
    digits = np.format_float_positional(
        100 * density, precision=3, unique=False, fractional=False, trim="k"
    )
    return digits.rstrip(".") + "%"


def format_accuracy(accuracy: float | None, decimals: int = 2) -> str:
    """Writes an accuracy (a fraction) as a percentage; a missing one as "-"."""
    return f"{100 * accuracy:.{decimals}f}%" if is_known(accuracy) else MISSING


def format_number(number: float | None, form: str) -> str:
    """Writes a number in a form such as ".2f"; a missing one as "-"."""
    return format(number, form) if is_known(number) else MISSING


def format_count(count: int | None) -> str:
    """Writes a count with thousands separators; a missing one as "-"."""
    return MISSING if count is None else f"{count:,}"


def format_large(count: float | None) -> str:
    """Writes a large number with three significant digits, such as "4.09 G" or "266 k"."""
    if count is None:
        return MISSING
    for unit, size in ((" G", 1e9), (" M", 1e6), (" k", 1e3)):
        # What is rounded up to 1,000 of a unit is 1 of the next.
        if count >= 0.9995 * size:
            digits = np.format_float_positional(
                count / size, precision=3, unique=False, fractional=False, trim="k"
            )
            return digits.rstrip(".") + unit
    return f"{count:g}"


def format_yes(value: bool | None) -> str:
    """Writes whether something is so; "-" if that is not known."""
    return MISSING if value is None else "yes" if value else "no"


def format_range(least: float, largest: float, decimals: int = 2) -> str:
    """Writes the least and the largest accuracy, fractions, such as "92.00 to 94.00%"."""
    return f"{100 * least:.{decimals}f} to {format_accuracy(largest, decimals)}"


def format_levels(levels: Iterable[int]) -> str:
    """Writes levels with their ranges, such as "level 3" or "levels 0-2, 5"."""
    levels = sorted(levels)
    return f"level{'s' if len(levels) > 1 else ''} {format_numbers(levels)}"


def format_numbers(numbers: Iterable[int]) -> str:
    """Writes integers with their ranges, such as "0-2, 5"."""
    ranges: list[list[int]] = []
    for number in sorted(numbers):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def format_points(
    accuracy: float | None, other: float | None, tolerance: float | None = None
) -> str:
    """Writes how far an accuracy is above another, in points of percentage; "-" if one is missing.

    Args:
      accuracy: a fraction.
      other: a fraction.
      tolerance: as of `matching.matches`: more than two decimals where two would say otherwise
        than that whether the accuracy matches the other. None: two decimals.
    """
    if not (is_known(accuracy) and is_known(other)):
        return MISSING
    points = 100 * (accuracy - other)

    def agrees(decimals: int) -> bool:
        shown = round(points, decimals) / 100
        return tolerance is None or (
            matches(shown, 0.0, tolerance) == matches(accuracy, other, tolerance)
        )

    decimals = _least_decimals(agrees)
    # Adding zero turns -0.0 into 0.0.
    return f"{round(points, decimals) + 0.0:+.{decimals}f}"


def decimals_of_comparison(accuracy: float, other: float, tolerance: float) -> int:
    """Decimals of two percentages from which a reader finds what `matching.matches` says of them.

    Args:
      accuracy: a fraction.
      other: a fraction.
      tolerance: as of `matching.matches`.
    """

    def agrees(decimals: int) -> bool:
        shown, of_other = (round(100 * value, decimals) / 100 for value in (accuracy, other))
        return matches(shown, of_other, tolerance) == matches(accuracy, other, tolerance)

    return _least_decimals(agrees)


def _least_decimals(agrees: Callable[[int], bool]) -> int:
    return next(filter(agrees, range(2, _MOST_DECIMALS)), _MOST_DECIMALS)


def epochs_text(epoch: float, epochs: float, separator: str = "/") -> str:
    """Writes where training is in epochs, such as "0.5/12"; nothing if it lasts less than a tenth.

    Args:
      epoch: epochs that are trained.
      epochs: of all training.
      separator: between the two.
    """
    total = f"{epochs:.1f}".removesuffix(".0")
    return f"{epoch:.1f}{separator}{total}" if total != "0" else ""


def format_duration(seconds: float) -> str:
    """Writes a duration with the two units that matter.

    Args:
      seconds: the duration; a negative one counts as zero.

    Returns:
      For example "42 s", "3 min 10 s" or "1 h 05 min".
    """
    whole_seconds = round(max(seconds, 0))
    if whole_seconds < 60:
        return f"{whole_seconds} s"
    if whole_seconds < 3600:
        return f"{whole_seconds // 60} min {whole_seconds % 60:02d} s"
    whole_minutes = round(whole_seconds / 60)
    return f"{whole_minutes // 60} h {whole_minutes % 60:02d} min"
