"""What every training in a run folder goes through, an experiment's and a branch's alike.

Strategy and workers, data and network, the folder, levels with their records and progress, and
results that are written however it ends.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.config.loggers import check_loggers
from tf_lottery.data import Dataset, Split, StreamedDataset
from tf_lottery.experiments.running.compiled_network import keep_compiled
from tf_lottery.experiments.running.level_records import LevelRecords, records_of_levels
from tf_lottery.experiments.running.level_training import LevelDivergedError
from tf_lottery.experiments.running.run_checks import check_same_experiment
from tf_lottery.experiments.running.run_logs import RunLogs
from tf_lottery.experiments.running.setup import Experiment, prepare
from tf_lottery.experiments.running.summarizing_journal import SummarizingJournal
from tf_lottery.experiments.threads_of_runs import recorded_threads, threads_of_dense_network
from tf_lottery.report.progress.levels import ProgressReporter
from tf_lottery.store.errors import StorageError
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.schema import LevelSummary
from tf_lottery.tickets.journal import LevelJournal
from tf_lottery.tickets.shared_journal import SharedJournal
from tf_lottery.training.strategy import open_strategy
from tf_lottery.training.threads import use_threads
from tf_lottery.training.workers import Workers


class Work(Protocol):
    """What is trained in a run folder: the steps that differ. Only the chief has the folder."""

    def check(self, workers: Workers) -> None:
        """Checks what needs neither data nor network."""
        ...

    def open(
        self, experiment: Experiment, workers: Workers, resources: ExitStack
    ) -> RunFolder | None:
        """Opens the run folder, which stays locked as long as the resources are held."""
        ...

    def train(
        self,
        experiment: Experiment,
        run: RunFolder | None,
        workers: Workers,
        logs: RunLogs | None,
    ) -> None:
        """Trains the levels that are missing. Only the chief has logs."""
        ...

    def finish(self, experiment: Experiment, run: RunFolder) -> list[LevelSummary]:
        """Writes and prints the results."""
        ...

    def rescue(self, run: RunFolder | None) -> None:
        """Writes what was found before an error or Ctrl-C."""
        ...


def carry_out(
    work: Work,
    config: ExperimentConfig,
    begun: Path,
    dataset: Dataset | StreamedDataset | None = None,
) -> list[LevelSummary]:
    """Does a work from its devices to its results.

    Args:
      work: what is trained.
      config: of the experiment, or of the branch.
      begun: the run folder, which need not exist, whose number of threads it goes on with; if not,
        it has that of the run that the dense network is taken from.
      dataset: takes the place of the one that the configuration names.

    Returns:
      A summary of each level; nothing to workers that are not the chief.
    """
    begun_with = recorded_threads(begun) or threads_of_dense_network(config)
    use_threads(config.run.threads or begun_with)
    strategy = open_strategy(config.run)
    workers = Workers(strategy)
    with workers.together(), ExitStack() as resources:
        workers.on_chief(lambda: check_loggers(config.run.log_to))
        work.check(workers)
        with strategy.scope():
            experiment = prepare(config, dataset, shares=True)
        check_same_experiment(experiment, workers)
        run = work.open(experiment, workers, resources)
        if run is not None:
            run.remember(replace(run.details, diverged=None))
        logs = None if run is None else RunLogs(run, config)
        try:
            with strategy.scope(), naming_unreadable(experiment.dataset):
                work.train(experiment, run, workers, logs)
        except BaseException as error:
            _remember_divergence(run, error)
            work.rescue(run)
            if logs is not None:
                logs.end(finished=False)
            raise
        if logs is not None:
            logs.end(finished=True)
        if isinstance(experiment.dataset.train, Split):
            # Streams may have read ahead.
            keep_compiled(experiment.compiled)
        # Without the scope, in which workers can only build networks together.
        return workers.on_chief(lambda: work.finish(experiment, run) if run else []) or []


def _remember_divergence(run: RunFolder | None, error: BaseException) -> None:
    if run is not None and isinstance(error, LevelDivergedError):
        # A full disk is not to hide what has happened.
        with suppress(StorageError):
            run.remember(replace(run.details, diverged=error.divergence))


def naming_unreadable(dataset: Dataset | StreamedDataset) -> AbstractContextManager[None]:
    """Raises a `ValueError` that names files that turn out to be unreadable in streaming."""
    streamed = isinstance(dataset, StreamedDataset)
    return dataset.naming_unreadable() if streamed else nullcontext()


def journal_of(run: RunFolder | None, workers: Workers, logs: RunLogs | None) -> LevelJournal:
    """The journal of a run folder, which only the chief has."""
    own = None if run is None or logs is None else SummarizingJournal(run, logs)
    return SharedJournal(own, workers) if own is None or workers.count > 1 else own


@dataclass(frozen=True)
class Reports:
    """Who is told of levels in training.

    Attributes:
      progress: None to all but the chief.
      records_of: the records of a level.
    """

    progress: ProgressReporter | None
    records_of: Callable[[int], LevelRecords]


@contextmanager
def reported(
    run: RunFolder | None,
    experiment: Experiment,
    logs: RunLogs | None,
    steps: Sequence[int],
    finished: Sequence[int],
    title: str | None = None,
) -> Iterator[Reports]:
    """Shows the progress of levels, and keeps their records.

    Args:
      run: the run folder.
      experiment: what is trained.
      logs: of the run.
      steps: iterations of each level from 0 on.
      finished: levels that are there already.
      title: is written first.
    """
    with ProgressReporter(steps) if run else nullcontext() as progress:
        if progress is not None:
            if title is not None:
                progress.note(title)
            for level in finished:
                progress.skip_level(level)
        yield Reports(progress, records_of_levels(run, experiment.lengths, progress, logs))
