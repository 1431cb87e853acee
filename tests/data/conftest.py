"""Small sets of JPEGs of different sizes, prepared by tensorflow-datasets in several files."""

import io
import pathlib

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

TRAIN, TEST = 60, 13


class _Jpegs(tfds.core.GeneratorBasedBuilder):
    """Images whose label is their number; the subclasses say what is in them."""

    VERSION = tfds.core.Version("1.0.0")
    EXAMPLES = {"train": TRAIN, "test": TEST}
    pkg_dir_path = pathlib.Path(__file__).parent

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
            "label": tfds.features.ClassLabel(num_classes=1000),
            "file_name": tfds.features.Text(),
        }
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in self.EXAMPLES}

    def _generate_examples(self, split):
        for number in range(self.EXAMPLES[split]):
            image = io.BytesIO(self.encoded(number))
            yield number, {"image": image, "label": self.label(split, number), "file_name": "x"}

    def label(self, split, number):
        return number

    def encoded(self, number):
        generator = np.random.default_rng(number)
        height, width = 24 + 5 * number % 31, 20 + 7 * number % 43
        coarse = generator.integers(0, 256, (height // 4, width // 4, 3))
        pixels = tf.cast(tf.image.resize(coarse, (height, width)), tf.uint8)
        return tf.io.encode_jpeg(pixels).numpy()


class LotteryJpegs(_Jpegs):
    pass


class LotteryUnlabelledTest(_Jpegs):
    """As ImageNet: labels of the test images are not published."""

    EXAMPLES = {"train": 20, "validation": 7, "test": 5}

    def label(self, split, number):
        return -1 if split == "test" else number


class LotteryBrokenJpegs(_Jpegs):
    """One of the images cannot be decoded."""

    BROKEN = 7

    EXAMPLES = {"train": 40, "test": 6}

    def encoded(self, number):
        return b"\xff\xd8\xff no more" if number == self.BROKEN else super().encoded(number)


class LotteryLargeJpegs(_Jpegs):
    """Images that take a hundred times the memory when they are decoded."""

    EXAMPLES = {"train": 150, "test": 5}

    def encoded(self, number):
        return tf.io.encode_jpeg(np.full((1200, 1600, 3), number, np.uint8)).numpy()


@pytest.fixture(scope="session")
def prepared_jpegs(tmp_path_factory):
    """Prepares the set of a name, once, and returns the folder for `data_dir`."""
    data_dir = tmp_path_factory.mktemp("jpegs")

    def prepare(name):
        builder = tfds.builder(name, data_dir=data_dir)
        config = tfds.download.DownloadConfig(num_shards=5)
        builder.download_and_prepare(download_config=config)
        return str(data_dir)

    return prepare
