"""Keeps levels in a run folder, and its table up to date."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_lottery.experiments.results import write_summary
from tf_lottery.masking.masks import Mask
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.tickets.run_journal import RunJournal
from tf_lottery.training.event_log import write_levels


class SummarizingJournal(RunJournal):
    """Keeps summary.csv, densities.csv and the logs of levels up to date, level by level."""

    def __init__(self, run: RunFolder):
        super().__init__(run)
        self._summarized = run

    def save(
        self, level: int, weights: Mapping[str, np.ndarray], mask: Mask, record: Mapping[str, Any]
    ) -> None:
        super().save(level, weights, mask, record)
        write_summary(self._summarized)
        run = self._summarized
        levels = run.complete_levels()
        write_levels(run.tensorboard_of_levels, (run.level(number).record() for number in levels))
