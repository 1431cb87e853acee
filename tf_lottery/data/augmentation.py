"""Shifted crops, mirroring and Cutout of training images, drawn on the host, applied in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tf_lottery.data.order import Epoch, Noise, noise_seed
from tf_lottery.startup import LazyModule

if TYPE_CHECKING:
    import tensorflow as tf
else:
    tf = LazyModule("tensorflow")


@dataclass(frozen=True)
class Augmentation:
    """Random changes of training images of one size.

    The draws are made by NumPy, so that they are the same on every device, and belong to positions
    in the epoch, so that a resumed epoch goes on with the same ones.

    Attributes:
      shift: images are shifted by up to so many pixels each way: padded on all sides and cut out
        at a random place (He et al., arXiv 1512.03385, section 4.2, shift 4).
      flip: whether half of the images are mirrored left to right.
      cutout: side of a square, in pixels, that is blanked out around a random pixel and may reach
        over the border (DeVries and Taylor, arXiv 1708.04552, section 3).

    Raises:
      ValueError: if `shift` or `cutout` is negative.
    """

    shift: int = 0
    flip: bool = False
    cutout: int = 0

    def __post_init__(self):
        for flag, value in (("shift_crop", self.shift), ("cutout", self.cutout)):
            if value < 0:
                raise ValueError(f"--{flag}={value} is out of range: use 0 or more.")

    @property
    def columns(self) -> int:
        """Numbers drawn per example; 0 if nothing is changed."""
        return 2 * (self.shift > 0) + int(self.flip) + 2 * (self.cutout > 0)

    def check(self, image_shape: Sequence[int]) -> None:
        """Checks that images of a shape can be changed so.

        Args:
          image_shape: `(height, width, channels)`; `(features,)` only where nothing is changed.

        Raises:
          ValueError: if the data are flat, or if a shift or cutout is larger than the images.
        """
        for flag, value in (
            ("shift_crop", self.shift),
            ("random_flip", self.flip),
            ("cutout", self.cutout),
        ):
            if value and len(image_shape) != 3:
                raise ValueError(
                    f"--{flag}={value} needs images, (height, width, channels); the examples have "
                    f"shape {tuple(image_shape)}."
                )
        for flag, value in (("shift_crop", self.shift), ("cutout", self.cutout)):
            if value and value > min(image_shape[:2]):
                height, width = image_shape[:2]
                raise ValueError(
                    f"--{flag}={value} is larger than the images of {height}x{width} pixels: use "
                    f"at most {min(height, width)}."
                )

    def draw(self, epoch: Epoch, examples: int, image_shape: Sequence[int]) -> np.ndarray:
        """Draws what is done to each example of an epoch.

        Args:
          epoch: the epoch.
          examples: number of training examples.
          image_shape: `(height, width, channels)` of the images.

        Returns:
          int32, `[examples, columns]`. Row p is for the example at position p of the epoch's
          order, and depends on the epoch, p and the image shape alone.

        Raises:
          ValueError: if images of this shape cannot be changed so.
        """
        self.check(image_shape)
        bounds = []
        if self.shift:
            bounds += [2 * self.shift + 1] * 2
        if self.flip:
            bounds += [2]
        if self.cutout:
            bounds += image_shape[:2]
        generator = np.random.Generator(np.random.Philox(noise_seed(epoch, Noise.AUGMENTATION)))
        # One word per number, whatever its bound, keeps a row in its place.
        words = generator.integers(0, 2**32, (examples, self.columns), np.uint32)
        scaled = words.astype(np.uint64) * np.array(bounds, np.uint64) >> np.uint64(32)
        return scaled.astype(np.int32)

    def apply(self, images: tf.Tensor, draws: tf.Tensor, fill: Sequence[float]) -> tf.Tensor:
        """Changes a batch of images as drawn: shifts them, mirrors them, blanks squares out.

        Args:
          images: `[batch, height, width, channels]`, uint8 or float32, of static shape.
          draws: rows of `draw`, `[batch, columns]`.
          fill: the value of pixels that come from outside the image or are blanked out,
            `[channels]`; rounded for uint8 images.

        Returns:
          The changed images, in the shape and type of `images`.
        """
        if not self.columns:
            return images
        draws = iter(tf.unstack(draws, self.columns, axis=1))
        batch, height, width, channels = images.shape
        rows = tf.tile(tf.range(height)[tf.newaxis], [batch, 1])
        columns = tf.tile(tf.range(width)[tf.newaxis], [batch, 1])
        if self.shift:
            down, right = next(draws), next(draws)
        if self.flip:
            mirrored = next(draws)[:, tf.newaxis] == 1
            columns = tf.where(mirrored, width - 1 - columns, columns)
        if self.shift:
            rows += down[:, tf.newaxis] - self.shift
            columns += right[:, tf.newaxis] - self.shift
        # The pixel that each pixel of the result is taken from, where that is inside the image.
        inside = _grid(tf.logical_and, _within(rows, 0, height), _within(columns, 0, width))
        starts = tf.range(batch)[:, tf.newaxis] * (height * width)
        rows = starts + tf.clip_by_value(rows, 0, height - 1) * width
        sources = _grid(tf.add, rows, tf.clip_by_value(columns, 0, width - 1))
        pixels = tf.gather(tf.reshape(images, [-1, channels]), sources)
        if self.cutout:
            inside &= ~self._square(next(draws), next(draws), height, width)
        return tf.where(inside[..., tf.newaxis], pixels, _as_pixel(fill, images.dtype))

    def _square(self, row: tf.Tensor, column: tf.Tensor, height: int, width: int) -> tf.Tensor:
        top, left = row[:, tf.newaxis] - self.cutout // 2, column[:, tf.newaxis] - self.cutout // 2
        return _grid(
            tf.logical_and,
            _within(tf.range(height)[tf.newaxis], top, top + self.cutout),
            _within(tf.range(width)[tf.newaxis], left, left + self.cutout),
        )


def _within(values: tf.Tensor, start, stop) -> tf.Tensor:
    return (values >= start) & (values < stop)


def _grid(combine, of_rows: tf.Tensor, of_columns: tf.Tensor) -> tf.Tensor:
    """Combines `[batch, height]` and `[batch, width]` to `[batch, height, width]`."""
    return combine(of_rows[:, :, tf.newaxis], of_columns[:, tf.newaxis, :])


def _as_pixel(fill: Sequence[float], dtype: tf.DType) -> tf.Tensor:
    fill = tf.cast(fill, tf.float32)
    return tf.cast(tf.round(fill) if dtype.is_integer else fill, dtype)
