"""How examples/own_images.py reads and splits data, and what it refuses."""

import numpy as np
import pytest

SIZE = 32

GOOD = {"x_train": np.arange(20 * 9).reshape(20, 3, 3), "y_train": np.arange(20) % 2}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_train": None}, "has no x_train; it has y_train"),
        ({"y_train": None}, "y_train is missing"),
        ({"x_test": GOOD["x_train"]}, "y_test is missing"),
        ({"x_train": GOOD["x_train"] / 255}, "x_train has pixels from 0.0 to 0.7"),
        ({"x_train": GOOD["x_train"] - 10}, "x_train has pixels from -10 to"),
        ({"x_train": np.ones([20, 3, 3, 2])}, r"x_train has shape \(20, 3, 3, 2\)"),
        ({"y_train": GOOD["y_train"] / 2}, "y_train is float64"),
        ({"y_train": GOOD["y_train"][:-1]}, r"y_train is int64 of shape \(19,\)"),
        ({"y_train": GOOD["y_train"] * 0}, "at least 2 classes"),
        ({name: array[:9] for name, array in GOOD.items()}, "9 images are too few"),
    ],
)
def test_arrays_that_cannot_be_used_are_refused(example, tmp_path, changes, message):
    arrays = {name: array for name, array in {**GOOD, **changes}.items() if array is not None}
    np.savez(tmp_path / "own.npz", **arrays)
    with pytest.raises(ValueError, match=f"own.npz cannot be used: .*{message}"):
        example["own_images"].read_arrays(tmp_path / "own.npz", SIZE, 4, seed=0)


def test_arrays_are_split_without_overlap_and_resized_as_rgb(example, tmp_path):
    x = np.broadcast_to(np.arange(40).reshape(-1, 1, 1), (40, 5, 5))
    np.savez(tmp_path / "own.npz", x_train=x, y_train=np.arange(40) % 3)
    images = example["own_images"].read_arrays(tmp_path / "own.npz", SIZE, 4, seed=0)
    batches = [images.training, images.training, [images.validation], [images.test]]
    numbers = [
        np.concatenate([np.asarray(x)[:, 0, 0, 0] for x, _ in part]).round().astype(int)
        for part in batches
    ]
    assert images.test[0].shape == (6, SIZE, SIZE, 3)
    assert images.classes == ["0", "1", "2"]
    assert sorted(np.concatenate(numbers[1:])) == list(range(40))
    assert sorted(numbers[0]) == sorted(numbers[1])
    assert list(numbers[0]) != list(numbers[1])
    assert (images.validation[1] == numbers[2] % 3).all()


def test_given_test_arrays_are_the_test(example, tmp_path):
    x_test, y_test = np.full([3, 4, 4, 1], 200), np.array([1, 2, 1])
    np.savez(tmp_path / "own.npz", **GOOD, x_test=x_test, y_test=y_test)
    images = example["own_images"].read_arrays(tmp_path / "own.npz", SIZE, 4, seed=0)
    assert (images.test[0] == 200).all()
    assert images.test[1].tolist() == [1, 2, 1]
    assert len(images.validation[0]) == 6
    assert len(images.classes) == 3


def test_a_folder_is_split_and_labelled_by_its_subfolders(example, write_images, tmp_path):
    write_images(tmp_path, per_class=15)
    images = example["own_images"].read_folder(tmp_path, SIZE, 8, seed=0)
    assert images.classes == ["above", "below"]
    assert [x.shape for x, _ in images.training] == [(8, SIZE, SIZE, 3)] * 2
    for x, y in (images.validation, images.test, *images.training):
        top_is_bright = np.asarray(x)[:, 0].mean(axis=(1, 2)) > 100
        assert (np.where(top_is_bright, 0, 1) == np.asarray(y)).all()
    assert len(images.validation[0]) + len(images.test[0]) == 9
