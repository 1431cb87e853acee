"""The table of successive levels: barriers between them, and which of them match."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from tf_lottery.config.matching import matches, matching_rule
from tf_lottery.report.console import default_console
from tf_lottery.report.formats import (
    MISSING,
    format_accuracy,
    format_density,
    format_points,
    is_number,
)
from tf_lottery.report.table import (
    level_cell,
    print_footnotes,
    print_sentences,
    table_of_numbers,
)
from tf_lottery.store.schema import LevelSummary

_HEADERS = (
    "level",
    "density",
    "test\naccuracy",
    "vs. dense\n(points)",
    "matches",
    "barrier to\nlevel before\n(points)",
    "L2 to\nlevel before",
)


@dataclass(frozen=True)
class LevelPair:
    """The line between two levels.

    Attributes:
      first: a level.
      second: a later one.
      barrier: error barrier, a fraction.
      l2: distance of the two solutions.
    """

    first: int
    second: int
    barrier: float
    l2: float


def print_successive_levels(
    pairs: Sequence[LevelPair],
    summaries: Sequence[LevelSummary],
    dense: LevelSummary | None,
    tolerance: float,
    split: str,
    console: Console | None = None,
) -> None:
    """Prints a row per level, with the barrier to the one before.

    Args:
      pairs: of successive levels, and maybe others.
      summaries: the levels, in order.
      dense: level 0; None if it is not there.
      tolerance: as of `matching.matches`.
      split: the data on which the lines were measured.
      console: where to print; standard output by default.
    """
    console = console or default_console()
    of_pair = {(pair.first, pair.second): pair for pair in pairs}
    table = table_of_numbers(_HEADERS)
    before = None
    for summary in summaries:
        pair = of_pair.get((before, summary.level))
        accuracy = dense.test_accuracy if dense else None
        table.add_row(
            level_cell(summary),
            format_density(summary.density),
            format_accuracy(summary.test_accuracy),
            format_points(summary.test_accuracy, accuracy) if summary.level else MISSING,
            _matches(summary, accuracy, tolerance),
            f"{100 * pair.barrier:.2f}" if pair else MISSING,
            f"{pair.l2:.2f}" if pair else MISSING,
        )
        before = summary.level
    console.print(table)
    print_footnotes(console, summaries)
    console.print()
    print_sentences(console, [f"Barriers of the {split} error.", matching_rule(tolerance)])


def _matches(summary: LevelSummary, dense: float | None, tolerance: float) -> str:
    if not (is_number(summary.test_accuracy) and is_number(dense)) or summary.level == 0:
        return MISSING
    return "yes" if matches(summary.test_accuracy, dense, tolerance) else "no"
