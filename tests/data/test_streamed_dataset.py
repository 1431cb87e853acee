"""Loading sets to stream, padding sets in memory, and the errors on the way."""

import hashlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from tf_lottery.data import Dataset, Epoch, StreamedDataset, from_arrays, load_dataset


def read(stream):
    return [tuple(part.numpy() for part in element) for element in stream]


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("cifar10", 10),
        pytest.param("cifar100", 100, marks=pytest.mark.slow),
        pytest.param("svhn_cropped", 10, marks=pytest.mark.slow),
    ],
)
def test_sets_of_one_image_size_are_in_memory(name, classes):
    with tfds.testing.mock_data(num_examples=20):
        data = load_dataset(name, validation_examples=5)
        padded = load_dataset(name, validation_examples=5, image_size=35)
    assert isinstance(data, Dataset)
    assert (data.classes, data.input_shape, padded.input_shape) == (
        classes,
        (32, 32, 3),
        (35, 35, 3),
    )
    assert (len(data.train), len(data.validation), len(data.test)) == (15, 5, 20)
    for split, padded_split in ((data.train, padded.train), (data.test, padded.test)):
        np.testing.assert_array_equal(padded_split.images[:, 1:33, 1:33], split.images)
        assert padded_split.images.sum(dtype=np.int64) == split.images.sum(dtype=np.int64)
        np.testing.assert_array_equal(padded_split.labels, split.labels)


def test_imagenet_is_streamed():
    with tfds.testing.mock_data(num_examples=20):
        data = load_dataset("imagenet2012", image_size=24, validation_examples=5)
        epoch = read(data.train.batches(Epoch(0, 0, 0), 0, 6, replicas=2))
        test = read(data.test.batches(8))
    assert isinstance(data, StreamedDataset)
    assert (data.name, data.classes, data.input_shape) == ("imagenet2012", 1000, (24, 24, 3))
    assert (len(data.train), len(data.validation), len(data.test)) == (15, 5, 20)
    assert [images.shape for images, *_ in epoch] == [(3, 24, 24, 3)] * 4
    assert (np.concatenate([labels for _, labels in test]) >= 0).sum() == 20
    mean, variance = data.pixel_statistics()
    assert mean == (123.675, 116.28, 103.53)
    np.testing.assert_allclose(np.sqrt(variance), (58.395, 57.12, 57.375))


def test_a_set_of_one_image_size_is_streamed_when_asked():
    with tfds.testing.mock_data(num_examples=20):
        data = load_dataset("cifar10", streaming="on")
        in_memory = load_dataset("cifar10")
        ((images, labels),) = read(data.test.batches(20))
    np.testing.assert_array_equal(images, in_memory.test.images)
    np.testing.assert_array_equal(labels, in_memory.test.labels)


