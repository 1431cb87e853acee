"""What a run folder shows of its levels: a table in CSV, a figure, and a table on the terminal."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.messages import tell
from tf_lottery.report.figures.summary_figure import summary_figure
from tf_lottery.report.summary_table import print_summary
from tf_lottery.store.atomic import atomic_path, write_text
from tf_lottery.store.csv_files import csv_text, table_text, write_csv
from tf_lottery.store.errors import RunFolderError, StorageError
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.schema import (
    ADAPTIVE_COLUMNS,
    DENSITIES_COLUMNS,
    SUMMARY_COLUMNS,
    LevelSummary,
    density_rows,
    is_adaptive,
)
from tf_lottery.store.sealed_table import write_sealed_csv
from tf_lottery.store.stopping import known_end


@dataclass(frozen=True)
class Results:
    """What is shown of a run.

    Attributes:
      summaries: a row for each complete level.
      failure: why one of the files could not be written; it is raised once all else is done, so
        that nothing is lost by it.
    """

    summaries: list[LevelSummary]
    failure: StorageError | None = None

    def refuse_failure(self) -> list[LevelSummary]:
        """Returns the rows.

        Raises:
          StorageError: if a file could not be written.
        """
        if self.failure is not None:
            raise self.failure
        return self.summaries


def write_summary(run: RunFolder) -> list[LevelSummary]:
    """Writes summary.csv, a row per complete level, and returns the rows.

    A row for each kernel of each level goes into densities.csv. Rates that were chosen go into
    landscape/adaptive_pruning.csv.
    """
    records = _records(run)
    summaries = [LevelSummary.from_record(record) for record in records]
    write_csv(run.summary_csv, SUMMARY_COLUMNS, [row.numbers() for row in summaries])
    if densities := [row for record in records for row in density_rows(record)]:
        write_text(run.densities_csv, table_text(DENSITIES_COLUMNS, densities))
    chosen = [{name: record[name] for name in ADAPTIVE_COLUMNS} for record in _adaptive(records)]
    if chosen:
        write_sealed_csv(_adaptive_csv(run), ADAPTIVE_COLUMNS, chosen)
    return summaries


def show_results(run: RunFolder, title: str, *, anew: bool) -> Results:
    """Returns the rows of a finished run; writes and draws them if that has not been done.

    Args:
      run: the run folder, opened to work in it.
      title: of the figure.
      anew: whether they are written in any case.
    """
    records = _records(run)
    summaries = [LevelSummary.from_record(record) for record in records]
    text = csv_text(SUMMARY_COLUMNS, [row.numbers() for row in summaries])
    table, figure = run.summary_csv, run.summary_png
    with suppress(OSError, UnicodeDecodeError):
        drawn = figure.is_file() and figure.stat().st_mtime_ns >= table.stat().st_mtime_ns
        adaptive = not _adaptive(records) or _adaptive_csv(run).is_file()
        if drawn and adaptive and not anew and table.read_text(encoding="utf-8") == text:
            return Results(summaries)
    return write_results(run, title)


def _records(run: RunFolder) -> list[dict[str, Any]]:
    return [run.level(level).record() for level in run.complete_levels()]


def _adaptive(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [record for record in records if is_adaptive(record)]


def _adaptive_csv(run: RunFolder) -> Path:
    return run.landscape / "adaptive_pruning.csv"


def write_results(run: RunFolder, title: str) -> Results:
    """Writes summary.csv and summary.png, the one also where the other cannot be written."""
    failures = []
    try:
        summaries = write_summary(run)
    except StorageError as error:
        failures.append(error)
        summaries = [LevelSummary.from_record(record) for record in _records(run)]
    if summaries:
        try:
            with atomic_path(run.summary_png) as path:
                path.write_bytes(summary_figure(summaries, title).png)
        except StorageError as error:
            failures.append(error)
    return Results(summaries, failures[0] if failures else None)


def write_results_if_possible(run: RunFolder | None, title: str) -> list[LevelSummary]:
    """As `write_results`, for a run that an error or Ctrl-C ends.

    It has found something too; if not even that can be written, the first error says why.
    """
    with suppress(RunFolderError):
        if run is not None:
            return write_results(run, title).summaries
    return []


def title_of(config: ExperimentConfig) -> str:
    """The title of the figure of a run."""
    return f"{config.name}, replicate {config.seeds.replicate}"


def print_results(run: RunFolder, summaries: list[LevelSummary], tolerance: float) -> None:
    """Prints the table that ends a run, and where the run is."""
    if summaries:
        print_summary(summaries, tolerance=tolerance)
    if (end := known_end(run)) is not None:
        tell(f"The search {end}.")
    tell(f"Run folder: {run.path}")
