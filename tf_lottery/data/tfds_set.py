"""Image-classification sets of tensorflow-datasets: their features, splits and stored examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tf_lottery.data.shares import pipeline_range
from tf_lottery.data.tfds_prepare import find_builder, prepare_set

if TYPE_CHECKING:
    import tensorflow as tf
    import tensorflow_datasets as tfds


@dataclass(frozen=True)
class ImageSet:
    """A set with one image and one label per example; `find_image_set` makes it.

    Attributes:
      name: the name the user gave it.
      builder: its builder.
      image_key: the feature that holds the image.
      label_key: the feature that holds the class.
    """

    name: str
    builder: tfds.core.DatasetBuilder
    image_key: str
    label_key: str

    @property
    def flag(self) -> str:
        """The flag that names the set, for messages."""
        return f"--dataset={self.name}"

    @property
    def image(self) -> tfds.features.Image:
        """The feature that describes and decodes the images."""
        return self.builder.info.features[self.image_key]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.builder.info.features[self.label_key].num_classes

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """What the classes of the prepared set are called; None if they have numbers alone."""
        names = tuple(self.builder.info.features[self.label_key].names)
        return None if names == tuple(map(str, range(self.classes))) else names

    @property
    def image_sizes_differ(self) -> bool:
        """Whether the images have no common height or width."""
        return None in self.image.shape[:2]

    def prepare(self, manual_dir: str | None) -> None:
        """Downloads and prepares the set, unless a prepared copy exists.

        Args:
          manual_dir: a folder with the set's downloaded archives, or None.

        Raises:
          ValueError: if that is not possible; see `tfds_prepare.prepare_set`.
        """
        prepare_set(self.builder, self.flag, manual_dir)

    def test_split(self) -> str:
        """Names the split to test on: "test" or, in a set without one, "validation".

        Raises:
          ValueError: if the set has neither, or no training split.
        """
        splits = self._splits()
        if "train" in splits:
            for candidate in ("test", "validation"):
                if candidate in splits:
                    return candidate
        raise ValueError(
            f"{self.flag} has the splits {', '.join(splits)}: it needs train, and test or "
            "validation."
        )

    def labelled_test_split(self) -> str:
        """Names the split of the prepared set to test on: one whose labels are published.

        Raises:
          ValueError: if the set has none, or no training split.
        """
        split = self.test_split()
        if "validation" in self._splits() and split == "test":
            example = next(self.stored(split).open().take(1).as_numpy_iterator())
            return split if example[self.label_key] >= 0 else "validation"
        return split

    def stored(self, split: str) -> StoredExamples:
        """Returns all examples of a split of the prepared set.

        Args:
          split: the name of the split.
        """
        whole = StoredExamples(self, split, ())
        examples = int(self.builder.as_dataset(split=split, decoders=whole.decoding).cardinality())
        return StoredExamples(self, split, ((0, examples),))

    def damage(self, error: Exception) -> ValueError:
        """Makes the error to raise for a prepared copy that cannot be read.

        Args:
          error: what was raised in reading it.
        """
        return ValueError(
            f"{self.flag}: the prepared copy {self.builder.data_dir} is damaged "
            f"({type(error).__name__}). Delete that folder to prepare the set again."
        )

    def unreadable(self) -> None:
        """Nothing: what was raised in reading tells it."""

    def _splits(self) -> list[str]:
        # Without metadata (as under tfds.testing.mock_data) any split is accepted.
        return list(self.builder.info.splits) or ["train", "test"]


@dataclass(frozen=True)
class StoredExamples:
    """Encoded examples of a prepared set, in ranges of one split's stored order.

    Attributes:
      image_set: the set.
      split: the split's name.
      ranges: the first example of each range, and the first after it.
    """

    image_set: ImageSet
    split: str
    ranges: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        """Returns the number of examples."""
        return sum(stop - start for start, stop in self.ranges)

    @property
    def decoding(self) -> tfds.decode.PartialDecoding:
        """Tells tensorflow-datasets to read image and label alone, and not to decode the image."""
        import tensorflow_datasets as tfds

        keys = (self.image_set.image_key, self.image_set.label_key)
        return tfds.decode.PartialDecoding(
            dict.fromkeys(keys, True), {self.image_set.image_key: tfds.decode.SkipDecoding()}
        )

    def slice(self, first: int, last: int) -> StoredExamples:
        """Takes a part of the examples.

        Args:
          first: position of the first one, among those of all ranges.
          last: position after the last one.

        Returns:
          The examples from `first` to `last`.
        """
        parts, done = [], 0
        for start, stop in self.ranges:
            part = (max(start, start + first - done), min(stop, start + last - done))
            if part[0] < part[1]:
                parts.append(part)
            done += stop - start
        return StoredExamples(self.image_set, self.split, tuple(parts))

    def share(self, pipeline: int, pipelines: int) -> StoredExamples:
        """Takes the part of one of several pipelines, no two of which share an example.

        Args:
          pipeline: number of the pipeline, from 0.
          pipelines: how many pipelines there are.
        """
        return self.slice(*pipeline_range(len(self), pipeline, pipelines))

    def hold_out(self, examples: int, seed: int) -> tuple[StoredExamples, StoredExamples]:
        """Divides the examples, which are stored in random order, into two.

        Args:
          examples: how many to hold out, in one piece.
          seed: draws where.

        Returns:
          The remaining and the held-out examples.
        """
        generator = np.random.Generator(np.random.Philox(seed))
        first = int(generator.integers(0, len(self) - examples + 1))
        last = first + examples
        before, after = self.slice(0, first), self.slice(last, len(self))
        remaining = StoredExamples(self.image_set, self.split, before.ranges + after.ranges)
        return remaining, self.slice(first, last)

    def open(self, file_order: np.random.SeedSequence | None = None) -> tf.data.Dataset:
        """Reads the examples, several files at a time, in an order that is always the same.

        Args:
          file_order: draws the order of the files; without it, as stored.

        Returns:
          Dictionaries with the encoded image and the label, under the set's keys.
        """
        import tensorflow_datasets as tfds

        def shuffled(files):
            order = np.random.Generator(np.random.Philox(file_order)).permutation(len(files))
            return [files[place] for place in order]

        config = tfds.ReadConfig(
            try_autocache=False,
            skip_prefetch=True,
            # Not its shuffle_seed, which tf.random.set_seed changes the meaning of.
            experimental_interleave_sort_fn=None if file_order is None else shuffled,
        )
        parts = [
            tfds.core.ReadInstruction(self.split, from_=start, to=stop, unit="abs")
            for start, stop in self.ranges
        ]
        stream = self.image_set.builder.as_dataset(
            split=sum(parts[1:], parts[0]), decoders=self.decoding, read_config=config
        )
        # Under tfds.testing.mock_data every split holds all examples.
        return stream.take(len(self))


def find_image_set(name: str, data_dir: str | None) -> ImageSet:
    """Finds a set and, in it, the image and the label: the supervised ones, or else the only ones.

    Args:
      name: "NAME", "NAME/CONFIG", "NAME:VERSION" or "NAME/CONFIG:VERSION".
      data_dir: where tensorflow-datasets keeps prepared sets; its own default without it.

    Returns:
      The set, which may still have to be prepared.

    Raises:
      ValueError: if there is no such set, or if it is not an image-classification set.
    """
    import tensorflow_datasets as tfds

    builder = find_builder(name, data_dir)
    features = builder.info.features
    if not isinstance(features, tfds.features.FeaturesDict):
        features = {}
    images = [key for key, feature in features.items() if _is_plain_image(feature)]
    labels = [
        key for key, feature in features.items() if isinstance(feature, tfds.features.ClassLabel)
    ]
    supervised = builder.info.supervised_keys or ()
    if len(supervised) == 2 and supervised[0] in images and supervised[1] in labels:
        return ImageSet(name, builder, *supervised)
    if len(images) != 1 or len(labels) != 1:
        raise ValueError(
            f"--dataset={name} is not an image-classification set: it has {len(images)} image and "
            f"{len(labels)} label features ({', '.join(images + labels) or 'none'}), of which no "
            "pair is marked as the task. One image and one class label are needed."
        )
    return ImageSet(name, builder, images[0], labels[0])


def reading_errors() -> tuple[type[Exception], ...]:
    """Returns the types of errors that a damaged prepared copy causes."""
    import tensorflow as tf

    # tfds answers a missing description of the splits with a KeyError.
    return (tf.errors.OpError, OSError, KeyError)


def _is_plain_image(feature: tfds.features.FeatureConnector) -> bool:
    import tensorflow_datasets as tfds

    is_segmentation = isinstance(feature, tfds.features.LabeledImage)
    return isinstance(feature, tfds.features.Image) and not is_segmentation
