"""Crops of encoded images are those of the whole decoded image."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from tf_lottery.data.encoded_images import EncodedImages, decode_jpeg_window


def picture(height, width, seed=0, channels=3):
    coarse = np.random.default_rng(seed).integers(
        0, 256, (height // 6 + 1, width // 6 + 1, channels)
    )
    return tf.cast(tf.image.resize(coarse, (height, width)), tf.uint8).numpy()


def encoded_images(size=(12, 12), stored=(None, None), channels=3):
    return EncodedImages(tfds.features.Image(shape=(*stored, channels)), size)


def resized(pixels, size=(12, 12)):
    return np.round(tf.image.resize(pixels, size).numpy()).astype(np.uint8)


def random_window(shape, seed, smallest):
    start, extent, _ = tf.image.stateless_sample_distorted_bounding_box(
        shape, [[[0.0, 0.0, 1.0, 1.0]]], seed, 0.0, (3 / 4, 4 / 3), (smallest, 1.0)
    )
    return (*start[:2].numpy(), *extent[:2].numpy())


def test_a_window_of_a_jpeg_has_the_pixels_of_the_whole_image():
    generator = np.random.default_rng(1)
    for number in range(25):
        height, width = generator.integers(3, 120, 2)
        jpeg = tf.io.encode_jpeg(
            picture(height, width, number),
            chroma_downsampling=bool(number % 3),
            progressive=bool(number % 2),
        )
        whole = tf.io.decode_jpeg(jpeg, channels=3).numpy()
        for _ in range(10):
            top, left = generator.integers(0, height), generator.integers(0, width)
            window = (
                top,
                left,
                generator.integers(1, height - top + 1),
                generator.integers(1, width - left + 1),
            )
            pixels = decode_jpeg_window(jpeg, tf.cast(window, tf.int32), width, 3)
            expected = whole[top : top + window[2], left : left + window[3]]
            np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("encode", [tf.io.encode_jpeg, tf.io.encode_png])
def test_random_crops_are_resized_windows_of_the_decoded_image(encode):
    encoded = encode(picture(50, 70))
    whole = tf.io.decode_image(encoded).numpy()
    crops = set()
    for seed in range(15):
        crop = encoded_images().random_crop(encoded, [seed, 3], 0.3).numpy()
        top, left, height, width = random_window(whole.shape, [seed, 3], 0.3)
        assert 0.28 <= height * width / (50 * 70) <= 1
        assert 0.72 <= width / height <= 1.4
        window = whole[top : top + height, left : left + width]
        np.testing.assert_array_equal(crop, resized(window))
        crops.add(crop.tobytes())
    assert len(crops) == 15


def test_small_crops_are_drawn_as_well():
    areas = [np.prod(random_window((100, 100, 3), [seed, 0], 0.08)[2:]) for seed in range(300)]
    assert 700 < min(areas) < 1000
    assert 9000 < max(areas) <= 10_000


@pytest.mark.parametrize("encode", [tf.io.encode_jpeg, tf.io.encode_png])
def test_the_evaluation_crop_is_central(encode):
    encoded = encode(picture(51, 88))
    whole = tf.io.decode_image(encoded).numpy()
    images = encoded_images()
    side = int(51 * 12 / (12 + 32))
    top, left = (51 - side) // 2, (88 - side) // 2
    expected = resized(whole[top : top + side, left : left + side])
    np.testing.assert_array_equal(images.central_crop(encoded), expected)
    np.testing.assert_array_equal(images.random_crop(encoded, [1, 2], 1.0), expected)


def test_images_of_the_crops_size_are_evaluated_whole():
    pixels = picture(9, 14)
    images = encoded_images(size=(9, 14), stored=(9, 14))
    np.testing.assert_array_equal(images.central_crop(tf.io.encode_png(pixels)), pixels)
    other = encoded_images(size=(9, 9), stored=(9, 14)).central_crop(tf.io.encode_png(pixels))
    assert other.shape == (9, 9, 3)


def test_a_tiny_image_still_has_a_crop():
    for encode in (tf.io.encode_jpeg, tf.io.encode_png):
        encoded = encode(np.full((1, 2, 3), 90, np.uint8))
        for crop in (
            encoded_images().central_crop(encoded),
            encoded_images().random_crop(encoded, [0, 0], 0.08),
        ):
            assert crop.shape == (12, 12, 3)
            assert abs(crop.numpy().astype(int) - 90).max() <= 2


def test_grey_images_keep_their_channel():
    encoded = tf.io.encode_jpeg(picture(40, 40, channels=1))
    images = encoded_images(channels=1)
    assert images.shape == (12, 12, 1)
    assert images.central_crop(encoded).shape == (12, 12, 1)
