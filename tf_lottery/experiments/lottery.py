"""Runs an experiment: data and network, iterative magnitude pruning, table, figure, export."""

from contextlib import ExitStack, nullcontext

from tf_lottery.config.experiment import ExperimentConfig
from tf_lottery.config.flags import flags_text
from tf_lottery.config.matching import DEFAULT_POINTS, tolerance_of
from tf_lottery.data import Dataset
from tf_lottery.experiments.evidence import build_evidence
from tf_lottery.experiments.level_records import records_of_levels
from tf_lottery.experiments.level_training import LevelTrainer
from tf_lottery.experiments.own_export import OwnExport
from tf_lottery.experiments.reported_pruner import ReportedPruner
from tf_lottery.experiments.results import (
    print_results,
    title_of,
    write_results,
    write_results_if_possible,
)
from tf_lottery.experiments.run_checks import (
    check_experiment_arguments,
    check_fine_tuning,
    check_rules,
    check_same_experiment,
    open_run,
    tell_of_useless_flags,
)
from tf_lottery.experiments.setup import Experiment, prepare
from tf_lottery.experiments.summarizing_journal import SummarizingJournal
from tf_lottery.pruning.pruner import Pruner
from tf_lottery.report.progress import ProgressReporter
from tf_lottery.report.summary import LevelSummary
from tf_lottery.store.level_folder import LevelFolder
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.tickets.imp import iterative_magnitude_pruning
from tf_lottery.tickets.journal import LevelJournal
from tf_lottery.tickets.shared_journal import SharedJournal
from tf_lottery.training.strategy import open_strategy
from tf_lottery.training.workers import Workers


def run_experiment(
    config: ExperimentConfig,
    dataset: Dataset | None = None,
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
    strategy = open_strategy(config.run)
    workers, export = Workers(strategy), OwnExport(config, overwrite)
    with workers.together(), ExitStack() as resources:
        workers.on_chief(export.check_explicit)
        with strategy.scope():
            experiment = prepare(config, dataset)
        check_same_experiment(experiment, workers)
        run = workers.on_chief(lambda: _open_run(experiment, export, resources))
        try:
            with strategy.scope():
                _find_tickets(experiment, run, workers)
        except BaseException:
            if run is not None:
                summaries = write_results_if_possible(run, title_of(config))
                print_results(run, summaries, tolerance)
            raise
        # Without the scope, in which workers can only build networks together.
        return workers.on_chief(lambda: _finish(run, experiment, export, tolerance)) or []


def check_experiment(config: ExperimentConfig) -> None:
    """Does what comes before training, and writes nothing.

    Raises:
      ValueError: as in `run_experiment`, but for what the run folder holds.
    """
    with open_strategy(config.run).scope():
        experiment = prepare(config)
        check_fine_tuning(experiment)
        experiment.needs.check_disk(config.run_path, experiment.levels + 1)


def _open_run(experiment: Experiment, export: OwnExport, resources: ExitStack) -> RunFolder:
    """Opens the run folder, which stays locked as long as the resources are held."""
    config = experiment.config
    last = LevelFolder(config.run_path / f"level_{experiment.levels}")
    if not last.is_complete():
        check_fine_tuning(experiment)
        tell_of_useless_flags(experiment)
        folders = (config.run_path / f"level_{level}" for level in range(experiment.levels + 1))
        left = sum(not LevelFolder(folder).is_complete() for folder in folders)
        print(experiment.needs.check_disk(config.run_path, left), flush=True)
    run = resources.enter_context(
        open_run(
            config.run_path,
            experiment,
            flags_text(config),
            experiment.details,
            ExperimentConfig().identity(),
        )
    )
    if not experiment.ends_at_density:
        export.check(run, experiment.levels)
    known = run.details.get("levels", 0)
    levels = known if experiment.ends_at_density else experiment.levels
    check_rules(run, affected=range(1, levels + 1), wanted=range(levels + 1))
    # A run that was begun with --experiment=train may go on as a lottery.
    if not (known and experiment.ends_at_density):
        run.remember(levels=max(known, experiment.levels))
    return run


def _find_tickets(experiment: Experiment, run: RunFolder | None, workers: Workers) -> None:
    lengths, network = experiment.lengths, experiment.network
    own = None if run is None else SummarizingJournal(run)
    journal = own if workers.count == 1 else SharedJournal(own, workers)
    pruner = experiment.pruner
    levels = range(_last_level(experiment, journal, pruner) + 1)
    firsts = [experiment.first_step(level) for level in levels]
    steps = [lengths.last(first) - first for first in firsts]
    finished = [level for level in levels if journal.is_complete(level)]
    # Only the chief reports.
    with ProgressReporter(levels[-1], steps) if run else nullcontext() as progress:
        records_of = records_of_levels(run, lengths, progress)
        if run is not None:
            for level in finished:
                progress.skip_level(level)
        if len(finished) == len(levels):
            return
        evidence = build_evidence(experiment, lambda: journal.rewind_state().weights)
        if not finished:
            # A score that fails should do so before the dense network is trained.
            pruner.check(network.weights(), network.mask, evidence(0))
        if progress is not None and experiment.config.pruning.adaptive:
            pruner = ReportedPruner(pruner, experiment, progress)
        train = LevelTrainer(experiment, records_of, workers)
        for level in iterative_magnitude_pruning(
            network,
            pruner,
            levels[-1],
            journal,
            evidence=evidence,
            agree=workers.agree,
            variant=experiment.variant,
            rewind_optimizer=experiment.config.pruning.rewind_optimizer,
        ):
            level.record = train(level.number, level.save_rewind_state)
    if run is not None and experiment.ends_at_density:
        # Until now it was the most that there might be.
        run.remember(levels=run.complete_levels()[-1])


def _last_level(experiment: Experiment, journal: LevelJournal, pruner: Pruner) -> int:
    """The last level that there is, if the run has come to its density, or that there may be."""
    finished = [level for level in range(experiment.levels + 1) if journal.is_complete(level)]
    if finished and experiment.ends_at_density and pruner.ends_at(journal.load(finished[-1])[1]):
        return finished[-1]
    return experiment.levels


def _finish(
    run: RunFolder, experiment: Experiment, export: OwnExport, tolerance: float
) -> list[LevelSummary]:
    config = experiment.config
    summaries = write_results(run, title_of(config))
    print_results(run, summaries, tolerance)
    export.write(run, min(experiment.levels, summaries[-1].level))
    return summaries
