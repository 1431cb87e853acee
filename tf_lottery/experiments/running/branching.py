"""Runs a branch: a control that starts from levels of an experiment."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tf_lottery.config.arguments import check_path, expanded, levels_from
from tf_lottery.config.matching import DEFAULT_POINTS, tolerance_of
from tf_lottery.data import Dataset, StreamedDataset
from tf_lottery.experiments.branch_config import (
    BranchPlan,
    branch_flags,
    plan_branch,
)
from tf_lottery.experiments.branch_levels import (
    check_makes_sense,
    check_structure,
    is_complete,
    levels_of_plan,
    tell_of_levels_left_out,
)
from tf_lottery.experiments.finished.branches import (
    own_by_user,
    print_results_of_branch,
    title_of_branch,
)
from tf_lottery.experiments.finished.results import write_results, write_results_if_possible
from tf_lottery.experiments.refusals.begun_without import defaults_of
from tf_lottery.experiments.refusals.outdated_runs import refuse_outdated_tickets
from tf_lottery.experiments.refusals.own_data import call_on_arrays, refuse_without_arrays
from tf_lottery.experiments.running.branch_checks import (
    check_other_run,
    check_rewind_step,
    check_smallest_crop,
    check_start,
)
from tf_lottery.experiments.running.branch_origins import (
    journal_of_source,
    kind_of_start,
    origin_of,
)
from tf_lottery.experiments.running.evidence import build_evidence
from tf_lottery.experiments.running.level_training import LevelTrainer
from tf_lottery.experiments.running.run_checks import (
    check_details,
    check_fine_tuning,
    check_is_dataset,
    check_rules,
    open_run,
    with_score,
)
from tf_lottery.experiments.running.run_logs import RunLogs
from tf_lottery.experiments.running.setup import Experiment
from tf_lottery.experiments.running.skeleton import carry_out, journal_of, reported
from tf_lottery.store.needed_plugins import plugins_named
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.schema import LevelSummary
from tf_lottery.tickets.branches import Branch, find_branch
from tf_lottery.training.workers import Message, Workers


def run_branch(
    run: str | Path,
    branch: str,
    levels: Sequence[int] | None = None,
    *,
    dataset: Dataset | StreamedDataset | str | None = None,
    for_analysis: bool = False,
    matching_tolerance: float = DEFAULT_POINTS,
    **changes: Any,
) -> list[LevelSummary]:
    """Runs or continues a branch of an experiment; levels that are there are not done again.

    A branch changes one thing of a level and trains it as the level was trained, with the same data
    in the same order. It is kept in the run folder, as `branches/LABEL`.

    Args:
      run: a run folder, WORKDIR/NAME/replicate_R; its experiment may still be running.
      branch: such as "random_reinitialization"; `tf_lottery.tickets.branches` has them all.
      levels: finished levels to start from; None: all that are finished now.
      dataset: your own data, if the experiment was run on them; or, as text, the value of --dataset
        that says where the run's files lie now.
      for_analysis: marks a new branch as a step of an analysis: reports do not list it until it
        is run without this too, and nothing is said of matching.
      matching_tolerance: points that a level's test accuracy may be below that of the run's dense
        network and still matches it, in the table at the end.
      **changes: training flags that differ from the run's, such as `learning_rate=0.01`.

    Returns:
      A summary of each level of the branch; nothing to workers that are not the chief.

    Raises:
      ValueError: if a level is not finished, the branch is not known, or a flag cannot be changed;
        before training.
      TrainingDivergedError: if a loss is not finite; finished levels are kept.
      WorkerLostError: if another of several workers has ended; finished levels are kept.
    """
    check_path("run", run)
    run = expanded("run", run)
    levels = levels_from(levels)
    if isinstance(dataset, str):
        dataset, changes = None, {**changes, "dataset": dataset}
    check_is_dataset(dataset)
    tolerance = None if for_analysis else tolerance_of(matching_tolerance)
    with plugins_named(run):
        kind = find_branch(branch)
        plan = plan_branch(run, branch, changes)
        if dataset is None:
            refuse_without_arrays(run, call_on_arrays("run_branch", run, branch))
        check_structure(plan, kind)
        check_makes_sense(plan, kind)
        work = _BranchWork(plan, kind, levels, for_analysis, tolerance)
        return carry_out(work, plan.config, plan.run.path, dataset)


@dataclass
class _BranchWork:
    """A branch, in a run folder of its own below its run's."""

    plan: BranchPlan
    branch: Branch
    asked: Sequence[int] | None
    for_analysis: bool
    tolerance: float | None
    levels: Sequence[int] = ()

    def check(self, workers: Workers) -> None:
        def wanted() -> Message:
            levels = levels_of_plan(self.plan, self.branch, self.asked)
            if self.asked is None:
                tell_of_levels_left_out(self.plan, self.branch, levels)
            return Message(levels)

        self.levels = workers.from_chief(wanted).record

    def open(
        self, experiment: Experiment, workers: Workers, resources: ExitStack
    ) -> RunFolder | None:
        plan, levels = self.plan, self.levels
        check_details(plan.run, experiment)
        workers.on_chief(lambda: check_other_run(plan, self.branch, levels))
        workers.on_chief(lambda: check_rewind_step(plan, experiment))
        workers.on_chief(lambda: check_smallest_crop(plan, experiment))
        return workers.on_chief(
            lambda: _open_branch(plan, experiment, levels, self.for_analysis, resources)
        )

    def train(
        self,
        experiment: Experiment,
        run: RunFolder | None,
        workers: Workers,
        logs: RunLogs | None,
    ) -> None:
        _train_levels(self.plan, experiment, self.branch, self.levels, run, workers, logs)

    def finish(self, experiment: Experiment, run: RunFolder) -> list[LevelSummary]:
        results = write_results(run, title_of_branch(self.plan))
        print_results_of_branch(self.plan, run, results.summaries, self.tolerance)
        return results.refuse_failure()

    def rescue(self, run: RunFolder | None) -> None:
        write_results_if_possible(run, title_of_branch(self.plan))


