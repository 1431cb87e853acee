"""Sets of tensorflow-datasets: real small ones prepared on the spot, and tfds's own mocks."""

import os
import pathlib
import socket

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tf_lottery.data import load_dataset, memory
from tf_lottery.store import machine

EXAMPLES = {"train": 30, "test": 12}


class _Generated(tfds.core.GeneratorBasedBuilder):
    """A small set without downloads; the subclasses say what is in it."""

    VERSION = tfds.core.Version("1.0.0")
    SPLITS = ("train", "test")
    FEATURES = {
        "image": tfds.features.Image(shape=(5, 4, 3)),
        "label": tfds.features.ClassLabel(num_classes=3),
    }
    pkg_dir_path = pathlib.Path(__file__).parent

    def _info(self):
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(self.FEATURES))

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in self.SPLITS}

    def _generate_examples(self, split):
        for number in range(EXAMPLES.get(split, 12)):
            yield number, self.example(number)

    def example(self, number):
        return {"image": numbered_image(number, (5, 4, 3)), "label": number % 3}


class LotteryColours(_Generated):
    pass


class LotteryNoTest(_Generated):
    SPLITS = ("train", "validation")


class LotteryNoTrain(_Generated):
    SPLITS = ("test",)


class LotteryFloats(_Generated):
    """Float pixels, and other features that are in the way."""

    FEATURES = {
        "title": tfds.features.Text(),
        "picture": tfds.features.Image(shape=(5, 4, 1), dtype=np.float32),
        "outline": tfds.features.LabeledImage(shape=(5, 4, 1), labels=2),
        "kind": tfds.features.ClassLabel(num_classes=3),
    }

    def example(self, number):
        return {
            "title": "x",
            "picture": numbered_image(number, (5, 4, 1)).astype(np.float32) + 0.25,
            "outline": np.zeros((5, 4, 1), np.uint8),
            "kind": number % 3,
        }


class LotteryNamed(_Generated):
    """The names come with the examples, as those of CIFAR-10."""

    FEATURES = {**_Generated.FEATURES, "label": tfds.features.ClassLabel(num_classes=3)}

    def _generate_examples(self, split):
        self.info.features["label"].names = ["fog", "rain", "snow"]
        return super()._generate_examples(split)


class LotteryVarying(_Generated):
    FEATURES = {**_Generated.FEATURES, "image": tfds.features.Image(shape=(None, None, 3))}


class LotteryTwoLabels(_Generated):
    FEATURES = {**_Generated.FEATURES, "other": tfds.features.ClassLabel(num_classes=2)}


class LotteryBroken(_Generated):
    def _split_generators(self, dl_manager):
        raise RuntimeError("the archive holds no images")


def numbered_image(number, shape):
    image = np.full(shape, number, np.uint8)
    image[0, 1] = 200
    return image


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return str(tmp_path_factory.mktemp("prepared"))


def numbers(split):
    return split.images[:, 2, 2, 0].astype(int)


def test_every_example_is_read_once_with_its_own_label(data_dir):
    data = load_dataset("lottery_colours", data_dir=data_dir)
    assert (data.classes, data.input_shape) == (3, (5, 4, 3))
    assert data.train.images.dtype == np.uint8
    for split, examples in ((data.train, 30), (data.test, 12)):
        assert sorted(numbers(split)) == list(range(examples))
        np.testing.assert_array_equal(split.labels, numbers(split) % 3)
        assert (split.images[:, 0, 1] == 200).all()


def test_a_prepared_copy_is_read_in_the_same_order_again(data_dir):
    first, again = (load_dataset("lottery_colours:1.0.0", data_dir=data_dir) for _ in range(2))
    np.testing.assert_array_equal(first.train.images, again.train.images)


@pytest.mark.parametrize("streaming", ["off", "on"])
def test_classes_have_the_names_that_the_set_gives_them(streaming, data_dir, tmp_path):
    for folder in (data_dir, data_dir, tmp_path):
        arguments = {"data_dir": str(folder), "streaming": streaming, "validation_examples": 3}
        assert load_dataset("lottery_named", **arguments).class_names == ("fog", "rain", "snow")
        # Numbers are no names: tfds gives them to classes that have none.
        assert load_dataset("lottery_colours", **arguments).class_names is None


def test_validation_serves_as_test_where_there_is_none(data_dir):
    data = load_dataset("lottery_no_test", data_dir=data_dir)
    assert (len(data.train), len(data.test), data.validation) == (30, 12, None)


def test_float_images_beside_other_features(data_dir):
    data = load_dataset("lottery_floats", data_dir=data_dir)
    assert data.train.images.dtype == np.float32
    assert data.train.images.shape == (30, 5, 4, 1)
    assert (data.train.images % 1 == 0.25).all()
    np.testing.assert_array_equal(data.train.labels, numbers(data.train) % 3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lottery_no_train", "has the splits test"),
        ("lottery_varying", r"varying size, shape \(None, None, 3\)"),
        ("lottery_two_labels", "1 image and 2 label features"),
        ("lottery_broken", "--data_dir=.*the archive holds no images"),
        ("ag_news_subset", "not an image-classification set"),
        ("fashion_mnits", "--dataset=fashion_mnits is not known.*fashion_mnist"),
        ("mnist:9.9.9", "--dataset=mnist:9.9.9 .*only: 3.0.1"),
        ("mnist/foo", "--dataset=mnist/foo .*foo not found"),
        ("", "--dataset= "),
    ],
)
def test_sets_that_cannot_be_used(name, message, data_dir):
    with pytest.raises(ValueError, match=message):
        load_dataset(name, data_dir=data_dir)


