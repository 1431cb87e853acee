"""What streams need of examples on the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf


class EncodedImageSet(Protocol):
    """The set that examples are of."""

    @property
    def image_key(self) -> str:
        """Name of the encoded image in an example."""
        ...

    @property
    def label_key(self) -> str:
        """Name of the class number in an example."""
        ...

    def damage(self, error: Exception) -> ValueError:
        """Makes the error to raise where it cannot be read."""
        ...

    def unreadable(self) -> ValueError | None:
        """The error to raise if some of its images cannot be; looks at all of them."""
        ...


class EncodedExamples(Protocol):
    """Encoded images and labels on the disk, in an order of which a part is like the whole."""

    @property
    def image_set(self) -> EncodedImageSet:
        """The set that they are of."""
        ...

    def __len__(self) -> int:
        """Returns the number of examples."""
        ...

    def slice(self, first: int, last: int) -> EncodedExamples:
        """Takes those from `first` to before `last`."""
        ...

    def share(self, pipeline: int, pipelines: int) -> EncodedExamples:
        """Takes the part of one of several pipelines, no two of which share an example."""
        ...

    def open(self, order: np.random.SeedSequence | None = None) -> tf.data.Dataset:
        """Reads dictionaries with image and label, in an order that `order` draws."""
        ...


class EncodedFormat(Protocol):
    """How the images of a set are stored."""

    @property
    def shape(self) -> tuple[Any, ...]:
        """`(height, width, channels)`; None where images differ."""
        ...

    def decode_example(self, encoded: tf.Tensor) -> tf.Tensor:
        """The pixels of an encoded image, uint8."""
        ...
