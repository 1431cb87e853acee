"""Runs an experiment: data and network, iterative magnitude pruning, table, figure, export."""

import dataclasses
from contextlib import suppress
from pathlib import Path
from typing import Any

from tf_lottery.config import ExperimentConfig
from tf_lottery.data import Dataset
from tf_lottery.experiments.level_training import LevelTrainer
from tf_lottery.experiments.setup import Experiment, prepare
from tf_lottery.export.saved_model import check_export_dir, export_saved_model
from tf_lottery.flags import flags_text
from tf_lottery.report.figure import save_summary_figure
from tf_lottery.report.progress import ProgressReporter
from tf_lottery.report.summary import SUMMARY_COLUMNS, LevelSummary
from tf_lottery.report.table import print_summary
from tf_lottery.store.atomic import atomic_path
from tf_lottery.store.errors import RunFolderError, RunFolderMismatchError
from tf_lottery.store.metrics import write_csv
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.tickets.imp import iterative_magnitude_pruning
from tf_lottery.tickets.load import load_ticket
from tf_lottery.tickets.run_journal import RunJournal


def run_experiment(config: ExperimentConfig, dataset: Dataset | None = None) -> list[LevelSummary]:
    """Runs or continues an experiment; a finished one is only reported.

    Args:
      config: the experiment.
      dataset: your own data (`tf_lottery.from_arrays`) in place of the set the flags name.

    Returns:
      A summary of each level.

    Raises:
      ValueError: if the configuration or the run folder is not in order; before training.
      TrainingDivergedError: if a loss is not finite; finished levels are kept.
    """
    if config.run.export_dir:
        target, run_path = check_export_dir(config.run.export_dir), config.run_path.absolute()
        if target in (run_path, *run_path.parents):
            raise ValueError(
                f"--export_dir={config.run.export_dir} is or holds the run folder {run_path}; "
                "choose another folder."
            )
    experiment = prepare(config, dataset)
    with RunFolder.open(
        config.run_path,
        config.identity(),
        experiment.details,
        flags_text(config),
        defaults=ExperimentConfig().identity(),
    ) as run:
        _check_data(run, experiment)
        try:
            _find_tickets(experiment, run)
        except BaseException:
            # A run that diverged or was interrupted has found something too; if not even that can
            # be written, the first error says why.
            with suppress(RunFolderError):
                _report(run, config)
            raise
        summaries = _report(run, config)
        if config.run.export_dir:
            export_saved_model(load_ticket(run.path, experiment.levels), config.run.export_dir)
            print(f"SavedModel: {config.run.export_dir}")
    return summaries


def _find_tickets(experiment: Experiment, run: RunFolder) -> None:
    lengths, journal = experiment.lengths, _SummarizingJournal(run)
    steps = [lengths.train_steps - lengths.first(level) for level in range(experiment.levels + 1)]
    finished = [level for level in range(experiment.levels + 1) if journal.is_complete(level)]
    with ProgressReporter(experiment.levels, steps) as progress:
        for level in finished:
            progress.skip_level(level)
        if len(finished) == experiment.levels + 1:
            return
        iterative_magnitude_pruning(
            experiment.network,
            experiment.plan,
            experiment.levels,
            LevelTrainer(experiment, run, journal, progress),
            journal,
            rewind_optimizer=experiment.config.pruning.rewind_optimizer,
        )


class _SummarizingJournal(RunJournal):
    """Keeps summary.csv up to date, level by level."""

    def save(self, *level_and_content: Any) -> None:
        super().save(*level_and_content)
        _write_summary(self._run)


def _write_summary(run: RunFolder) -> list[LevelSummary]:
    summaries = [LevelSummary(**run.level(level).record()) for level in run.finished_levels()]
    write_csv(run.summary_csv, SUMMARY_COLUMNS, [dataclasses.asdict(row) for row in summaries])
    return summaries


def _report(run: RunFolder, config: ExperimentConfig) -> list[LevelSummary]:
    summaries = _write_summary(run)
    if summaries:
        title = f"{config.name}, replicate {config.seeds.replicate}"
        with atomic_path(run.summary_png) as path:
            save_summary_figure(path, summaries, title)
        print_summary(summaries)
    print(f"Run folder: {run.path}")
    return summaries


def _check_data(run: RunFolder, experiment: Experiment) -> None:
    if run.details["data_sha256"] != experiment.details["data_sha256"]:
        raise RunFolderMismatchError(
            f"--dataset={experiment.config.data.dataset}: the examples are not those that "
            f"{Path(run.path)} was begun with; check --data_dir, or choose another --name."
        )
