"""Keeps levels in a run folder, and its table up to date."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_lottery.experiments.finished.results import write_summary
from tf_lottery.experiments.running.run_logs import RunLogs
from tf_lottery.masking.masks import Mask
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.tickets.run_journal import RunJournal


class SummarizingJournal(RunJournal):
    """Keeps summary.csv, densities.csv and what loggers know up to date, level by level."""

    def __init__(self, run: RunFolder, logs: RunLogs):
        super().__init__(run)
        self._summarized, self._logs = run, logs

    def save(
        self, level: int, weights: Mapping[str, np.ndarray], mask: Mask, record: Mapping[str, Any]
    ) -> None:
        super().save(level, weights, mask, record)
        write_summary(self._summarized)
        self._logs.finish_level(level)
