"""Which network each variant prunes, and from what it trains again."""

import numpy as np
import pytest

from tests.same_weights import assert_same_weights
from tf_lottery.masking.masks import Mask
from tf_lottery.tickets.fit.memory_journal import MemoryJournal
from tf_lottery.tickets.variants import Variant
from tf_lottery.training.network import NetworkState

TRAIN_STEPS, REWIND_STEP = 50, 8
SLOTS = [np.array(8), np.full(3, 0.5)]
REWIND = "rewind"


def weights_of(number: float) -> dict[str, np.ndarray]:
    return {"kernel": np.full(3, number), "bias": np.full(1, number)}


MASKS = [Mask({"kernel": np.arange(3) >= level}) for level in range(3)]
LEVELS = [(mask.apply(weights_of(level + 1.0)), mask) for level, mask in enumerate(MASKS)]
EARLY = NetworkState(REWIND_STEP, weights_of(0.0), SLOTS)


@pytest.fixture
def journal() -> MemoryJournal:
    """Levels 0 to 2, whose weights are the level's number plus 1, and 0 at the rewind."""
    journal = MemoryJournal()
    journal.save_rewind_state(EARLY)
    for level, (weights, mask) in enumerate(LEVELS):
        journal.save(level, weights, mask, {})
    return journal


@pytest.mark.parametrize(
    ("prune_from", "weights", "mask"),
    [("previous_level", 2, 2), ("dense", 0, 0), ("rewind_step", REWIND, 0)],
)
def test_the_network_that_is_pruned_to_make_level_3(journal, prune_from, weights, mask):
    for retraining in ("rewind_weights", "rewind_learning_rate", "fine_tune"):
        found = Variant(prune_from, retraining, TRAIN_STEPS).judged(journal, 3)
        assert_same_weights(found[0], EARLY.weights if weights == REWIND else LEVELS[weights][0])
        assert found[1] == LEVELS[mask][1]


@pytest.mark.parametrize("prune_from", ["previous_level", "dense"])
@pytest.mark.parametrize(
    ("retraining", "trained", "step"),
    [
        ("rewind_weights", False, REWIND_STEP),
        ("rewind_learning_rate", True, REWIND_STEP),
        ("fine_tune", True, TRAIN_STEPS),
    ],
)
def test_what_a_level_is_trained_from(journal, prune_from, retraining, trained, step):
    state = Variant(prune_from, retraining, TRAIN_STEPS).start(journal, 2)
    pruned = LEVELS[1 if prune_from == "previous_level" else 0][0]
    assert_same_weights(state.weights, pruned if trained else EARLY.weights)
    assert state.step == step
    assert state.optimizer is SLOTS


def test_by_default_pruning_is_iterative_with_rewinding(journal):
    assert_same_weights(Variant().judged(journal, 2)[0], LEVELS[1][0])
    assert Variant().start(journal, 2) is EARLY


def test_pruning_before_training_starts_at_the_rewind_step(journal):
    assert Variant("rewind_step").start(journal, 2) is EARLY
