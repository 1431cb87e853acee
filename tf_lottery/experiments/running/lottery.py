"""Runs an experiment: data and network, iterative magnitude pruning, table, figure, export."""

from contextlib import ExitStack
from dataclasses import dataclass, replace

from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.config.flags import flags_text
from tf_lottery.config.matching import DEFAULT_POINTS, tolerance_of
from tf_lottery.data import Dataset, StreamedDataset
from tf_lottery.experiments.finished.results import (
    print_results,
    title_of,
    write_results,
    write_results_if_possible,
)
from tf_lottery.experiments.refusals.begun_without import as_begun, defaults_of
from tf_lottery.experiments.refusals.dense_identity import dense_source
from tf_lottery.experiments.refusals.late_flags import tell_of_late_flags
from tf_lottery.experiments.running.dense_training import take_dense_training
from tf_lottery.experiments.running.early_checks import check_folders
from tf_lottery.experiments.running.evidence import build_evidence
from tf_lottery.experiments.running.level_training import LevelTrainer
from tf_lottery.experiments.running.notes_before_training import (
    tell_of_data,
    tell_of_initial_weights,
    tell_of_layers,
    tell_of_ticket,
    tell_of_useless_flags,
)
from tf_lottery.experiments.running.own_export import OwnExport
from tf_lottery.experiments.running.reported_pruner import ReportedPruner
from tf_lottery.experiments.running.run_checks import (
    check_experiment_arguments,
    check_fine_tuning,
    check_rules,
    check_score,
    open_run,
    with_score,
)
from tf_lottery.experiments.running.run_logs import RunLogs
from tf_lottery.experiments.running.setup import Experiment, prepare
from tf_lottery.experiments.running.skeleton import carry_out, journal_of, reported
from tf_lottery.experiments.running.taken_ticket import keep_ticket
from tf_lottery.messages import tell
from tf_lottery.pruning.pruner import Pruner
from tf_lottery.store.level_folder import LevelFolder
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.schema import LevelSummary
from tf_lottery.store.stopping import early_end
from tf_lottery.tickets.imp import iterative_magnitude_pruning
from tf_lottery.tickets.journal import LevelJournal
from tf_lottery.training.strategy import open_strategy
from tf_lottery.training.workers import Message, Workers


def run_experiment(
    config: ExperimentConfig,
    dataset: Dataset | StreamedDataset | None = None,
    *,
    matching_tolerance: float = DEFAULT_POINTS,
    overwrite: bool = False,
) -> list[LevelSummary]:
    """Runs or continues an experiment; a finished one is only reported.

    ```python
    flags = {"name": "small", "model": "lenet_30_10", "train_steps": "200it", "levels": 2}
    config = tf_lottery.config_from_values(flags)
    summaries = tf_lottery.run_experiment(config)
    ```

    Args:
      config: the experiment; `config_from_values` makes it of flags.
      dataset: your own data (`tf_lottery.from_arrays`) in place of the set the flags name.
      matching_tolerance: points that a level's test accuracy may be below the dense network's and
        still matches it, in the table at the end.
      overwrite: whether the ticket that is exported, if one is, may replace another export.

    Returns:
      A summary of each level; nothing to workers that are not the chief.

    Raises:
      ValueError: if the configuration, the devices or the run folder are not in order; before
        training.
      TrainingDivergedError: if a loss is not finite; finished levels are kept.
      WorkerLostError: if another of several workers has ended; finished levels are kept.
    """
    check_experiment_arguments(config, dataset, overwrite)
    tolerance = tolerance_of(matching_tolerance)
    config = as_begun(config)
    work = _Lottery(config, OwnExport(config, overwrite), tolerance)
    return carry_out(work, config, config.run_path, dataset)


def check_experiment(config: ExperimentConfig) -> int:
    """Does what comes before training, and writes nothing.

    Returns:
      The bytes of memory that training takes, besides the data.

    Raises:
      ValueError: as in `run_experiment`, but for what the run folder holds.
    """
    with open_strategy(config.run).scope():
        experiment = prepare(config)
        check_fine_tuning(experiment)
        check_score(experiment)
        experiment.needs.check_disk(config.run_path, experiment.levels + 1)
        return experiment.needs.memory


