"""Blocks of four consecutive inputs of a unit: exact masks, and what stays dense."""

import numpy as np
import pytest
import tf_keras as keras

from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import get_mask, prunable
from tf_lottery.pruning.model_plan import pruning_plan
from tf_lottery.pruning.scores.magnitudes import magnitude
from tf_lottery.pruning.structures import has_blocks, keep_highest_blocks

layers = keras.layers

DENSE, TRANSPOSED, WHOLE = (-1,), (-2,), ()


def ones(*arrays: np.ndarray) -> list[np.ndarray]:
    return [np.ones(array.shape, bool) for array in arrays]


def blocks_kept(mask: np.ndarray) -> np.ndarray:
    """True for each block `[blocks, units]` that remains; fails where only a part of one does."""
    inputs, units = mask.shape
    fours = np.array(
        [[mask[at : at + 4, unit] for unit in range(units)] for at in range(0, inputs, 4)]
    )
    np.testing.assert_array_equal(fours.any(axis=2), fours.all(axis=2))
    return fours.all(axis=2)


@pytest.mark.parametrize(
    ("shape", "axes", "blocks"),
    [
        ((8, 6), DENSE, True),
        ((8, 6), (1,), True),
        ((4, 1), DENSE, True),
        ((9, 4), DENSE, False),
        ((3, 8), DENSE, False),
        ((8, 8), TRANSPOSED, False),
        ((8, 8), WHOLE, False),
        ((4, 8, 4), DENSE, False),
        ((4, 4, 8, 4), DENSE, False),
    ],
)
def test_dense_kernels_of_a_multiple_of_four_inputs_have_blocks(
    shape: tuple[int, ...], axes: tuple[int, ...], blocks: bool
):
    assert has_blocks(shape, axes) is blocks


def test_the_block_of_lowest_norm_is_removed():
    scores = np.array([[0, 3, 1], [0, 0, 1], [0, 0, 1], [3, 0, 1], *[[1, 2, 2]] * 4], float)
    (kept,) = keep_highest_blocks([scores], ones(scores), 12, [DENSE])
    # Mean squares of 2.25 are above those of 1, although the sums of absolute scores are not.
    assert blocks_kept(kept).tolist() == [[True, False, False], [False, True, True]]


def test_a_negative_score_lowers_a_block():
    scores = np.array([[-9.0, 1.0], [2.0, 1.0], [2.0, 1.0], [2.0, 1.0]])
    (kept,) = keep_highest_blocks([scores], ones(scores), 4, [DENSE])
    assert blocks_kept(kept).tolist() == [[False, True]]


def test_first_of_equal_blocks_remain():
    equal = [np.ones((8, 2)), np.ones((4, 2))]
    kept = keep_highest_blocks(equal, ones(*equal), 16, [DENSE, DENSE])
    assert blocks_kept(kept[0]).tolist() == [[True, True], [True, False]]
    assert blocks_kept(kept[1]).tolist() == [[True, False]]


