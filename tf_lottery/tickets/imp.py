"""Iterative magnitude pruning with rewinding: all of the algorithm, for whatever trains."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tf_lottery.masking.masks import Mask
from tf_lottery.pruning.pruner import Pruned, Pruner
from tf_lottery.pruning.score import Evidence
from tf_lottery.tickets.journal import LevelJournal
from tf_lottery.tickets.variants import Variant
from tf_lottery.training.network import Network, NetworkState


@dataclass
class LevelToTrain:
    """A level whose network is at its first step; to be trained by whoever is given it.

    Attributes:
      number: that of the level.
      keep_rewind_state: takes what `save_rewind_state` is given.
      record: what is to be recorded of the level; set it once the level is trained.
      rewind_state_kept: whether this training, or one that it resumes, came past the rewind step.
        The journal may hold the state of a training that was given up.
    """

    number: int
    keep_rewind_state: Callable[[NetworkState], None]
    record: Mapping[str, Any] = field(default_factory=dict)
    rewind_state_kept: bool = False

    def save_rewind_state(self, state: NetworkState) -> None:
        """Keeps the state that the network has at the rewind step; for level 0 alone."""
        self.keep_rewind_state(state)
        self.rewind_state_kept = True


def iterative_magnitude_pruning(
    network: Network,
    pruner: Pruner,
    levels: int,
    journal: LevelJournal,
    *,
    evidence: Callable[[int], Evidence],
    variant: Variant = Variant(),  # noqa: B008, as it is frozen
    agree: Callable[[Mask], Mask] = lambda mask: mask,
    ends_with: Callable[[int], bool] = lambda level: False,
    rewind_optimizer: bool = False,
) -> Iterator[LevelToTrain]:
    """Finds a sparse subnetwork that is trainable from an early point of training.

    ```python
    for level in iterative_magnitude_pruning(
        network, pruner, levels, journal, evidence=evidence
    ):
        level.record = train(level)
    ```

    The algorithm of arXiv 1803.03635, sections 1 and 2, with the rewinding of arXiv 1903.01611 (in
    arXiv 1912.05671, section 4):

    1. Randomly initialize a network.
    2. Train it to the end, keeping its state at the rewind step on the way.
    3. Prune the remaining weights with the lowest scores.
    4. Return those that are left to their values at the rewind step.

    Train from there to the end, and repeat from 3. Levels that the journal holds already are not
    done again.

    Args:
      network: step 1, the network as initialized; holds the last trained level at the end.
      pruner: judges the weights and prunes the lowest; may end before the last level.
      levels: number of prunings.
      journal: holds the finished levels and the state at the rewind step.
      evidence: what the pruner looks at besides the weights, given the level.
      variant: prunes another network in step 3, or starts from other weights in step 4.
      agree: gives each of several workers the mask of the first, as devices may round differently.
      ends_with: whether a finished level is the last one, by what was found there.
      rewind_optimizer: rewind the optimizer too, rather than start it afresh.

    Yields:
      Each level to be trained: from the network's step to the end of training.
    """
    for number in range(levels + 1):
        if journal.is_complete(number):
            continue
        if number and ends_with(number - 1):
            return
        # Whoever trains level 0 also keeps the state at the rewind step (step 2).
        level = LevelToTrain(number, journal.save_rewind_state)
        if number == 0:
            pruned = Pruned(network.mask)
        else:
            # Step 3.
            weights, mask = variant.judged(journal, number)
            if pruner.ends_at(mask):
                return
            pruned = pruner.prune(weights, mask, number, evidence(number))
            pruned = replace(pruned, mask=agree(pruned.mask))
            del weights  # not to be held while the level is trained
            # Step 4.
            network.rewind(
                variant.start(journal, number),
                pruned.mask,
                rewind_optimizer=rewind_optimizer,
                learning_rate=variant.learning_rate,
            )
        # Step 2, or its like at a later level.
        yield level
        journal.save(number, network.weights(), pruned.mask, {**level.record, **pruned.record})
