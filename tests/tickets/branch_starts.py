"""Levels of masks by magnitude on weights that are drawn, and what branches make of them."""

import dataclasses
from typing import Any

import numpy as np

from tf_lottery.masking.masks import Mask
from tf_lottery.pruning.plan import PruningPlan
from tf_lottery.pruning.score import find_method
from tf_lottery.pruning.scores.magnitudes import magnitude
from tf_lottery.tickets.branches import find_branch
from tf_lottery.tickets.fit.memory_journal import MemoryJournal
from tf_lottery.tickets.origin import Origin, Start
from tf_lottery.tickets.variants import Variant
from tf_lottery.training.network import NetworkState

Arrays = dict[str, np.ndarray]

SHAPES = {"conv/kernel": (3, 3, 4, 6), "dense/kernel": (20, 12), "output/kernel": (6, 5)}
SIZES = {name: int(np.prod(shape)) for name, shape in SHAPES.items()}
PLAN = PruningPlan.build(SIZES, dict.fromkeys(SIZES, 0.3), "global")
LEVELS, TRAIN_STEPS, REWIND_STEP = 4, 50, 8
SLOTS = [np.array(REWIND_STEP), np.full(3, 0.5, np.float32)]


def draw_weights(seed: int) -> Arrays:
    dice = np.random.default_rng(seed)
    weights = {n: dice.normal(scale=0.1, size=s).astype(np.float32) for n, s in SHAPES.items()}
    return weights | {"dense/bias": dice.normal(size=12).astype(np.float32)}


def journal_of(seed: int) -> MemoryJournal:
    """Levels whose masks are those of magnitude pruning, on weights that are drawn."""
    journal, mask = MemoryJournal(), Mask.ones_like({n: np.empty(s) for n, s in SHAPES.items()})
    journal.save_rewind_state(NetworkState(REWIND_STEP, draw_weights(seed), SLOTS))
    # One more than branches start from: some look at the level after theirs.
    for level in range(LEVELS + 1):
        if level:
            mask = PLAN.prune(magnitude(journal.load(level - 1)[0], mask), mask, level)
        journal.save(level, mask.apply(draw_weights(seed + level + 1)), mask, {})
    return journal


JOURNAL, OTHER = journal_of(100), journal_of(200)


def origin_of(level: int = 3, branch_seed: int = 0, **changes: Any) -> Origin:
    origin = Origin(
        level=level,
        start=Start(JOURNAL.rewind_state(), JOURNAL.load(level)[1]),
        random=np.random.default_rng([branch_seed, level]),
        journal=JOURNAL,
        plan=PLAN,
        method=find_method("magnitude"),
        evidence=lambda level: None,
        variant=Variant(train_steps=TRAIN_STEPS),
        draw_weights=draw_weights,
        other_journal=OTHER,
    )
    return dataclasses.replace(origin, **changes)


def start_of(branch: str, level: int = 3, branch_seed: int = 0, **changes: Any) -> Start:
    return find_branch(branch).function(origin_of(level, branch_seed, **changes))


def same_bits(one: Arrays, two: Arrays) -> bool:
    return list(one) == list(two) and all(
        one[name].dtype == two[name].dtype and one[name].tobytes() == two[name].tobytes()
        for name in one
    )


def counts_of(mask: Mask) -> dict[str, int]:
    return {name: int(np.count_nonzero(array)) for name, array in mask.items()}


LAYERWISE = PruningPlan.build(
    SIZES, {"conv/kernel": 0.3, "dense/kernel": 0.3, "output/kernel": 0.0}, "layerwise"
)
