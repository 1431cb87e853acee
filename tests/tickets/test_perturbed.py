"""The moved rewind point: how far, in which direction, and what stays where it was."""

import numpy as np
import pytest

from tf_lottery.masking.masks import Mask
from tf_lottery.pruning.plan import PruningPlan
from tf_lottery.pruning.score import find_method
from tf_lottery.tickets.branches.perturbed import perturbed
from tf_lottery.tickets.fit.memory_journal import MemoryJournal
from tf_lottery.tickets.origin import Origin, Start
from tf_lottery.tickets.variants import Variant
from tf_lottery.training.network import NetworkState

SHAPES = {"conv/kernel": (3, 3, 8, 16), "dense/kernel": (64, 40), "output/kernel": (40, 10)}
SIZES = {name: int(np.prod(shape)) for name, shape in SHAPES.items()}
NOT_PRUNED = ("dense/bias", "norm/gamma")
PLAN = PruningPlan.build(SIZES, dict.fromkeys(SIZES, 0.3), "global")
SLOTS, FIRST_SLOTS = [np.full(3, 0.5, np.float32)], [np.zeros(3, np.float32)]
LEVELS = 4


def state(seed: int, step: int, slots: list[np.ndarray]) -> NetworkState:
    dice = np.random.default_rng(seed)
    shapes = {**SHAPES, **dict.fromkeys(NOT_PRUNED, (40,))}
    weights = {name: dice.normal(scale=0.1, size=shape) for name, shape in shapes.items()}
    return NetworkState(step, {n: a.astype(np.float32) for n, a in weights.items()}, slots)


def make_journal() -> MemoryJournal:
    """Levels with random masks, each within the one before."""
    journal, mask = MemoryJournal(), Mask.ones_like({n: np.empty(s) for n, s in SHAPES.items()})
    journal.save_rewind_state(state(7, 9, SLOTS))
    for level in range(LEVELS):
        dice = np.random.default_rng(level)
        if level:
            mask = PLAN.prune({n: dice.random(s) for n, s in SHAPES.items()}, mask, level)
        journal.save(level, mask.apply(state(level, 50, SLOTS).weights), mask, {})
    return journal


JOURNAL = make_journal()
REWOUND = JOURNAL.rewind_state().weights


def move(level: int, factor: float = 1.0, seed: int = 0) -> Start:
    first = state(1, 0, FIRST_SLOTS) if level == 0 else JOURNAL.rewind_state()
    return perturbed(
        Origin(
            level=level,
            start=Start(first, JOURNAL.load(level)[1]),
            random=np.random.default_rng([seed, level]),
            journal=JOURNAL,
            plan=PLAN,
            method=find_method("magnitude"),
            evidence=lambda level: None,
            variant=Variant(),
            draw_weights=lambda seed: {},
        ),
        perturbation=factor,
    )


def vector(weights) -> np.ndarray:
    return np.concatenate([weights[name].ravel() for name in SHAPES]).astype(np.float64)


def step(level: int, factor: float = 1.0, seed: int = 0) -> np.ndarray:
    """Where the rewind point of a level is moved to, seen from where it was."""
    start = move(level, factor, seed)
    return vector(start.mask.apply(start.state.weights)) - vector(start.mask.apply(REWOUND))


def cosine(one: np.ndarray, two: np.ndarray) -> float:
    return one @ two / np.linalg.norm(one) / np.linalg.norm(two)


@pytest.mark.parametrize("level", range(LEVELS - 1))
@pytest.mark.parametrize("factor", [0.25, 1.0, 3.0])
def test_the_length_is_a_multiple_of_the_distance_to_the_next_rewind_point(level, factor):
    own, following = (JOURNAL.load(number)[1] for number in (level, level + 1))
    between = vector(own.apply(REWOUND)) - vector(following.apply(REWOUND))
    assert np.linalg.norm(step(level, factor)) == pytest.approx(
        factor * np.linalg.norm(between), rel=1e-6
    )


def test_all_lengths_lie_on_one_ray():
    near, far = step(2, 0.5), step(2, 4.0)
    # Weights are rounded to float32: by less than a millionth of the move.
    np.testing.assert_allclose(far, 8 * near, atol=1e-6 * np.linalg.norm(far))
    assert cosine(near, far) > 1 - 1e-12


def test_directions_of_other_seeds_and_levels_have_nothing_in_common():
    assert abs(cosine(step(1), step(1, seed=1))) < 0.1
    assert abs(cosine(step(1), step(2))) < 0.1


def test_the_direction_is_gaussian_over_what_remains():
    mask = JOURNAL.load(1)[1]
    remaining = step(1)[vector(mask) > 0]
    standard = remaining / remaining.std()
    assert abs(standard.mean()) < 4 / np.sqrt(remaining.size)
    assert np.mean(standard**4) == pytest.approx(3, abs=0.4)
    first, _, last = np.split(step(1), np.cumsum(list(SIZES.values()))[:-1])
    shares = [part[part != 0].std() for part in (first, last)]
    assert shares[0] == pytest.approx(shares[1], rel=0.2), "every layer's weights move as far"


def test_what_is_pruned_and_what_cannot_be_stays_as_it_was():
    start = move(2, 2.0)
    weights = start.state.weights
    for name in NOT_PRUNED:
        assert weights[name].tobytes() == REWOUND[name].tobytes()
    for name, array in start.mask.items():
        assert weights[name].dtype == np.float32
        np.testing.assert_array_equal(weights[name][~array], REWOUND[name][~array])
        assert not np.any(weights[name][array] == REWOUND[name][array])
        pruned = start.mask.apply(weights)[name][~array]
        assert not np.any(pruned)
        assert not np.any(np.signbit(pruned))


def test_level_0_goes_on_from_the_rewind_step_with_its_slots():
    start = move(0, 1e-30)
    assert start.state.step == 9
    assert start.state.optimizer is SLOTS
    assert start.rewind_optimizer
    for name, array in REWOUND.items():
        np.testing.assert_array_equal(start.state.weights[name], array)
    assert not move(1).rewind_optimizer


@pytest.mark.parametrize("level", range(LEVELS - 1))
def test_a_length_of_0_is_the_rewind_point_bit_for_bit(level):
    start = move(level, 0.0)
    assert start.state.step == 9
    assert start.rewind_optimizer == (level == 0)
    assert start.mask == JOURNAL.load(level)[1]
    for name, array in REWOUND.items():
        assert start.state.weights[name].tobytes() == array.tobytes()


def test_masks_that_are_not_nested_are_as_far_apart_as_the_weights_of_either():
    own = JOURNAL.load(2)[1]
    journal = MemoryJournal()
    journal.save_rewind_state(JOURNAL.rewind_state())
    other = Mask({name: np.roll(array, 1) for name, array in own.items()})
    journal.save(3, {}, other, {})
    start = Start(JOURNAL.rewind_state(), own)
    moved = perturbed(
        Origin(2, start, np.random.default_rng(0), journal, PLAN, None, None, Variant(), None)
    )
    between = vector(own.apply(REWOUND)) - vector(other.apply(REWOUND))
    length = np.linalg.norm(vector(moved.state.weights) - vector(REWOUND))
    assert length == pytest.approx(np.linalg.norm(between), rel=1e-6)


def test_the_last_level_has_nothing_to_measure_by():
    with pytest.raises(ValueError, match=r"level 3 needs level 4, which is not finished"):
        move(LEVELS - 1)