def test_only_surviving_scores_of_a_block_count():
    scores = np.array([[np.nan, 2.0, 9.0], [3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    mask = np.ones((4, 3), bool)
    mask[0, (0, 2)] = False
    (kept,) = keep_highest_blocks([scores], [mask], 7, [DENSE])
    assert kept.tolist() == [[False, True, False], *[[True, True, False]] * 3]


def test_nan_of_a_surviving_weight_is_an_error():
    scores = np.ones((4, 2))
    scores[2, 1] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        keep_highest_blocks([scores], ones(scores), 4, [DENSE])


@pytest.mark.parametrize(("count", "left"), [(12, 12), (10, 12), (9, 8), (1, 4), (0, 4)])
def test_the_number_of_weights_is_the_nearest_and_a_block_of_each_array_remains(
    count: int, left: int
):
    scores = np.arange(16.0).reshape(8, 2)
    (kept,) = keep_highest_blocks([scores], ones(scores), count, [DENSE])
    assert np.count_nonzero(kept) == left


@pytest.mark.parametrize(("shape", "axes"), [((6, 5), DENSE), ((8, 5), WHOLE), ((4, 4, 4), DENSE)])
def test_arrays_without_blocks_keep_their_masks(shape: tuple[int, ...], axes: tuple[int, ...]):
    low, high = np.zeros(shape), np.ones((8, 2))
    old = np.random.default_rng(0).random(shape) < 0.7
    kept = keep_highest_blocks([low, high], [old, np.ones((8, 2), bool)], 1, [axes, DENSE])
    np.testing.assert_array_equal(kept[0], old)
    assert np.count_nonzero(kept[1]) == 4


@pytest.mark.parametrize("seed", range(3))
def test_masks_of_successive_levels_are_nested_whole_and_lowest_first(seed: int):
    rng = np.random.default_rng(seed)
    shapes = [(784, 30), (32, 20), (20, 3)]
    masks = [np.ones(shape, bool) for shape in shapes]
    total = sum(mask.size for mask in masks)
    for level in range(1, 10):
        scores = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
        count = round(total * 0.7**level)
        kept = keep_highest_blocks(scores, masks, count, [DENSE] * 3)
        assert abs(sum(int(mask.sum()) for mask in kept) - count) <= 2
        remain, gone = [], []
        for score, new, old in zip(scores, kept, masks, strict=True):
            assert not (new & ~old).any()
            squares = (score * np.abs(score)).astype(np.float64)
            values = squares.reshape(-1, 4, score.shape[1]).mean(axis=1)
            # The highest block of each array remains whatever those of other arrays are.
            remain.append(np.sort(values[blocks_kept(new)])[1:-1])
            gone.append(values[blocks_kept(old) & ~blocks_kept(new)])
        assert np.concatenate(gone).max() < np.concatenate(remain).min()
        masks = kept


def mixed_network() -> keras.Model:
    return keras.Sequential(
        [
            layers.Conv1D(6, 3, input_shape=(8, 4), name="convolution"),
            layers.LSTM(10, name="recurrent"),
            layers.Dense(16, name="of_ten_inputs"),
            layers.Dense(12, name="hidden"),
            layers.Dense(3, name="output"),
        ]
    )


@pytest.mark.parametrize("scope", ["global", pytest.param("layerwise", marks=pytest.mark.slow)])
def test_other_weights_stay_dense_and_the_rate_is_that_of_the_blocks(scope: str):
    model = prunable(mixed_network())
    plan = pruning_plan(model, 0.5, scope, "1x4")
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(size=array.shape) for name, array in get_mask(model).items()}
    mask = get_mask(model)
    blocked = ["hidden/kernel", "output/kernel"]
    total = sum(mask[name].size for name in blocked)
    for level in (1, 2):
        new = plan.prune(magnitude(weights, mask), mask, level)
        left = [np.count_nonzero(new[name]) for name in blocked]
        assert sum(left) == pytest.approx(total * 0.5**level, abs=4)
        if scope == "layerwise":
            assert left == pytest.approx([192 * 0.5**level, 36 * 0.5**level], abs=2)
        for name, array in new.items():
            assert not (array & ~mask[name]).any()
            assert array.all() or name in blocked
        for name in blocked:
            blocks_kept(new[name])
        mask = new


def test_layers_have_rates_of_their_own():
    model = prunable(mixed_network(), pruning_rates={"output": 0.0, "hidden": 0.75})
    mask = get_mask(model)
    pruned = pruning_plan(model, 0.5, "global", "1x4").prune(
        {name: np.ones(array.shape) for name, array in mask.items()}, mask, 1
    )
    assert pruned["output/kernel"].all()
    assert pruned["hidden/kernel"].mean() == 0.25


def test_a_target_density_counts_what_stays_dense():
    model = prunable(mixed_network())
    plan = pruning_plan(model, 0.5, "global", "1x4")
    total = get_mask(model).total
    dense = total - 192 - 36
    planned, levels = plan.ending_at((dense + 60) / total)
    assert (levels, planned.remaining(levels)) == (2, dense + 60)
    with pytest.raises(ValueError, match="layers of pruning rate 0"):
        plan.ending_at(0.9 * dense / total)


def test_levels_that_would_leave_less_than_a_block_of_each_layer_are_refused():
    model = prunable(keras.Sequential([layers.Dense(4, input_shape=(8,)), layers.Dense(2)]))
    plan = pruning_plan(model, 0.5, "global", "1x4")
    plan.check(2)
    with pytest.raises(ValueError, match=r"only 5 of the 40.*a block of each has 8.*at most 2"):
        plan.check(3)


def test_networks_without_blocks_are_refused():
    model = prunable(
        keras.Sequential(
            [layers.Conv1D(4, 4, input_shape=(5, 4)), layers.Dense(2), layers.Flatten()]
        )
    )
    pruning_plan(model, 0.5, "global", "1x4")
    model = prunable(keras.Sequential([layers.Dense(8, input_shape=(6,))]))
    with pytest.raises(ValueError, match=r"structure='1x4'.*no Dense kernel.*inputs 4 divides"):
        pruning_plan(model, 0.5, "global", "1x4")


def test_scores_and_masks_given_are_not_touched():
    scores, mask = np.arange(16.0).reshape(8, 2), np.ones((8, 2), bool)
    mask.setflags(write=False)
    keep_highest_blocks([scores], [mask], 4, [DENSE])
    assert mask.all()
    assert Mask({"kernel": mask}).remaining == 16
