"""What an analysis shows, and how that is measured."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from tf_lottery.experiments.measuring.training import Training
from tf_lottery.store.csv_files import Row
from tf_lottery.store.result_columns import SOLUTIONS

Show = Callable[[Sequence[Row]], None]


def _shows_nothing(rows: Sequence[Row]) -> None:
    pass


@dataclass(frozen=True)
class Rows:
    """The rows of a file that an analysis shows, and how those that are missing are measured.

    The file has one more column, `SOLUTIONS`, which tells the solutions that a row is of: those of
    its `levels` and `trainings`. If one of them was trained anew, the row is measured again.

    Attributes:
      keys: of the rows to show, in order.
      columns: of the file. They hold numbers, except for the `texts` of its `ResultFile`. Each row
        has all of them, with None in empty cells.
      measure: `(analyzed: AnalyzedRun, missing: list) -> Iterator[Row]` yields the row of each
        missing key. An analysis with a second file yields pairs: the row, and its rows in the
        second file. `measure` is called only if a row is missing, and should import TensorFlow
        itself, so that nobody else waits for it.
      show: prints a table of rows.
      settings: what the rows depend on besides the run. Rows of other settings have a file of
        their own; its name leaves out settings that are None.
      key: of a row, in either file; rows are in the order of their keys.
      holds: whether an existing row is still valid. If not, the row is measured again.
      counted: what the rows are, for a bar; empty: the analysis has bars of its own.
      part_columns: of the second file.
      show_parts: prints a table of its rows.
      needs_network: whether measuring takes the network and the data; if not, `measure` is given
        the `MeasuredRun`, without TensorFlow.
      trainings: which trainings it takes to measure the missing keys. Some of the trainings may
        have been done before, side by side; `measure` does the others.
      levels: those of the run that the row of a key is of.
    """

    keys: Sequence[Any]
    columns: Sequence[str]
    measure: Callable[[Any, list[Any]], Iterator[Any]]
    show: Show
    settings: Sequence[str | int | float | None] = ()
    key: Callable[[Row], Any] = itemgetter("level")
    holds: Callable[[Row], bool] = lambda row: True
    counted: str = ""
    part_columns: Sequence[str] = ()
    show_parts: Show = _shows_nothing
    needs_network: bool = True
    trainings: Callable[[list[Any]], Iterable[Training]] = lambda missing: ()
    levels: Callable[[Any], Iterable[int]] = lambda key: (key,) if isinstance(key, int) else ()

    def __post_init__(self):
        if SOLUTIONS in self.columns:
            raise ValueError(
                f"columns: every file has a column {SOLUTIONS} of itself; give yours another name."
            )
