"""Iterative magnitude pruning with rewinding."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tf_lottery.masking.masks import Mask
from tf_lottery.pruning.pruner import Pruned, Pruner
from tf_lottery.pruning.score import Evidence
from tf_lottery.tickets.journal import LevelJournal
from tf_lottery.tickets.variants import Variant
from tf_lottery.training.network import Network


def iterative_magnitude_pruning(
    network: Network,
    pruner: Pruner,
    levels: int,
    train: Callable[[int], Mapping[str, Any]],
    journal: LevelJournal,
    *,
    evidence: Callable[[int], Evidence | None] = lambda level: None,
    variant: Variant = Variant(),  # noqa: B008, as it is frozen
    agree: Callable[[Mask], Mask] = lambda mask: mask,
    rewind_optimizer: bool = False,
) -> None:
    """Finds a sparse subnetwork that is trainable from an early point of training.

    The algorithm of arXiv 1803.03635, section 1, with the rewinding of arXiv 1912.05671, section 4:

    1. Randomly initialize a network.
    2. Train it to the end, keeping its state at the rewind step on the way.
    3. Prune the remaining weights with the lowest scores.
    4. Return those that are left to their values at the rewind step.
    5. Train from there to the end, and repeat from 3.

    Levels that the journal holds already are not done again.

    Args:
      network: the network as initialized; holds the last trained level at the end.
      pruner: judges the weights and prunes the lowest; may end before the last level.
      levels: number of prunings.
      train: trains the network from its step to the end of training, given the level; at level 0
        it gives the journal the rewind state. Returns what is to be recorded of the level.
      journal: holds the finished levels.
      evidence: what the pruner looks at besides the weights, given the level.
      variant: prunes another network in step 3, or starts from other weights in step 4.
      agree: gives each of several workers the mask of the first, as devices may round differently.
      rewind_optimizer: rewind the optimizer too, rather than start it afresh.
    """
    for level in range(levels + 1):
        if journal.is_complete(level):
            continue
        if level == 0:
            pruned = Pruned(network.mask)
        else:
            weights, mask = variant.judged(journal, level)
            if pruner.ends_at(mask):
                return
            pruned = pruner.prune(weights, mask, level, evidence(level))
            pruned = replace(pruned, mask=agree(pruned.mask))
            del weights  # not to be held while the next level is trained
            network.rewind(
                variant.start(journal, level), pruned.mask, rewind_optimizer=rewind_optimizer
            )
        record = train(level)
        journal.save(level, network.weights(), pruned.mask, {**record, **pruned.record})