@dataclass(frozen=True)
class _Lottery:
    """Iterative magnitude pruning in a run folder."""

    config: ExperimentConfig
    export: OwnExport
    tolerance: float

    def check(self, workers: Workers) -> None:
        workers.on_chief(lambda: check_folders(self.config, self.export))

    def open(
        self, experiment: Experiment, workers: Workers, resources: ExitStack
    ) -> RunFolder | None:
        return workers.on_chief(lambda: self._open(experiment, resources))

    def _open(self, experiment: Experiment, resources: ExitStack) -> RunFolder:
        config = self.config
        last = LevelFolder(config.run_path / f"level_{experiment.levels}")
        if not last.is_complete():
            check_fine_tuning(experiment)
            check_score(experiment)
            tell_of_data(experiment)
            tell_of_initial_weights(experiment)
            tell_of_ticket(experiment)
            tell_of_useless_flags(experiment)
            tell_of_layers(experiment)
            folders = (config.run_path / f"level_{level}" for level in range(experiment.levels + 1))
            left = sum(not LevelFolder(folder).is_complete() for folder in folders)
            tell(experiment.needs.check_disk(config.run_path, left))
        run = resources.enter_context(
            open_run(
                config.run_path,
                experiment,
                flags_text(config),
                experiment.details,
                defaults_of(self.config),
            )
        )
        keep_ticket(run, experiment.ticket)
        if not (experiment.ends_at_density or config.run.stop_below):
            self.export.check(run, experiment.levels)
        known = run.details.levels
        levels = known if experiment.ends_at_density else experiment.levels
        check_rules(run, affected=range(1, levels + 1), wanted=range(levels + 1))
        tell_of_late_flags(config, run)
        # A run that was begun with --experiment=train may go on as a lottery.
        if not (known and experiment.ends_at_density):
            known = max(known, experiment.levels)
        stops = config.run.stop_below or None
        details = with_score(run, experiment)
        run.remember(replace(details, levels=known, stop_below=stops))
        return run

    def train(
        self,
        experiment: Experiment,
        run: RunFolder | None,
        workers: Workers,
        logs: RunLogs | None,
    ) -> None:
        lengths, network = experiment.lengths, experiment.network
        journal, pruner = journal_of(run, workers, logs), experiment.pruner
        if (ticket := experiment.ticket_in_network) is not None:
            network.set_weights(network.weights(), ticket.mask)
        source = dense_source(self.config)
        if run is not None and logs is not None and source is not None:
            take_dense_training(run, experiment, source, logs)
        end = self._end(run, workers)
        levels = range((_last_level(experiment, journal, pruner) if end is None else end) + 1)
        firsts = [experiment.first_step(level) for level in levels]
        steps = [lengths.last(first) - first for first in firsts]
        finished = [level for level in levels if journal.is_complete(level)]
        with reported(run, experiment, logs, steps, finished) as reports:
            if len(finished) == len(levels):
                self._remember_end(run, end)
                return
            evidence = build_evidence(experiment, lambda: journal.rewind_state().weights)
            if not finished:
                # A score that fails should do so before the dense network is trained.
                pruner.check(network.weights(), network.mask, evidence(0))
            if reports.progress is not None and self.config.pruning.adaptive:
                pruner = ReportedPruner(pruner, experiment, reports.progress)
            train = LevelTrainer(experiment, reports.records_of, workers)

            def ends_with(level: int) -> bool:
                end = self._end(run, workers)
                if end is not None and reports.progress is not None:
                    reports.progress.expect_levels(steps[: level + 1], exact=True)
                return end is not None

            for level in iterative_magnitude_pruning(
                network,
                pruner,
                levels[-1],
                journal,
                evidence=evidence,
                agree=workers.agree,
                ends_with=ends_with,
                variant=experiment.variant,
                rewind_optimizer=self.config.pruning.rewind_optimizer,
            ):
                level.record = train(
                    level.number, None if level.number else level.save_rewind_state
                )
        if run is not None and experiment.ends_at_density:
            # Until now it was the most that there might be.
            run.remember(replace(run.details, levels=run.complete_levels()[-1]))
        self._remember_end(run, self._end(run, workers))

    def _end(self, run: RunFolder | None, workers: Workers) -> int | None:
        """The finished level that ends the search early, by --stop_below."""
        rule = self.config.run.stop_below
        if not rule:
            return None

        def look() -> Message:
            end = None if run is None else early_end(run, rule)
            return Message(None if end is None else end.level)

        return workers.from_chief(look).record

    def _remember_end(self, run: RunFolder | None, end: int | None) -> None:
        if run is not None and end is not None:
            # Those that were trained before there was the rule stay.
            run.remember(replace(run.details, levels=max(end, run.finished_levels()[-1])))

    def finish(self, experiment: Experiment, run: RunFolder) -> list[LevelSummary]:
        results = write_results(run, title_of(self.config))
        print_results(run, results.summaries, self.tolerance)
        last = min(experiment.levels, results.summaries[-1].level)
        end = early_end(run, self.config.run.stop_below)
        self.export.write(run, last if end is None else end.ticket)
        return results.refuse_failure()

    def rescue(self, run: RunFolder | None) -> None:
        if run is not None:
            summaries = write_results_if_possible(run, title_of(self.config))
            print_results(run, summaries, self.tolerance)


def _last_level(experiment: Experiment, journal: LevelJournal, pruner: Pruner) -> int:
    """The last level that there is, if the run has come to its density, or that there may be."""
    finished = [level for level in range(experiment.levels + 1) if journal.is_complete(level)]
    if finished and experiment.ends_at_density and pruner.ends_at(journal.load(finished[-1])[1]):
        return finished[-1]
    return experiment.levels