def test_a_missing_manual_dir_is_named(data_dir, tmp_path):
    with pytest.raises(ValueError, match=r"--manual_dir=.*nowhere is not a folder"):
        load_dataset("fashion_mnist", data_dir=data_dir, manual_dir=str(tmp_path / "nowhere"))


def test_archives_with_a_wrong_checksum(tmp_path):
    archives = tmp_path / "archives"
    archives.mkdir()
    for archive in ("train-images", "t10k-images"):
        (archives / f"{archive}-idx3-ubyte.gz").write_bytes(b"not an archive")
    for archive in ("train-labels", "t10k-labels"):
        (archives / f"{archive}-idx1-ubyte.gz").write_bytes(b"not an archive")
    with pytest.raises(ValueError, match="--dataset=fashion_mnist: an archive is damaged"):
        load_dataset("fashion_mnist", data_dir=str(tmp_path), manual_dir=str(archives))


def test_without_internet_the_missing_files_are_named(tmp_path, monkeypatch):
    def no_internet(*_args, **_kwargs):
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_internet)
    message = r"--manual_dir: .*train-images-idx3-ubyte.gz .*--data_dir"
    empty = tmp_path / "data"
    empty.mkdir()
    with pytest.raises(ValueError, match=message):
        load_dataset("fashion_mnist", data_dir=str(empty), manual_dir=str(tmp_path))
    assert not list(empty.iterdir())


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: truncate(next(folder.glob("*-train.tfrecord*")), 500),
        lambda folder: next(folder.glob("*-test.tfrecord*")).unlink(),
        lambda folder: truncate(folder / "dataset_info.json", 50),
        lambda folder: (folder / "dataset_info.json").unlink(),
    ],
    ids=["truncated examples", "missing examples", "truncated description", "no description"],
)
def test_a_damaged_prepared_copy_is_not_used(damage, tmp_path):
    load_dataset("lottery_colours", data_dir=str(tmp_path))
    damage(tmp_path / "lottery_colours" / "1.0.0")
    with pytest.raises(ValueError, match=r"--dataset=lottery_colours.*damaged"):
        load_dataset("lottery_colours", data_dir=str(tmp_path))


def truncate(path, length):
    path.write_bytes(path.read_bytes()[:length])


def test_a_set_larger_than_the_memory_is_refused(data_dir, monkeypatch):
    monkeypatch.setattr("tf_lottery.data.tfds_source.available_memory", lambda: 42 * 60)
    with pytest.raises(ValueError, match="--dataset=lottery_colours takes"):
        load_dataset("lottery_colours", data_dir=data_dir)
    monkeypatch.setattr("tf_lottery.data.tfds_source.available_memory", lambda: 42 * 60 * 2)
    assert len(load_dataset("lottery_colours", data_dir=data_dir).train) == 30


def test_sizes_are_named_and_memory_is_measured():
    with pytest.raises(ValueError, match=r"--dataset=big takes 7.1 GiB .*10.0 GiB .*70%"):
        memory.check_fits_memory("big", int(7.1 * 2**30), 10 * 2**30)
    memory.check_fits_memory("big", int(6.9 * 2**30), 10 * 2**30)
    assert 2**26 < machine.available_memory() < 2**50


@pytest.mark.parametrize(
    ("name", "shape"),
    [("mnist", (28, 28, 1)), ("fashion_mnist", (28, 28, 1)), ("cifar10", (32, 32, 3))],
)
def test_well_known_sets_of_the_registry(name, shape):
    with tfds.testing.mock_data(num_examples=20):
        data = load_dataset(name, validation_examples=5)
    assert (data.classes, data.input_shape) == (10, shape)
    assert (len(data.train), len(data.validation), len(data.test)) == (15, 5, 20)
    assert data.train.images.std() > 50


def fashion_mnist_archives():
    beside = pathlib.Path(__file__).parents[3] / "shared/datasets/fashion_mnist"
    return pathlib.Path(os.environ.get("TF_LOTTERY_FASHION_MNIST", beside))


@pytest.mark.slow
def test_fashion_mnist_from_its_archives(tmp_path):
    archives = fashion_mnist_archives()
    if not archives.is_dir():
        pytest.skip(f"no Fashion-MNIST archives in {archives}: set TF_LOTTERY_FASHION_MNIST")
    data = load_dataset("fashion_mnist", data_dir=str(tmp_path), manual_dir=str(archives))
    assert (len(data.train), len(data.test), data.classes) == (60000, 10000, 10)
    assert (data.train.images.dtype, data.input_shape) == (np.uint8, (28, 28, 1))
    np.testing.assert_array_equal(np.bincount(data.train.labels), [6000] * 10)
    mean, variance = data.pixel_statistics()
    np.testing.assert_allclose(
        (mean[0] / 255, variance[0] ** 0.5 / 255), (0.2860, 0.3530), atol=1e-4
    )
