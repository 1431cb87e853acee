"""Whole units and n:m groups: exact masks, and the axes and outputs of models."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from tensorflow_model_optimization.python.core.sparsity.keras.pruning_utils import is_pruned_m_by_n

from tf_lottery.masking.layers import model_variables
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import get_mask, prunable, set_mask
from tf_lottery.masking.units import output_kernels, unit_axes
from tf_lottery.pruning.structures import has_n_of_m_groups, keep_highest_units, keep_n_of_m

layers = keras.layers

DENSE, TRANSPOSED, DEPTHWISE, WHOLE = (-1,), (-2,), (-2, -1), ()


def ones(*arrays: np.ndarray) -> list[np.ndarray]:
    return [np.ones(array.shape, bool) for array in arrays]


def units_kept(mask: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """True for each unit that remains; fails where only a part of one does."""
    others = tuple(axis for axis in range(mask.ndim) if axis - mask.ndim not in axes)
    np.testing.assert_array_equal(mask.any(others), mask.all(others))
    return mask.all(others)


def remaining(masks: list[np.ndarray]) -> int:
    return sum(int(mask.sum()) for mask in masks)


def random_network(rng: np.random.Generator) -> tuple[list[np.ndarray], list[tuple[int, ...]]]:
    """Arrays of scores with ties and negative ones, larger than the pieces they are read in."""
    axes = [DENSE, DENSE, DEPTHWISE, TRANSPOSED, WHOLE, DENSE]
    shapes = [(7, 9), (3, 3, 4, 8), (3, 3, 4, 2), (2, 2, 6, 5), (4, 3), (300, 250)]
    scores = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    scores[0] = np.round(scores[0])
    scores[0][:, 3] = scores[0][:, 5]
    return scores, axes


def test_the_units_of_lowest_norm_are_removed():
    scores = np.array([[1.0, 3.0, 0.0, 2.0], [2.0, 3.0, 1.0, 2.0]])
    (kept,) = keep_highest_units([scores], ones(scores), 4, [DENSE])
    assert kept.tolist() == [[False, True, False, True]] * 2


def test_squares_count_not_absolute_values():
    scores = np.array([[3.0, 2.0], [0.0, 2.0]])
    (kept,) = keep_highest_units([scores], ones(scores), 2, [DENSE])
    assert kept.tolist() == [[True, False]] * 2


def test_units_of_all_sizes_compete_by_the_mean_of_their_weights():
    wide, narrow = np.full((100, 2), 0.5), np.full((2, 2), 1.0)
    wide[:, 0] = 2.0
    kept = keep_highest_units([wide, narrow], ones(wide, narrow), 104, [DENSE, DENSE])
    assert units_kept(kept[0], DENSE).tolist() == [True, False]
    assert kept[1].all()


def test_a_negative_score_lowers_a_unit():
    scores = np.array([[-5.0, 1.0], [1.0, 1.0]])
    (kept,) = keep_highest_units([scores], ones(scores), 2, [DENSE])
    assert kept.tolist() == [[False, True]] * 2


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        (DENSE, [[[True, False], [True, False]], [[True, False], [True, False]]]),
        (TRANSPOSED, [[[False, False], [True, True]], [[False, False], [True, True]]]),
        ((0,), [[[True, True], [True, True]], [[False, False], [False, False]]]),
    ],
)
def test_units_lie_along_their_axes(axes: tuple[int, ...], expected: list):
    scores = np.array([[[5.0, 1.0], [6.0, 2.0]], [[3.0, 0.0], [4.0, 0.0]]])
    (kept,) = keep_highest_units([scores], ones(scores), 4, [axes])
    assert kept.tolist() == expected


def test_a_depthwise_unit_is_a_channel_and_a_multiplier():
    scores = np.arange(6.0).reshape(1, 1, 3, 2) * np.ones((2, 2, 1, 1))
    (kept,) = keep_highest_units([scores], ones(scores), 12, [DEPTHWISE])
    assert units_kept(kept, DEPTHWISE).tolist() == [[False, False], [False, True], [True, True]]


@pytest.mark.parametrize(("count", "left"), [(12, 12), (11, 12), (10, 12), (9, 8), (8, 8), (7, 8)])
def test_the_number_of_weights_is_the_nearest_and_the_higher_of_two(count: int, left: int):
    scores = np.arange(12.0).reshape(3, 4).T.copy()
    assert remaining(keep_highest_units([scores], ones(scores), count, [DENSE])) == left


def test_the_highest_unit_of_every_array_remains():
    low, high = np.full((3, 4), 0.1), np.full((3, 4), 9.0)
    low[:, 2] = 0.2
    for count in (0, 1, 6):
        kept = keep_highest_units([low, high], ones(low, high), count, [DENSE, DENSE])
        assert units_kept(kept[0], DENSE).tolist() == [False, False, True, False]
        assert units_kept(kept[1], DENSE).tolist() == [True, False, False, False]


def test_an_array_without_unit_axes_stays_as_it_is():
    scores = [np.zeros((2, 3)), np.ones((2, 3))]
    output = np.array([[True, False, True], [True, True, True]])
    kept = keep_highest_units(scores, [output, np.ones((2, 3), bool)], 1, [WHOLE, DENSE])
    np.testing.assert_array_equal(kept[0], output)
    assert units_kept(kept[1], DENSE).tolist() == [True, False, False]


def test_first_of_equal_units_remain():
    equal = [np.ones((2, 3)), np.ones((2, 3))]
    kept = keep_highest_units(equal, ones(*equal), 8, [DENSE, DENSE])
    assert kept[0].all()
    assert units_kept(kept[1], DENSE).tolist() == [True, False, False]


def test_only_surviving_scores_count():
    scores = np.array([[np.nan, 2.0, 3.0], [1.0, 2.0, 3.0]])
    mask = np.array([[False, True, True], [True, True, True]])
    (kept,) = keep_highest_units([scores], [mask], 4, [DENSE])
    assert kept.tolist() == [[False, True, True]] * 2


def test_nan_of_a_surviving_unit_is_an_error():
    scores = np.array([[1.0, np.nan], [1.0, 1.0]])
    with pytest.raises(ValueError, match="NaN"):
        keep_highest_units([scores], ones(scores), 2, [DENSE])


def test_nothing_is_removed_where_fewer_weights_than_the_count_are_left():
    scores, mask = np.arange(6.0).reshape(2, 3), np.array([[True, False, True]] * 2)
    (kept,) = keep_highest_units([scores], [mask], 5, [DENSE])
    np.testing.assert_array_equal(kept, mask)


def test_levels_closer_than_a_unit_remove_units_when_it_is_their_turn():
    scores = np.arange(40.0).reshape(10, 4)
    masks, left = ones(scores), []
    for level in range(1, 9):
        masks = keep_highest_units([scores], masks, round(40 * 0.9**level), [DENSE])
        left.append(remaining(masks))
    assert left == [40, 30, 30, 30, 20, 20, 20, 20]


def test_arguments_are_not_touched():
    scores, masks = [np.arange(6.0).reshape(2, 3)], [np.ones((2, 3), bool)]
    masks[0].setflags(write=False)
    keep_highest_units(scores, masks, 2, [DENSE])
    assert masks[0].all()
    assert scores[0].ravel().tolist() == [0, 1, 2, 3, 4, 5]


def one_unit_at_a_time(
    scores: list[np.ndarray], count: int, unit_axes: list[tuple[int, ...]]
) -> list[np.ndarray]:
    """Removes the lowest unit, the last of equal ones, while that brings `count` nearer."""
    masks = ones(*scores)
    units = []
    for array, axes in enumerate(unit_axes):
        shape = scores[array].shape
        for unit in np.ndindex(*(shape[axis] for axis in axes)):
            index = [slice(None)] * len(shape)
            for axis, position in zip(axes, unit, strict=True):
                index[axis] = position
            weights = scores[array][tuple(index)].astype(np.float64)
            value = np.mean(weights * np.abs(weights))
            units.append((value, -len(units), array, tuple(index), weights.size))
    alive = [sum(unit[2] == array for unit in units) for array in range(len(masks))]
    for _, _, array, index, size in sorted(units):
        if alive[array] == 1:
            continue
        left = remaining(masks)
        if abs(left - size - count) >= abs(left - count):
            break
        masks[array][index] = False
        alive[array] -= 1
    return masks


@pytest.mark.parametrize("seed", range(5))
def test_against_removing_one_unit_at_a_time(seed: int):
    scores, axes = random_network(np.random.default_rng(seed))
    total = sum(array.size for array in scores)
    for fraction in (1.0, 0.999, 0.9, 0.5, 0.1, 0.0):
        count = round(total * fraction)
        kept = keep_highest_units(scores, ones(*scores), count, axes)
        for ours, theirs in zip(kept, one_unit_at_a_time(scores, count, axes), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("seed", range(5))
def test_masks_of_successive_levels_are_nested_whole_and_near_the_counts(seed: int):
    rng = np.random.default_rng(seed)
    scores, axes = random_network(rng)
    masks = ones(*scores)
    total, largest_unit = remaining(masks), 300
    for level in range(1, 12):
        scores = [rng.random(array.shape, np.float32) for array in scores]
        count = round(total * 0.7**level)
        kept = keep_highest_units(scores, masks, count, axes)
        assert abs(remaining(kept) - count) <= largest_unit
        for new, old, unit in zip(kept, masks, axes, strict=True):
            assert not (new & ~old).any()
            assert units_kept(new, unit).any()
        masks = kept


@pytest.mark.parametrize(
    ("shape", "axes", "groups"),
    [
        ((8, 6), DENSE, True),
        ((3, 3, 8, 4), DENSE, True),
        ((3, 3, 8, 4), (3,), True),
        ((3, 8, 4), DENSE, False),
        ((3, 3, 3, 8, 4), DENSE, False),
        ((3, 3, 8, 4), TRANSPOSED, False),
        ((3, 3, 8, 1), DEPTHWISE, False),
        ((8, 6), WHOLE, False),
    ],
)
def test_dense_and_conv2d_kernels_have_groups(
    shape: tuple[int, ...], axes: tuple[int, ...], groups: bool
):
    assert has_n_of_m_groups(shape, axes) is groups


def sorted_groups(scores: np.ndarray, n: int, m: int) -> np.ndarray:
    """The first `n` of each group of `m` along the second to last axis, in falling order."""
    kept = np.zeros(scores.shape, bool)
    rows, kept_rows = np.moveaxis(scores, -2, -1), np.moveaxis(kept, -2, -1)
    for index in np.ndindex(rows.shape[:-1]):
        for start in range(0, rows.shape[-1], m):
            order = np.argsort(-rows[index][start : start + m], kind="stable")
            kept_rows[index][start + order[:n]] = True
    return kept


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 4), (1, 2)])
@pytest.mark.parametrize(
    "shape",
    [(8, 6), (4, 1), (6, 5), (7, 3), (1, 3), (3, 3, 8, 4), (3, 3, 6, 4), (1, 1, 5, 2)],
)
def test_groups_along_the_inputs_keep_their_highest(
    shape: tuple[int, ...], n: int, m: int, signed: bool
):
    rng = np.random.default_rng(0)
    for scores in (rng.normal(size=shape), rng.integers(-2, 3, shape).astype(np.float32)):
        scores = scores if signed else np.abs(scores)
        (kept,) = keep_n_of_m([scores], ones(scores), [DENSE], n, m)
        np.testing.assert_array_equal(kept, sorted_groups(scores, n, m))
        weights = tf.constant(np.where(kept, 1.0, 0.0))
        assert is_pruned_m_by_n(weights, (m - n, m), last_channel="C_OUT")


def test_two_of_four_inputs_of_every_unit():
    scores = np.arange(8.0)[:, None] * np.array([[1.0, -1.0]])
    (kept,) = keep_n_of_m([scores], ones(scores), [DENSE])
    first, second = kept.T.astype(int).tolist()
    assert first == [0, 0, 1, 1, 0, 0, 1, 1]
    assert second == [1, 1, 0, 0, 1, 1, 0, 0]


def test_scores_of_any_size_keep_their_order():
    scores = np.array([[1e20], [-np.inf], [1.0], [2.0], [-1e20], [-1.0], [1e-45], [0.0]])
    (kept,) = keep_n_of_m([scores], ones(scores), [DENSE])
    assert kept.ravel().astype(int).tolist() == [1, 0, 0, 1, 0, 0, 1, 1]


def test_half_of_divisible_kernels_remains_and_others_stay():
    rng = np.random.default_rng(0)
    scores = [rng.random(s) for s in ((8, 6), (3, 3, 8, 4), (3, 3, 8, 1), (3, 8, 4))]
    kept = keep_n_of_m(scores, ones(*scores), [DENSE, DENSE, DEPTHWISE, DENSE])
    assert [float(mask.mean()) for mask in kept] == [0.5, 0.5, 1.0, 1.0]


def test_groups_of_a_sparse_network_are_refused():
    mask = np.ones((8, 6), bool)
    mask[0, 0] = False
    with pytest.raises(ValueError, match=r"2:4.*dense.*\(8, 6\).*47.*level 1"):
        keep_n_of_m([np.ones((8, 6))], [mask], [DENSE])


def test_nan_in_a_group_is_an_error():
    with pytest.raises(ValueError, match="NaN"):
        keep_n_of_m([np.full((8, 6), np.nan)], [np.ones((8, 6), bool)], [DENSE])


def convolutions() -> keras.Model:
    return keras.Sequential(
        [
            layers.SeparableConv2D(4, 3, input_shape=(9, 9, 2), name="separable"),
            layers.DepthwiseConv2D(3, name="depthwise"),
            layers.Conv2DTranspose(3, 2, strides=2, name="transpose"),
            layers.BatchNormalization(),
            layers.Conv2D(4, 3, activation="relu", name="plain"),
            layers.Flatten(),
            layers.Dense(3, name="output"),
            layers.Softmax(),
        ]
    )


def test_unit_axes_of_every_kind_of_kernel():
    model = prunable(convolutions())
    axes = unit_axes(model)
    assert axes == {
        "separable/depthwise_kernel": (-2, -1),
        "separable/pointwise_kernel": (-1,),
        "depthwise/depthwise_kernel": (-2, -1),
        "transpose/kernel": (-2,),
        "plain/kernel": (-1,),
        "output/kernel": (-1,),
    }
    assert list(axes) == list(get_mask(model))


def test_unit_axes_of_convolutions_over_one_and_three_dimensions():
    one = keras.Sequential(
        [
            layers.Conv1D(4, 3, input_shape=(12, 2), name="plain"),
            layers.DepthwiseConv1D(3, name="depthwise"),
            layers.Conv1DTranspose(2, 3, name="transpose"),
        ]
    )
    three = keras.Sequential(
        [
            layers.Conv3D(2, 2, input_shape=(4, 4, 4, 1), name="plain"),
            layers.Conv3DTranspose(2, 2, name="transpose"),
        ]
    )
    assert list(unit_axes(prunable(one)).values()) == [(-1,), (-2, -1), (-2,)]
    assert list(unit_axes(prunable(three)).values()) == [(-1,), (-2,)]


@pytest.mark.parametrize("name", ["transpose/kernel", "depthwise/depthwise_kernel"])
def test_a_unit_silences_one_channel_of_its_layer(name: str):
    """The axes are the layer's: without a unit's weights its output is the bias, zero."""
    model = prunable(convolutions())
    layer = name.split("/")[0]
    mask = {key: np.array(array) for key, array in get_mask(model).items()}
    axes = unit_axes(model)[name]
    index = [slice(None)] * 4
    index[axes[0]] = 1
    mask[name][tuple(index)] = False
    set_mask(model, Mask(mask))
    probe = keras.Model(model.input, model.get_layer(layer).output)
    images = np.random.default_rng(0).normal(size=(2, 9, 9, 2)).astype(np.float32)
    outputs = probe(images).numpy()
    assert np.flatnonzero(~outputs.any((0, 1, 2))).tolist() == [1]


def residual() -> keras.Model:
    image = keras.Input((8, 8, 2))
    x = layers.Conv2D(4, 3, padding="same", name="stem")(image)
    y = layers.Conv2D(4, 3, padding="same", name="branch")(x)
    x = layers.Add()([layers.Conv2D(4, 1, name="shortcut")(x), y])
    return keras.Model(image, layers.ReLU()(layers.BatchNormalization()(x)))


def nested() -> keras.Model:
    head = keras.Sequential([layers.Dense(5, input_shape=(6,), name="dense")], name="head")
    scale = keras.Sequential([layers.ReLU(input_shape=(5,))], name="scale")
    x = keras.Input((6,))
    return keras.Model(x, tf.nn.softmax(scale(head(layers.Dense(6, name="first")(x)))))


def several_outputs() -> keras.Model:
    x = keras.Input((6,))
    first = layers.Dense(5, name="first")(x)
    hidden = layers.Dense(5, name="hidden")(first)
    return keras.Model(x, {"a": layers.Dense(2, name="a")(hidden), "code": hidden})


def shared_by_output() -> keras.Model:
    x = keras.Input((6,))
    square = layers.Dense(6, name="square")
    return keras.Model(x, square(layers.ReLU()(square(layers.Dense(6, name="first")(x)))))


def depthwise_last() -> keras.Model:
    return keras.Sequential(
        [
            layers.Conv2D(4, 3, input_shape=(9, 9, 2), name="first"),
            layers.SeparableConv2D(4, 3, name="separable"),
            layers.DepthwiseConv2D(3, name="depthwise"),
        ]
    )


@pytest.mark.parametrize(
    ("build", "kernels"),
    [
        (convolutions, {"output/kernel"}),
        (residual, {"branch/kernel", "shortcut/kernel"}),
        (nested, {"head/dense/kernel"}),
        (several_outputs, {"a/kernel", "hidden/kernel"}),
        (shared_by_output, {"square/kernel"}),
        (depthwise_last, {"separable/pointwise_kernel", "depthwise/depthwise_kernel"}),
    ],
)
def test_the_last_kernels_before_the_outputs(build, kernels: set[str]):
    assert output_kernels(prunable(build())) == kernels


def test_behind_an_output_layer_that_is_not_pruned_all_units_are_hidden():
    model = prunable(several_outputs(), exclude=["a", "hidden"])
    assert output_kernels(model) == set()
    assert set(unit_axes(model)) == {"first/kernel"}


def test_unit_axes_and_outputs_of_replicated_models(mirrored: tf.distribute.Strategy):
    with mirrored.scope():
        model = prunable(convolutions())
    assert unit_axes(model) == unit_axes(prunable(convolutions()))
    assert output_kernels(model) == {"output/kernel"}


@pytest.mark.slow
def test_removed_units_stay_removed_in_training():
    keras.utils.set_random_seed(0)
    model = prunable(convolutions())
    axes, outputs = unit_axes(model), output_kernels(model)
    before = {name: model_variables(model)[name].numpy() for name in axes}
    hidden = [name for name in axes if name not in outputs]
    scores = [np.abs(before[name]) for name in hidden]
    count = round(0.6 * sum(array.size for array in scores))
    kept = keep_highest_units(scores, ones(*scores), count, [axes[name] for name in hidden])
    mask = Mask({**get_mask(model), **dict(zip(hidden, kept, strict=True))})
    assert not all(mask[name].all() for name in hidden)
    set_mask(model, mask)

    rng = np.random.default_rng(0)
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    images = rng.normal(size=(16, 9, 9, 2)).astype(np.float32)
    model.fit(images, np.arange(16) % 3, batch_size=4, epochs=1, verbose=0)
    assert get_mask(model) == mask
    trained = {name: model_variables(model)[name].numpy() for name in mask}
    for name, array in mask.items():
        assert not trained[name][~array].any()
        assert (trained[name] != before[name])[array].any()