def _open_branch(
    plan: BranchPlan,
    experiment: Experiment,
    levels: Sequence[int],
    for_analysis: bool,
    resources: ExitStack,
) -> RunFolder:
    """Opens the branch's folder, which stays locked as long as the resources are held."""
    if not is_complete(plan, levels):
        refuse_outdated_tickets(plan.run, levels)
        check_fine_tuning(experiment)
    own = resources.enter_context(
        open_run(
            plan.path,
            experiment,
            branch_flags(plan, ",".join(map(str, levels))),
            replace(
                experiment.details,
                # Its outputs stand for what those of its run do.
                class_names=plan.run.details.class_names,
                changes=plan.changes,
                branch_levels=tuple(levels),
                for_analysis=for_analysis,
            ),
            defaults_of(plan.config),
        )
    )
    asked = own.details.branch_levels or ()
    check_rules(own, affected=asked, wanted=levels)
    details = with_score(own, experiment)
    own.remember(replace(details, branch_levels=tuple(sorted({*asked, *levels}))))
    if not for_analysis:
        own_by_user(own)
    return own


def _train_levels(
    plan: BranchPlan,
    experiment: Experiment,
    branch: Branch,
    levels: Sequence[int],
    own: RunFolder | None,
    workers: Workers,
    logs: RunLogs | None,
) -> None:
    journal = journal_of(own, workers, logs)
    missing = [level for level in levels if not journal.is_complete(level)]
    lengths, network = experiment.lengths, experiment.network
    length = lengths.train_steps - lengths.rewind_step
    steps = [length * (level in levels) for level in range(max(levels) + 1)]
    if levels[0] == 0:
        steps[0] = lengths.train_steps
    initial_state = network.state()
    of_run = journal_of_source(plan, experiment, initial_state)
    evidence = build_evidence(experiment, lambda: of_run.rewind_state().weights)
    # Rewinding the optimizer would bring back the run's.
    learning_rate = network.optimizer.learning_rate.numpy()
    finished = sorted(set(levels) - set(missing))
    kind = kind_of_start(own, workers)
    title = f"Branch {plan.label} of {plan.run.path}"
    with reported(own, experiment, logs, steps, finished, title) as reports:
        if not missing:
            return
        train = LevelTrainer(experiment, reports.records_of, workers)
        for level in missing:
            origin = origin_of(plan, of_run, experiment, level, initial_state, evidence, kind)
            start = branch.function(origin, **plan.config.branch.parameters)
            check_start(branch, start, origin.start, experiment)
            mask = workers.agree(start.mask)
            network.rewind(start.state, mask, rewind_optimizer=start.rewind_optimizer)
            network.optimizer.learning_rate.assign(learning_rate)
            record = train(level)
            journal.save(level, network.weights(), mask, record)
