"""What a run folder shows of its levels: a table in CSV, a figure, and a table on the terminal."""

from contextlib import suppress
from typing import Any

from tf_lottery.report.figure import save_summary_figure
from tf_lottery.report.landscape.adaptive_figure import ADAPTIVE_COLUMNS
from tf_lottery.report.summary import SUMMARY_COLUMNS, LevelSummary
from tf_lottery.store.atomic import atomic_path
from tf_lottery.store.errors import RunFolderError
from tf_lottery.store.metrics import write_csv
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.tickets.run_journal import RunJournal


class SummarizingJournal(RunJournal):
    """Keeps summary.csv up to date, level by level."""

    def save(self, *level_and_content: Any) -> None:
        super().save(*level_and_content)
        write_summary(self._run)


def write_summary(run: RunFolder) -> list[LevelSummary]:
    """Writes summary.csv, a row per complete level, and returns the rows.

    Rates that were chosen go into landscape/adaptive_pruning.csv.
    """
    records = [run.level(level).record() for level in run.complete_levels()]
    summaries = [LevelSummary.from_record(record) for record in records]
    write_csv(run.summary_csv, SUMMARY_COLUMNS, [row.numbers() for row in summaries])
    chosen = [
        {name: record[name] for name in ADAPTIVE_COLUMNS}
        for record in records
        if "pruning_rate" in record
    ]
    if chosen:
        write_csv(run.landscape / "adaptive_pruning.csv", ADAPTIVE_COLUMNS, chosen)
    return summaries


def write_results(run: RunFolder, title: str) -> list[LevelSummary]:
    """Writes summary.csv and summary.png, and returns the rows."""
    summaries = write_summary(run)
    if summaries:
        with atomic_path(run.summary_png) as path:
            save_summary_figure(path, summaries, title)
    return summaries


def write_results_if_possible(run: RunFolder | None, title: str) -> list[LevelSummary]:
    """As `write_results`, for a run that an error or Ctrl-C ends.

    It has found something too; if not even that can be written, the first error says why.
    """
    with suppress(RunFolderError):
        if run is not None:
            return write_results(run, title)
    return []
