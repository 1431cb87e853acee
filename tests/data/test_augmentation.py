"""Augmentation against a loop over pixels, and draws that belong to positions in the epoch."""

import numpy as np
import pytest
import tensorflow as tf

from tf_lottery.data import Augmentation, Epoch, epoch_order

EPOCH = Epoch(3, 1, 2)
SHAPE = (6, 9, 3)
FILL = (10.0, 20.0, 30.0)
ALL = Augmentation(shift=2, flip=True, cutout=3)
KINDS = [
    ALL,
    Augmentation(shift=6),
    Augmentation(flip=True),
    Augmentation(cutout=4),
    Augmentation(cutout=1),
    Augmentation(shift=1, cutout=6),
]


def images(examples, dtype):
    pixels = np.random.default_rng(0).integers(0, 256, (examples, *SHAPE))
    return pixels.astype(dtype)


def changed_by_loop(augmentation, image, draws, fill):
    height, width, _ = image.shape
    draws, fill = list(draws), np.array(fill).astype(image.dtype)
    down, right = (draws.pop(0), draws.pop(0)) if augmentation.shift else (0, 0)
    padding = augmentation.shift
    padded = np.empty((height + 2 * padding, width + 2 * padding, 3), image.dtype)
    padded[:] = fill
    padded[padding : padding + height, padding : padding + width] = image
    result = padded[down : down + height, right : right + width].copy()
    if augmentation.flip and draws.pop(0):
        result = result[:, ::-1].copy()
    if augmentation.cutout:
        side = augmentation.cutout
        top, left = draws.pop(0) - side // 2, draws.pop(0) - side // 2
        result[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)] = fill
    assert not draws
    return result


@pytest.mark.parametrize(
    ("dtype", "jit_compile"),
    [
        (np.uint8, False),
        pytest.param(np.uint8, True, marks=pytest.mark.slow),
        pytest.param(np.float32, False, marks=pytest.mark.slow),
        (np.float32, True),
    ],
)
@pytest.mark.parametrize("augmentation", KINDS, ids=str)
def test_batches_are_changed_as_a_loop_over_images_does(augmentation, dtype, jit_compile):
    batch = images(40, dtype)
    draws = augmentation.draw(EPOCH, 40, SHAPE)
    apply = tf.function(lambda x, d: augmentation.apply(x, d, FILL), jit_compile=jit_compile)
    result = apply(tf.constant(batch), tf.constant(draws)).numpy()
    assert result.dtype == dtype
    expected = [
        changed_by_loop(augmentation, *each, FILL) for each in zip(batch, draws, strict=True)
    ]
    np.testing.assert_array_equal(result, expected)
    assert not np.array_equal(result, batch)


def test_fill_is_rounded_for_whole_numbers_only():
    augmentation, draws = Augmentation(cutout=1), np.array([[0, 0]], np.int32)
    fill = (1.4, 1.6, 254.9)
    for dtype, expected in ((np.uint8, (1, 2, 255)), (np.float32, np.float32(fill))):
        result = augmentation.apply(tf.constant(images(1, dtype)), draws, fill)
        np.testing.assert_array_equal(result[0, 0, 0], expected)


def test_nothing_is_drawn_or_changed_without_augmentation():
    nothing = Augmentation()
    draws = nothing.draw(EPOCH, 7, (784,))
    assert (nothing.columns, draws.shape, draws.dtype) == (0, (7, 0), np.int32)
    batch = tf.constant(images(7, np.uint8))
    np.testing.assert_array_equal(nothing.apply(batch, draws, FILL), batch)


def test_draws_reach_all_values_evenly():
    draws = ALL.draw(EPOCH, 20_000, SHAPE)
    assert draws.dtype == np.int32
    for column, bound in zip(draws.T, (5, 5, 2, 6, 9), strict=True):
        counts = np.bincount(column, minlength=bound)
        assert len(counts) == bound
        np.testing.assert_allclose(counts / 20_000, 1 / bound, atol=0.015)


def test_draws_belong_to_position_and_epoch_alone():
    draws = ALL.draw(EPOCH, 100, SHAPE)
    np.random.default_rng(3).random(5)
    np.testing.assert_array_equal(ALL.draw(EPOCH, 60, SHAPE), draws[:60])
    others = [Epoch(4, 1, 2), Epoch(3, 2, 2), Epoch(3, 1, 3), Epoch(3, 2, 1)]
    for other in others:
        assert (ALL.draw(other, 100, SHAPE) == draws).mean() < 0.5


def test_draws_are_the_same_in_every_installation():
    assert ALL.draw(Epoch(7, 1, 2), 3, SHAPE).tolist() == [
        [4, 1, 1, 1, 5],
        [2, 3, 1, 0, 1],
        [4, 0, 0, 2, 8],
    ]


def test_draws_do_not_follow_the_order():
    examples = 4096
    bits = Augmentation(flip=True).draw(EPOCH, examples, SHAPE)[:, 0]
    first_half = epoch_order(EPOCH, examples) < examples // 2
    assert abs((bits == first_half).mean() - 0.5) < 0.05


@pytest.mark.parametrize(
    ("augmentation", "shape", "message"),
    [
        (Augmentation(shift=1), (784,), r"--shift_crop=1 needs images.*\(784,\)"),
        (Augmentation(flip=True), (784,), r"--random_flip=True needs images.*\(784,\)"),
        (Augmentation(cutout=2), (784,), r"--cutout=2 needs images.*\(784,\)"),
        (Augmentation(shift=7), SHAPE, "--shift_crop=7 is larger than .* 6x9 .*at most 6"),
        (Augmentation(cutout=7), SHAPE, "--cutout=7 is larger than .* 6x9 .*at most 6"),
    ],
)
def test_images_that_do_not_fit(augmentation, shape, message):
    with pytest.raises(ValueError, match=message):
        augmentation.draw(EPOCH, 5, shape)


@pytest.mark.parametrize("flag", ["shift_crop", "cutout"])
def test_negative_sizes(flag):
    with pytest.raises(ValueError, match=f"--{flag}=-1 "):
        Augmentation(**{flag.removesuffix("_crop"): -1})
