"""Random masks with as many weights, units, blocks or 2:4 patterns."""

import numpy as np
import pytest

from tf_lottery.masking.masks import Mask
from tf_lottery.pruning.plan import PruningPlan
from tf_lottery.pruning.structures import keep_n_of_m, shuffled

DENSE, TRANSPOSED, DEPTHWISE = (-1,), (-2,), (-2, -1)


def dice(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((6, 40), DENSE), ((3, 3, 40, 5), TRANSPOSED), ((3, 3, 8, 5), DEPTHWISE)],
)
def test_as_many_whole_units_remain(shape: tuple[int, ...], axes: tuple[int, ...]):
    others = tuple(axis for axis in range(len(shape)) if axis - len(shape) not in axes)
    units = np.arange(np.prod([shape[axis] for axis in axes])) < 15
    one_of_each = [1 if axis in others else size for axis, size in enumerate(shape)]
    mask = np.broadcast_to(units.reshape(one_of_each), shape)
    drawn = shuffled(mask, "units", axes, dice())
    np.testing.assert_array_equal(drawn.any(others), drawn.all(others))
    assert drawn.shape == mask.shape
    assert drawn.all(others).sum() == 15
    assert (drawn != mask).any()


def test_as_many_whole_blocks_remain():
    blocks = dice(1).random((10, 6)) < 0.3
    mask = np.repeat(blocks, 4, axis=0)
    drawn = shuffled(mask, "1x4", DENSE, dice()).reshape(10, 4, 6)
    np.testing.assert_array_equal(drawn.any(axis=1), drawn.all(axis=1))
    assert drawn.all(axis=1).sum() == blocks.sum()
    assert (drawn.all(axis=1) != blocks).any()


def test_two_of_every_four_remain():
    scores = dice(1).random((8, 6))
    (mask,) = keep_n_of_m([scores], [np.ones((8, 6), bool)], [DENSE])
    drawn = shuffled(mask, "2:4", DENSE, dice())
    assert (drawn.reshape(2, 4, 6).sum(axis=1) == 2).all()
    assert (drawn != mask).any()


@pytest.mark.parametrize(
    ("structure", "axes"), [("units", ()), ("1x4", TRANSPOSED), ("2:4", TRANSPOSED)]
)
def test_arrays_without_such_pieces_keep_their_mask(structure: str, axes: tuple[int, ...]):
    mask = dice(1).random((8, 6)) < 0.5
    np.testing.assert_array_equal(shuffled(mask, structure, axes, dice()), mask)


def test_what_is_not_pruned_stays_whole_in_two_of_four():
    assert shuffled(np.ones((8, 6), bool), "2:4", DENSE, dice()).all()


def test_a_plan_draws_by_the_axes_of_each_array_and_by_the_seed():
    plan = PruningPlan.build(
        {"a": 24, "b": 24}, {"a": 0.5, "b": 0.5}, "global", "units", {"a": DENSE, "b": (-2,)}
    )
    columns = np.zeros((4, 6), bool)
    columns[:, :3] = True
    rows = np.zeros((6, 4), bool)
    rows[:2] = True
    mask = Mask({"a": columns, "b": rows})
    drawn = [plan.shuffled(mask, dice(seed)) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    for one in drawn:
        assert one["a"].all(axis=0).sum() == 3
        assert one["b"].all(axis=1).sum() == 2
        assert one.remaining == mask.remaining
