"""What a branch starts from: a level of its run, as the branch was begun with it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tf_lottery.experiments.branch_config import BranchPlan
from tf_lottery.experiments.running.kept_states import JournalRewoundTo, state_at
from tf_lottery.experiments.running.setup import Experiment
from tf_lottery.masking.masks import Mask, Weights
from tf_lottery.pruning.score import Evidence
from tf_lottery.store.identity import Identity
from tf_lottery.store.run_folder import RunFolder
from tf_lottery.store.training_rules import FRESH_SLOTS_FOR_NEW_WEIGHTS
from tf_lottery.tickets.load import build_prunable_model
from tf_lottery.tickets.origin import Origin, Start
from tf_lottery.tickets.run_journal import RunJournal
from tf_lottery.training.network import NetworkState, weights_of
from tf_lottery.training.workers import Message, Workers


class _StartWithOldSlots(Start):
    """How branches of an earlier version started: new weights had the slots of the old ones."""

    def with_weights(self, weights: Weights, *, keeps_slots: bool = True) -> Start:
        """The same step, mask and slots with other weights."""
        return super().with_weights(weights, keeps_slots=True)


def kind_of_start(own: RunFolder | None, workers: Workers) -> type[Start]:
    """How the branch was begun, as its folder says, which only the chief has."""

    def rules() -> Message:
        return Message(None if own is None else own.details.rules)

    begun = workers.from_chief(rules).record
    return Start if begun >= FRESH_SLOTS_FOR_NEW_WEIGHTS else _StartWithOldSlots


def journal_of_source(
    plan: BranchPlan, experiment: Experiment, initial_state: NetworkState
) -> RunJournal:
    """The levels that the branch starts from, with the rewind step that it has."""
    if "rewind_step" not in plan.changes:
        return RunJournal(plan.run)
    state = state_at(plan.run, experiment.lengths.rewind_step, initial_state)
    assert state is not None, "it was looked for when the branch was opened"
    return JournalRewoundTo(plan.run, state)


def origin_of(
    branch_plan: BranchPlan,
    journal: RunJournal,
    experiment: Experiment,
    level: int,
    initial_state: NetworkState,
    evidence: Callable[[int], Evidence],
    kind: type[Start],
) -> Origin:
    """What a branch is given of a level of its run."""
    config = experiment.config
    state = experiment.variant.start(journal, level) if level else initial_state
    mask, plan = journal.load(level)[1], experiment.plan
    if config.pruning.adaptive:
        dense = Mask({name: np.ones(array.shape, bool) for name, array in mask.items()})
        plan = plan.leaving(dense, mask.remaining)
    other = config.branch.other_run

    def draw_weights(seed: int) -> Weights:
        # As the network's own: in the scope of its strategy, its kernels are drawn by seed alone.
        return weights_of(
            build_prunable_model(Identity(config.identity()), experiment.details, seed)
        )

    return Origin(
        level=level,
        start=kind(
            state,
            mask,
            rewind_optimizer=config.pruning.rewind_optimizer,
        ),
        random=np.random.Generator(
            np.random.Philox([config.init_seed, config.branch.branch_seed, level])
        ),
        journal=journal,
        plan=plan,
        method=experiment.method,
        evidence=evidence,
        variant=experiment.variant,
        draw_weights=draw_weights,
        other_journal=None if other is None else RunJournal(RunFolder.read(Path(other))),
    )
