"""The table of lines between solutions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from tf_lottery.report.console import default_console
from tf_lottery.report.landscape.solution_names import solution_text
from tf_lottery.report.table import print_with_names, table_of_numbers


@dataclass(frozen=True)
class LineRow:
    """A line between two solutions.

    Attributes:
      labels: of its ends.
      barriers: by split, that of the error (a fraction) and that of the loss.
      l2: distance of the ends.
      cosine: of the angle between them.
    """

    labels: tuple[str, str]
    barriers: Mapping[str, tuple[float, float]]
    l2: float
    cosine: float


def print_lines(rows: Sequence[LineRow], console: Console | None = None) -> None:
    """Prints a row for each line.

    Args:
      rows: the lines, measured on the same splits.
      console: where to print; standard output by default.
    """
    console = console or default_console()
    splits = list(rows[0].barriers)
    headers = ["from", "to"]
    for split in splits:
        headers += [f"{split} error\nbarrier\n(points)", f"{split} loss\nbarrier"]
    table = table_of_numbers([*headers, "L2", "cosine"])
    for row in rows:
        cells = [Text(solution_text(label)) for label in row.labels]
        for split in splits:
            error, loss = row.barriers[split]
            cells += [f"{100 * error:.2f}", f"{loss:.4f}"]
        table.add_row(*cells, f"{row.l2:.2f}", f"{row.cosine:.3f}")
    print_with_names(console, table, names=2)
