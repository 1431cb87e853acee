"""Crops of encoded images, of which only the part that is needed is decoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from tf_lottery.data.encoded_examples import EncodedFormat

_EVALUATION_BORDER = 32
_ASPECT_RATIOS = (3 / 4, 4 / 3)
# Colours that are stored at half the resolution are interpolated from neighbours so far away.
_COLOUR_REACH = 2


@dataclass(frozen=True)
class EncodedImages:
    """Turns the encoded images of a set into crops of one size.

    Attributes:
      feature: the set's description of its images, which have a known number of channels.
      size: height and width of the crops, in pixels.
    """

    feature: EncodedFormat
    size: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(height, width, channels)` of the crops."""
        return (*self.size, self.feature.shape[-1])

    def central_crop(self, encoded: tf.Tensor) -> tf.Tensor:
        """Crops for evaluation: size / (size + 32) of the shorter side, from the middle.

        Images that are all stored in the crops' size are taken whole.

        Args:
          encoded: the encoded image, a scalar string.

        Returns:
          The crop, resized bilinearly, uint8 `[height, width, channels]`.
        """
        return self._crop(encoded, self._central_window)

    def random_crop(self, encoded: tf.Tensor, seed: tf.Tensor, smallest: float) -> tf.Tensor:
        """Crops for training: of random area and aspect ratio (Szegedy et al., 1409.4842, 6).

        Args:
          encoded: the encoded image, a scalar string.
          seed: integers that draw the crop, `[2]`.
          smallest: smallest area of the crop, as a fraction of the image; its sides are in a
            ratio of 3/4 to 4/3. 1 is the crop for evaluation.

        Returns:
          The crop, resized bilinearly, uint8 `[height, width, channels]`.
        """
        if smallest == 1:
            return self.central_crop(encoded)

        def random_window(shape: tf.Tensor) -> tf.Tensor:
            start, extent, _ = tf.image.stateless_sample_distorted_bounding_box(
                shape,
                bounding_boxes=tf.constant([[[0.0, 0.0, 1.0, 1.0]]]),
                seed=seed,
                # By default a tenth of the box, here the whole image, would have to be inside.
                min_object_covered=0.0,
                aspect_ratio_range=_ASPECT_RATIOS,
                area_range=(smallest, 1.0),
            )
            return tf.concat([start[:2], extent[:2]], axis=0)

        return self._crop(encoded, random_window)

    def _central_window(self, shape: tf.Tensor) -> tf.Tensor:
        if tuple(self.feature.shape[:2]) == self.size:
            return tf.stack([0, 0, shape[0], shape[1]])
        shorter = tf.cast(tf.reduce_min(shape[:2]), tf.float32)
        sides = [
            tf.maximum(tf.cast(shorter * (side / (side + _EVALUATION_BORDER)), tf.int32), 1)
            for side in self.size
        ]
        return tf.stack([(shape[0] - sides[0]) // 2, (shape[1] - sides[1]) // 2, *sides])

    def _crop(
        self, encoded: tf.Tensor, choose_window: Callable[[tf.Tensor], tf.Tensor]
    ) -> tf.Tensor:
        """Resizes the window `[top, left, height, width]` that is chosen by the image's shape."""
        channels = self.feature.shape[-1]

        def decode_window_of_jpeg() -> tf.Tensor:
            shape = tf.image.extract_jpeg_shape(encoded)
            return decode_jpeg_window(encoded, choose_window(shape), shape[1], channels)

        def decode_all() -> tf.Tensor:
            image = self.feature.decode_example(encoded)
            window = choose_window(tf.shape(image))
            return tf.image.crop_to_bounding_box(image, *tf.unstack(window))

        pixels = tf.cond(tf.io.is_jpeg(encoded), decode_window_of_jpeg, decode_all)
        pixels.set_shape((None, None, channels))
        return tf.cast(tf.round(tf.image.resize(pixels, self.size)), tf.uint8)


def decode_jpeg_window(
    encoded: tf.Tensor, window: tf.Tensor, image_width: tf.Tensor, channels: int
) -> tf.Tensor:
    """Decodes a part of a JPEG to exactly the pixels that it has in the whole image.

    Args:
      encoded: the JPEG, a scalar string.
      window: `[top, left, height, width]`, inside the image.
      image_width: width of the whole image, in pixels.
      channels: 1 or 3.

    Returns:
      The pixels, uint8 `[height, width, channels]`.
    """
    top, left, height, width = tf.unstack(window)
    # The columns beside the window take part in the colours of its own.
    begin = tf.maximum(left - _COLOUR_REACH, 0)
    end = tf.minimum(left + width + _COLOUR_REACH, image_width)
    decoded = tf.image.decode_and_crop_jpeg(
        encoded, tf.stack([top, begin, height, end - begin]), channels=channels
    )
    return decoded[:, left - begin : left - begin + width]
