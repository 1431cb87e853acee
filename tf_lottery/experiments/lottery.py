"""Runs an experiment: data and network, iterative magnitude pruning, table, figure, export."""

import dataclasses
from contextlib import ExitStack, nullcontext, suppress
from typing import Any

from tf_lottery.config import ExperimentConfig
from tf_lottery.data import Dataset
from tf_lottery.experiments.level_records import LevelRecords, WrittenRecords
from tf_lottery.experiments.level_training import LevelTrainer
from tf_lottery.experiments.run_checks import (
    check_details,
    check_same_experiment,
    warn_of_dropout,
)
from tf_lottery.experiments.setup import Experiment, prepare
from tf_lottery.export.saved_model import check_export_dir, export_saved_model
from tf_lottery.flags import flags_text
from tf_lottery.report.figure import save_summary_figure
from tf_lottery.report.progress import ProgressReporter
from tf_lottery.report.summary import SUMMARY_COLUMNS, LevelSummary
from tf_lottery.report.table import print_summary
from tf_lottery.store.atomic import atomic_path
from tf_lottery.store.errors import RunFolderError
from tf_lottery.store.metrics import write_csv
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.tickets.imp import iterative_magnitude_pruning
from tf_lottery.tickets.load import load_ticket
from tf_lottery.tickets.run_journal import RunJournal
from tf_lottery.tickets.shared_journal import SharedJournal
from tf_lottery.training.strategy import open_strategy
from tf_lottery.training.workers import Workers


def run_experiment(config: ExperimentConfig, dataset: Dataset | None = None) -> list[LevelSummary]:
    """Runs or continues an experiment; a finished one is only reported.

    Args:
      config: the experiment.
      dataset: your own data (`tf_lottery.from_arrays`) in place of the set the flags name.

    Returns:
      A summary of each level; nothing to workers that are not the chief.

    Raises:
      ValueError: if the configuration, the devices or the run folder are not in order; before
        training.
      TrainingDivergedError: if a loss is not finite; finished levels are kept.
      WorkerLostError: if another of several workers has ended; finished levels are kept.
    """
    strategy = open_strategy(config.run)
    workers = Workers(strategy)
    with workers.together(), ExitStack() as resources:
        workers.on_chief(lambda: _check_export_dir(config))
        with strategy.scope():
            experiment = prepare(config, dataset)
        check_same_experiment(experiment, workers)
        run = workers.on_chief(lambda: resources.enter_context(_open_run(experiment)))
        try:
            with strategy.scope():
                _find_tickets(experiment, run, workers)
        except BaseException:
            # A run that diverged or was interrupted has found something too; if not even that can
            # be written, the first error says why.
            with suppress(RunFolderError):
                if run is not None:
                    _report(run, config)
            raise
        # Without the scope, in which workers can only build networks together.
        return workers.on_chief(lambda: _finish(run, experiment)) or []


def _check_export_dir(config: ExperimentConfig) -> None:
    if config.run.export_dir:
        target, run_path = check_export_dir(config.run.export_dir), config.run_path.absolute()
        if target in (run_path, *run_path.parents):
            raise ValueError(
                f"--export_dir={config.run.export_dir} is or holds the run folder {run_path}; "
                "choose another folder."
            )


def _open_run(experiment: Experiment) -> RunFolder:
    config = experiment.config
    run = RunFolder.open(
        config.run_path,
        config.identity(),
        experiment.details,
        flags_text(config),
        defaults=ExperimentConfig().identity(),
    )
    warn_of_dropout(experiment)
    try:
        check_details(run, experiment)
    except ValueError:
        run.close()
        raise
    return run


def _find_tickets(experiment: Experiment, run: RunFolder | None, workers: Workers) -> None:
    lengths = experiment.lengths
    own = None if run is None else _SummarizingJournal(run)
    journal = own if workers.count == 1 else SharedJournal(own, workers)
    steps = [lengths.train_steps - lengths.first(level) for level in range(experiment.levels + 1)]
    finished = [level for level in range(experiment.levels + 1) if journal.is_complete(level)]
    # Only the chief reports.
    with ProgressReporter(experiment.levels, steps) if run else nullcontext() as progress:

        def records_of(level: int) -> LevelRecords:
            return LevelRecords() if run is None else WrittenRecords(run, level, lengths, progress)

        if run is not None:
            for level in finished:
                progress.skip_level(level)
        if len(finished) == experiment.levels + 1:
            return
        iterative_magnitude_pruning(
            experiment.network,
            experiment.plan,
            experiment.levels,
            LevelTrainer(experiment, journal, records_of, workers),
            journal,
            rewind_optimizer=experiment.config.pruning.rewind_optimizer,
        )


def _finish(run: RunFolder, experiment: Experiment) -> list[LevelSummary]:
    config = experiment.config
    summaries = _report(run, config)
    if config.run.export_dir:
        export_saved_model(load_ticket(run.path, experiment.levels), config.run.export_dir)
        print(f"SavedModel: {config.run.export_dir}")
    return summaries


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
