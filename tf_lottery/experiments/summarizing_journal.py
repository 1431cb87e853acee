"""Keeps levels in a run folder, and its table up to date."""

from typing import Any

from tf_lottery.experiments.results import write_summary
from tf_lottery.tickets.run_journal import RunJournal


class SummarizingJournal(RunJournal):
    """Keeps summary.csv up to date, level by level."""

    def save(self, *level_and_content: Any) -> None:
        super().save(*level_and_content)
        write_summary(self._run)
