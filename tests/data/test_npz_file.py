"""Data sets in one file of NumPy arrays."""

import re
from pathlib import Path

import numpy as np
import pytest

from tf_lottery.config.data_files import absolute_dataset
from tf_lottery.data import load_dataset


def arrays(**changes):
    random = np.random.default_rng(0)
    splits = {"train": 12, "test": 6}
    made = {f"x_{name}": random.integers(0, 256, (n, 4, 4), np.uint8) for name, n in splits.items()}
    made |= {f"y_{name}": np.arange(n) % 3 for name, n in splits.items()}
    return {name: value for name, value in {**made, **changes}.items() if value is not None}


@pytest.fixture
def load(tmp_path):
    """Returns a function that writes arrays into a file and loads them."""

    def write_and_load(content, **options):
        np.savez(tmp_path / "data.npz", **content)
        return load_dataset(absolute_dataset(f"npz:{tmp_path}/data.npz"), **options)

    return write_and_load


def test_the_arrays_are_those_of_the_file(load):
    content = arrays()
    data = load(content, validation_examples=2)
    assert (data.classes, data.input_shape) == (3, (4, 4, 1))
    assert (len(data.train), len(data.validation), len(data.test)) == (10, 2, 6)
    np.testing.assert_array_equal(data.test.images[..., 0], content["x_test"])
    np.testing.assert_array_equal(data.test.labels, content["y_test"])


@pytest.mark.parametrize("name", ["validation", "val"])
def test_validation_examples_of_the_file_are_taken_whatever_the_flag_says(load, name):
    own = {f"x_{name}": np.ones((3, 4, 4), np.uint8), f"y_{name}": np.array([2, 1, 1])}
    data = load(arrays(**own), validation_examples=200, image_size=6)
    assert (len(data.train), data.validation.labels.tolist()) == (12, [2, 1, 1])
    assert data.validation.images.shape == (3, 6, 6, 1)
    assert data.fingerprint() != load(arrays(), image_size=6).fingerprint()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"y_test": None}, "data.npz has no y_test, but x_train, x_test, y_train; x_train, "),
        ({"x_val": np.ones((3, 4, 4))}, "data.npz has x_val without the other of x_val and y_val"),
        ({"x_train": np.array([{}] * 12)}, "data.npz holds Python objects in x_train, which are"),
        ({"y_train": np.arange(12) % 2}, r"the test data have the class 2 \(example 2\), of which"),
        ({"y_train": np.zeros(12, int), "y_test": np.zeros(6, int)}, "classes=1: "),
        ({"y_train": np.arange(12) % 3 - 1}, "training examples are -1 to 1: class numbers are to"),
        ({"y_train": np.arange(12) * 10**9}, "examples are 0 to 11000000000: class numbers are"),
        (
            {"x_train": np.zeros((0, 4, 4), np.uint8), "y_train": np.zeros(0, int)},
            "The train split is empty: at least 1 example is needed",
        ),
        ({"y_train": np.eye(12)}, "The train labels have shape .* one-hot"),
        ({"x_test": np.zeros((6, 5, 5), np.uint8)}, "The test images have shape"),
        ({"y_train": np.arange(11) % 3}, "The train split has 12 images but 11 labels"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(load, changes, said):
    with pytest.raises(ValueError, match=rf"^--dataset=npz:/.*data.npz: .*{said}"):
        load(arrays(**changes))


def test_what_is_no_such_file_is_told(tmp_path):
    Path(tmp_path / "data.npz").write_bytes(b"PK no archive")
    with pytest.raises(ValueError, match=r"data.npz is no file that numpy.savez wrote, or is dam"):
        load_dataset(f"npz:{tmp_path}/data.npz")
    np.savez(tmp_path / "data.npz", **arrays())
    content = bytearray((tmp_path / "data.npz").read_bytes())
    content[300] ^= 1
    (tmp_path / "data.npz").write_bytes(content)
    with pytest.raises(ValueError, match=re.escape("or is damaged (Bad CRC-32")):
        load_dataset(f"npz:{tmp_path}/data.npz")


def test_tables_of_one_file_cannot_be_streamed(load):
    with pytest.raises(ValueError, match=r"^--streaming=on: --dataset=npz:.* is read into memory"):
        load(arrays(), streaming="on")
