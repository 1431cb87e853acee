"""Images per second of the input pipelines alone, beside what decoding the JPEGs costs.

    python benchmarks/input_pipeline.py [--images=2000] [--rounds=3]

Writes a set of synthetic JPEGs of ImageNet's usual size to a temporary folder. Run it on an idle
machine.
"""

import argparse
import io
import os
import pathlib
import tempfile
import time
from collections.abc import Callable, Iterable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from tf_lottery.data import ArrayStream, Augmentation, Epoch, Split, load_dataset

HEIGHT, WIDTH, SIZE, BATCH = 375, 500, 224, 64
DIFFERENT_IMAGES = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} CPU cores, TensorFlow {tf.__version__}")
    SyntheticJpegs.images = arguments.images
    with tempfile.TemporaryDirectory() as data_dir:
        data = prepared(data_dir)
        print(f"{WIDTH}x{HEIGHT} JPEGs of {mean_kilobytes():.0f} kB, batches of {BATCH}")
        measure("decoding whole JPEGs, nothing else", decode_only, arguments)
        for name, epoch in (
            ("training: random crops, flips, shuffled", lambda: training(data)),
            ("evaluation: central crops", lambda: data.test.batches(BATCH)),
        ):
            measure(name, epoch, arguments)
    for shape, batch in (((28, 28, 1), 60), ((32, 32, 3), 128)):
        stream = array_stream(shape)
        measure(
            f"arrays of {len(stream)} images {shape}, batches of {batch}",
            lambda stream=stream, batch=batch: stream.batches(Epoch(0, 0, 0), 0, batch),
            arguments,
        )


class SyntheticJpegs(tfds.core.GeneratorBasedBuilder):
    """A few different images, many times over."""

    VERSION = tfds.core.Version("1.0.0")
    pkg_dir_path = pathlib.Path(__file__).parent
    images = 0

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
            "label": tfds.features.ClassLabel(num_classes=1000),
        }
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples() for split in ("train", "test")}

    def _generate_examples(self):
        jpegs = different_jpegs()
        for number in range(self.images):
            image = io.BytesIO(jpegs[number % DIFFERENT_IMAGES])
            yield number, {"image": image, "label": number % 1000}


def different_jpegs() -> list[bytes]:
    generator = np.random.default_rng(0)
    jpegs = []
    for _ in range(DIFFERENT_IMAGES):
        coarse = generator.integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3))
        smooth = tf.image.resize(coarse, (HEIGHT, WIDTH)).numpy()
        pixels = np.clip(smooth + generator.normal(0, 14, smooth.shape), 0, 255)
        jpegs.append(tf.io.encode_jpeg(pixels.astype(np.uint8), quality=90).numpy())
    return jpegs


def mean_kilobytes() -> float:
    return float(np.mean([len(jpeg) for jpeg in different_jpegs()])) / 1000


def prepared(data_dir: str):
    config = tfds.download.DownloadConfig(num_shards=16)
    tfds.disable_progress_bar()
    tfds.builder("synthetic_jpegs", data_dir=data_dir).download_and_prepare(download_config=config)
    return load_dataset("synthetic_jpegs", data_dir=data_dir, image_size=SIZE, random_flip=True)


def decode_only() -> tf.data.Dataset:
    jpegs = tf.data.Dataset.from_tensor_slices(different_jpegs()).repeat()
    decoded = jpegs.map(
        lambda jpeg: tf.reduce_max(tf.io.decode_jpeg(jpeg, channels=3)[:1]),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    return decoded.take(SyntheticJpegs.images).batch(BATCH)


def training(data) -> tf.data.Dataset:
    return data.train.batches(Epoch(0, 0, 0), 0, BATCH)


def array_stream(shape: tuple[int, ...]) -> ArrayStream:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (50_000, *shape), np.uint8)
    labels = generator.integers(0, 10, 50_000).astype(np.int32)
    return ArrayStream(Split(images, labels), Augmentation(shift=4, flip=True))


def measure(name: str, epoch: Callable[[], Iterable], arguments: argparse.Namespace) -> None:
    """Prints the best rate of several rounds, from opening the epoch to its last batch."""
    rates = []
    for _ in range(arguments.rounds):
        started, images = time.perf_counter(), 0
        for batch in epoch():
            images += len(batch[0] if isinstance(batch, tuple) else batch)
        rates.append(images / (time.perf_counter() - started))
    print(f"{max(rates):10.0f} images/s  {name}")


if __name__ == "__main__":
    main()