def test_statistics_are_those_of_the_training_crops(prepared_jpegs):
    data = load_dataset(
        "lottery_jpegs",
        data_dir=prepared_jpegs("lottery_jpegs"),
        image_size=16,
        validation_examples=7,
        smallest_crop=1.0,
    )
    crops = [images for images, *_ in data.train.batches(Epoch(0, 0, 0), 0, 53)]
    pixels = np.concatenate(crops).reshape(-1, 3).astype(np.float64)
    mean, variance = data.pixel_statistics()
    np.testing.assert_allclose(mean, pixels.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(variance, pixels.var(axis=0), rtol=1e-10)


def test_a_test_split_without_labels_is_not_used(prepared_jpegs):
    name = "lottery_unlabelled_test"
    data = load_dataset(name, data_dir=prepared_jpegs(name), image_size=16)
    assert (len(data.train), len(data.test)) == (20, 7)
    ((_, labels),) = read(data.test.batches(7))
    assert sorted(labels) == list(range(7))


def test_fingerprints_tell_streamed_sets_apart(prepared_jpegs):
    data_dir = prepared_jpegs("lottery_jpegs")

    def fingerprint(**arguments):
        arguments = {"image_size": 16, "validation_examples": 9, **arguments}
        return load_dataset("lottery_jpegs", data_dir=data_dir, **arguments).fingerprint()

    first = fingerprint()
    assert len(first) == 64
    assert fingerprint() == first
    others = [
        fingerprint(image_size=17),
        fingerprint(validation_examples=10),
        fingerprint(validation_examples=0),
        fingerprint(split_seed=1),
    ]
    assert len({first, *others}) == 5


def test_fingerprints_of_arrays_cover_shapes_images_and_labels():
    images = np.arange(96, dtype=np.uint8).reshape(6, 4, 4, 1)
    labels = np.array([0, 1, 0, 1, 0, 1], np.int32)
    digest = hashlib.sha256()
    for size in (6, 3):
        digest.update(f"({size}, 4, 4, 1)".encode() + images[:size].tobytes())
        digest.update(labels[:size].tobytes())
    data = from_arrays((images, labels), (images[:3], labels[:3]))
    assert data.fingerprint() == digest.hexdigest()


def test_digits_are_padded_with_zeros_around():
    plain = load_dataset("digits", validation_examples=100)
    padded = load_dataset("digits", validation_examples=100, image_size=11)
    assert padded.input_shape == (11, 11, 1)
    for part in ("train", "validation", "test"):
        images = getattr(padded, part).images
        np.testing.assert_array_equal(images[:, 1:9, 1:9], getattr(plain, part).images)
        assert (images[:, 0] == 0).all()
        assert (images[:, 9:] == 0).all()
        assert (images[:, :, 9:] == 0).all()


def test_memory_is_checked_for_the_padded_size(monkeypatch):
    monkeypatch.setattr("tf_lottery.data.tfds_source.available_memory", lambda: 40 * 2000 * 3)
    with tfds.testing.mock_data(num_examples=20):
        assert len(load_dataset("cifar10").train) == 20
        with pytest.raises(ValueError, match="--dataset=cifar10 takes"):
            load_dataset("cifar10", image_size=64)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("digits", {"image_size": 7}, "--image_size=7 is smaller than .*digits, 8x8 .*Use 8"),
        ("digits", {"streaming": "on"}, "--streaming=on: --dataset=digits is not on the disk"),
        ("cifar10", {"image_size": 31}, "--image_size=31 is smaller than .*cifar10, 32x32"),
        ("cifar10", {"streaming": "maybe"}, "--streaming=maybe is not one of auto, on, off"),
        ("imagenet2012", {}, r"varying size, shape \(None, None, 3\): .*--image_size=224"),
        ("imagenet2012", {"streaming": "on"}, "--image_size=224"),
        (
            "imagenet2012",
            {"streaming": "off", "image_size": 224},
            r"--streaming=off: --dataset=imagenet2012 has images of varying size, shape \(None",
        ),
    ],
)
def test_sizes_and_streaming_that_do_not_fit(name, arguments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        load_dataset(name, data_dir=str(tmp_path), **arguments)
    assert list(tmp_path.iterdir()) == []


def test_float_images_cannot_be_streamed(tmp_path, monkeypatch):
    float_image = tfds.features.Image(shape=(5, 4, 1), dtype=np.float32)
    monkeypatch.setattr("tf_lottery.data.tfds_set.ImageSet.image", float_image)
    with pytest.raises(ValueError, match=r"--dataset=mnist cannot be streamed.*float32"):
        load_dataset("mnist", data_dir=str(tmp_path), streaming="on")


@pytest.mark.parametrize(
    ("archives", "problem"),
    [
        (None, "there is no folder .*downloads/manual"),
        ([], "archives lacks ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar"),
        (["ILSVRC2012_img_train.tar"], "archives lacks ILSVRC2012_img_val.tar"),
    ],
)
def test_archives_to_be_downloaded_by_hand_are_named(archives, problem, tmp_path):
    manual_dir = None
    if archives is not None:
        manual_dir = tmp_path / "archives"
        manual_dir.mkdir()
        for archive in archives:
            (manual_dir / archive).touch()
    (tmp_path / "data").mkdir()
    message = (
        f"--dataset=imagenet2012 is made of .*by hand, and .*{problem}.*--manual_dir.*two files: "
        "ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar.*register on https://image-net.org"
    )
    with pytest.raises(ValueError, match=message):
        load_dataset(
            "imagenet2012",
            data_dir=str(tmp_path / "data"),
            manual_dir=manual_dir and str(manual_dir),
            image_size=32,
        )
    assert not list(tmp_path.glob("data/imagenet2012/*"))


@pytest.mark.parametrize("pattern", ["*-train.tfrecord-00003*", "*-test.tfrecord-00000*"])
def test_a_copy_that_lacks_a_file_is_damaged(pattern, prepared_jpegs, tmp_path):
    shutil.copytree(prepared_jpegs("lottery_jpegs"), tmp_path / "copy")
    next((tmp_path / "copy").glob(f"lottery_jpegs/1.0.0/{pattern}")).unlink()
    with pytest.raises(ValueError, match=r"--dataset=lottery_jpegs: .* is damaged .*Delete"):
        load_dataset("lottery_jpegs", data_dir=str(tmp_path / "copy"), image_size=16)


def _cut_off(content):
    """Without the last example, as a record: its size, a checksum, the example, a checksum."""
    begin = 0
    while (end := begin + 16 + int.from_bytes(content[begin : begin + 8], "little")) < len(content):
        begin = end
    return content[:begin]


def _changed(content):
    return bytes([*content[:-20], content[-20] ^ 1, *content[-19:]])


@pytest.mark.parametrize("damage", [_cut_off, _changed])
@pytest.mark.parametrize("devices", [1, 2])
def test_a_copy_that_turns_out_to_be_damaged_while_it_is_read_is_named(
    damage, devices, prepared_jpegs, tmp_path
):
    shutil.copytree(prepared_jpegs("lottery_jpegs"), tmp_path / "copy")
    file = next((tmp_path / "copy").glob("lottery_jpegs/1.0.0/*test*tfrecord*"))
    file.write_bytes(damage(file.read_bytes()))
    data = load_dataset("lottery_jpegs", data_dir=str(tmp_path / "copy"), image_size=16)
    strategy = tf.distribute.MirroredStrategy([f"CPU:{number}" for number in range(devices)])
    batches = strategy.distribute_datasets_from_function(lambda _: data.test.batches(2 // devices))

    @tf.function
    def read(iterator):
        for _ in range(7):
            next(iterator)

    with (
        pytest.raises(ValueError, match=r"--dataset=lottery_jpegs: .* is damaged .*Delete"),
        data.naming_unreadable(),
    ):
        read(iter(batches))


def test_errors_of_the_network_are_no_damage_of_the_data(prepared_jpegs):
    name = "lottery_jpegs"
    data = load_dataset(name, data_dir=prepared_jpegs(name), image_size=16)
    with pytest.raises(tf.errors.InvalidArgumentError), data.naming_unreadable():
        tf.function(lambda x: tf.debugging.check_numerics(x, "x"))(np.inf)


def test_statistics_of_damaged_examples_are_not_estimated(prepared_jpegs):
    name = "lottery_broken_jpegs"
    data = load_dataset(name, data_dir=prepared_jpegs(name), image_size=16)
    with pytest.raises(ValueError, match=f"--dataset={name}: .* is damaged"):
        data.pixel_statistics()


def test_loading_reads_no_more_than_metadata(prepared_jpegs, monkeypatch):
    def unexpected(*_):
        raise AssertionError("examples are read")

    data_dir = prepared_jpegs("lottery_jpegs")
    monkeypatch.setattr(tf.data.Dataset, "__iter__", unexpected)
    monkeypatch.setattr(tf.data.Dataset, "as_numpy_iterator", unexpected)
    data = load_dataset("lottery_jpegs", data_dir=data_dir, image_size=16, validation_examples=3)
    assert (len(data.train), len(data.validation), len(data.test)) == (57, 3, 13)
