"""Arrays become a checked data set, or an error that says which value is wrong."""

import numpy as np
import pytest

from tf_lottery.data import from_arrays


def images(examples, shape=(4, 3, 2), dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (examples, *shape)).astype(dtype)


def labels(examples, classes=3):
    return np.arange(examples) % classes


def test_pixels_and_labels_are_kept():
    x, y = images(7), labels(7)
    data = from_arrays((x, y), (x[:3], y[:3]))
    np.testing.assert_array_equal(data.train.images, x)
    np.testing.assert_array_equal(data.train.labels, y)
    assert (len(data.train), len(data.test), data.validation) == (7, 3, None)
    assert (data.train.images.dtype, data.train.labels.dtype) == (np.uint8, np.int32)
    assert (data.classes, data.input_shape) == (3, (4, 3, 2))


def test_grey_images_get_a_channel_axis_and_flat_data_none():
    grey, flat = images(6, (5, 4)), images(6, (9,))
    assert from_arrays((grey, labels(6)), (grey, labels(6))).input_shape == (5, 4, 1)
    assert from_arrays((flat, labels(6)), (flat, labels(6))).input_shape == (9,)


def test_other_numbers_become_float32_and_column_labels_a_vector():
    x = images(6, dtype=np.float64) / 255
    data = from_arrays((x, labels(6)[:, None]), (x, labels(6)))
    assert data.train.images.dtype == np.float32
    np.testing.assert_array_equal(data.train.images, x.astype(np.float32))
    np.testing.assert_array_equal(data.train.labels, labels(6))


@pytest.mark.parametrize("shape", [(16, 16, 3), (16, 16, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_statistics_are_those_of_all_training_pixels_per_channel(shape, dtype):
    # Enough pixels for several chunks, with a channel-dependent and large offset.
    x = (images(300, shape) // 4 + 50 * np.arange(shape[-1])).astype(dtype)
    data = from_arrays((x, labels(300)), (images(5, shape).astype(dtype), labels(5)))
    mean, variance = data.pixel_statistics()
    reference = x.astype(np.float64)
    np.testing.assert_allclose(mean, reference.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(variance, reference.var((0, 1, 2)), rtol=1e-12)


def test_statistics_of_flat_data_are_one_mean_and_variance():
    x = images(50, (9,))
    mean, variance = from_arrays((x, labels(50)), (x, labels(50))).pixel_statistics()
    np.testing.assert_allclose((mean, variance), ([x.mean()], [x.var()]), rtol=1e-12)


def test_statistics_leave_held_out_and_test_pixels_alone():
    x = images(40)
    y = labels(40)
    data = from_arrays((x, y), (x, y), validation_examples=30, split_seed=1)
    mean, _ = data.pixel_statistics()
    np.testing.assert_allclose(mean, data.train.images.mean((0, 1, 2)), rtol=1e-12)
    assert not np.allclose(mean, x.mean((0, 1, 2)), rtol=1e-4)


@pytest.mark.parametrize(
    ("split", "place", "label", "message"),
    [
        ("train", 4, 3, r"train split has label 3 \(example 4.*3 classes are 0 to 2"),
        ("test", 2, -1, r"test split has label -1 \(example 2.*3 classes are 0 to 2"),
    ],
)
def test_a_label_outside_the_classes_is_named(split, place, label, message):
    y = {"train": labels(9), "test": labels(9)}
    y[split][place] = label
    with pytest.raises(ValueError, match=message):
        from_arrays((images(9), y["train"]), (images(9), y["test"]), classes=3)


def test_without_classes_the_training_labels_say_how_many():
    with pytest.raises(ValueError, match="test split has label 3"):
        from_arrays((images(9), labels(9)), (images(9), labels(9, classes=4)))


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ((images(5), labels(4)), None, "5 images but 4 labels"),
        ((images(0), labels(0)), None, "train"),
        ((images(5), labels(5) + 0.0), None, r"float64: .*; labels.astype\(int\) makes them"),
        ((images(5), labels(5) + 0.5), None, r"float64: .*; numpy.unique\(y, return_inverse"),
        ((images(5), np.array([*"abcab"])), None, r"<U1: .*; numpy.unique\(y, return_inverse"),
        (None, (images(0), labels(0)), "test split is empty"),
        ((images(5, (4, 4, 2)), labels(5)), None, "test images have shape"),
        ((images(5, dtype=np.float32), labels(5)), None, "uint8.*float32"),
        ((images(5, ()), labels(5)), None, r"shape \(5,\)"),
        ((images(5), np.eye(5)), None, "argmax"),
        ((images(5), labels(5) * 1.0), None, "float64.*integers"),
        ((images(5).astype(str), labels(5)), None, "real numbers"),
        ((images(5), labels(5) * 0), None, "1 classes.*at least 2"),
    ],
)
def test_arrays_that_are_no_classification_task(train, test, message):
    good = (images(5), labels(5))
    with pytest.raises(ValueError, match=message):
        from_arrays(train or good, test or good)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_pixels_must_be_finite_float32(value):
    x = images(5).astype(np.float64)
    bad = x.copy()
    bad[4, 3, 2, 1] = value
    with pytest.raises(ValueError, match=r"test images hold the value (nan|inf)"):
        from_arrays((x, labels(5)), (bad, labels(5)))


@pytest.mark.parametrize("names", [("fog", "rain", "snow"), np.array(["fog", "rain", "snow"])])
def test_classes_have_names_where_they_are_given(names):
    x, y = images(40), labels(40, classes=2)
    data = from_arrays((x, y), (x, y), validation_examples=9, class_names=names)
    assert (data.class_names, data.classes) == (("fog", "rain", "snow"), 3)
    assert [type(name) for name in data.class_names] == [str] * 3
    assert from_arrays((x, y), (x, y)).class_names is None


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("dog", r"class_names='dog': give a list of names, such as \[\"cat\", \"dog\"\]"),
        ({"fog", "rain", "snow"}, "give a list of names"),
        (["fog", "", "snow"], "give a list of names"),
        ([0, 1, 2], r"class_names=\[0, 1, 2\]: give a list of names"),
        (np.array([["fog", "rain", "snow"]]), "give a list of names"),
        (["fog", "rain", "fog"], "two classes are called fog; rename one"),
        (["fog", "rain"], "class_names=.*: name each of the 3 classes"),
    ],
)
def test_names_that_are_not_those_of_the_classes_are_refused(names, message):
    with pytest.raises(ValueError, match=message):
        from_arrays((images(9), labels(9)), (images(9), labels(9)), classes=3, class_names=names)
