"""A CSV file and its figures that an analysis leaves in a run folder."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tf_lottery.experiments.measuring.measured_run import MeasuredRun
from tf_lottery.report.figures.canvas import FigureFile
from tf_lottery.report.landscape.measurements import Measurement
from tf_lottery.store.atomic import atomic_path
from tf_lottery.store.csv_files import Row
from tf_lottery.store.errors import DamagedFileError, StorageError
from tf_lottery.store.result_columns import as_written_today
from tf_lottery.store.result_names import result_path, result_stem
from tf_lottery.store.sealed_table import (
    change_sealed_csv,
    finish_seal,
    read_sealed_table,
    remedy_of_table,
)


class ResultsFile:
    """Results of an analysis with some settings: landscape/NAME__SETTINGS.csv in the run folder."""

    def __init__(
        self,
        analyzed: MeasuredRun,
        name: str,
        columns: Sequence[str],
        settings: Iterable[str | int | float | None] = (),
    ):
        """Opens nothing yet.

        Args:
          analyzed: the run.
          name: of the file, as in `ResultFile`.
          columns: of the CSV file.
          settings: what the results depend on besides the run. Results of other settings stay in
            files of their own; the name of a file leaves out settings that are None.
        """
        self._analyzed, self._columns = analyzed, tuple(columns)
        texts = [_text(value) for value in settings]
        self.path = result_path(analyzed.folder, name, texts)
        # What the names of figures end in.
        self._ending = result_stem(name, texts).removeprefix(name)

    def read(self) -> list[Row]:
        """The rows that are there already, those of earlier versions as they are written today.

        Raises:
          DamagedFileError: if the file is not as it was written.
        """
        if not self.path.exists():
            return []
        rows = [as_written_today(row, self._columns) for row in read_sealed_table(self.path)]
        if rows and tuple(rows[0]) != self._columns:
            found, expected = ",".join(rows[0]), ",".join(self._columns)
            raise DamagedFileError(
                self.path,
                f"is damaged: its columns are {found}, not {expected}",
                remedy_of_table(self.path),
            )
        return rows

    def put(self, rows: Sequence[Row], place: Any, key: Callable[[Row], Any]) -> None:
        """Writes rows in their place; those of other places stay, of other processes too.

        Args:
          rows: all of the place.
          place: their key.
          key: of a row; rows of the file are in the order of their keys.
        """

        def all_rows() -> list[Row]:
            others = [row for row in self.read() if key(row) != place]
            return sorted([*others, *rows], key=key)

        change_sealed_csv(self.path, self._columns, all_rows)

    def finish(self) -> None:
        """Ends the writing of a process that was killed with all rows in place."""
        finish_seal(self.path)

    def draw(
        self, rows: Iterable[Row], figures: Callable[[Sequence[Measurement]], list[FigureFile]]
    ) -> None:
        """Draws figures of these rows beside the CSV file.

        Raises:
          StorageError: one cannot be written; the others are.
        """
        run = self._analyzed.run.path.absolute()
        measured = Measurement(run.parent.name, run.name, tuple(rows), self.path.name)
        failures = []
        for figure in figures([measured]):
            path = self._analyzed.folder / f"{figure.name}{self._ending}.png"
            try:
                with atomic_path(path) as temporary:
                    temporary.write_bytes(figure.png)
            except StorageError as error:
                failures.append(error)
        if failures:
            raise failures[0]


def _text(value: str | int | float | None) -> str | None:
    if value is None:
        return None
    return f"{value:g}" if isinstance(value, float) else str(value)
