"""Data sets in folders of images, in memory and streamed."""

import os
import shutil
import sys

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from tf_lottery.data import load_dataset
from tf_lottery.data.order import Epoch


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.asarray(pixels, np.uint8)
    encode = tf.io.encode_png if path.suffix == ".png" else tf.io.encode_jpeg
    path.write_bytes(encode(pixels).numpy())


def colour(value, size=(8, 6)):
    return np.full((*size, 3), np.array([value, 255 - value, 7]))


def fill(root, counts, suffix=".png"):
    """Images of one colour each, by which they are known again."""
    value = 0
    for folder, count in counts.items():
        for number in range(count):
            write(root / folder / f"{number}{suffix}", colour(value))
            value += 1
    return root


@pytest.fixture
def divided(tmp_path):
    counts = {"train/dog": 4, "train/cat": 3, "test/cat": 2, "test/dog": 1}
    return fill(tmp_path / "pets", counts)


def values(split):
    return split.images[:, 0, 0, 0].tolist()


def test_splits_and_classes_are_those_of_the_folders(divided):
    write(divided / "train" / "cat" / "more" / "x.png", colour(99))
    write(divided / "train" / "cat" / ".hidden.png", colour(100))
    (divided / "train" / "cat" / "about.txt").write_text("mine")
    data = load_dataset(f"folder:{divided}")
    assert data.class_names == ("cat", "dog")
    assert (values(data.train), data.train.labels.tolist()) == (
        [4, 5, 6, 99, 0, 1, 2, 3],
        [0] * 4 + [1] * 4,
    )
    assert (values(data.test), data.test.labels.tolist()) == ([7, 8, 9], [0, 0, 1])
    np.testing.assert_array_equal(data.test.images[0], colour(7))
    assert "1 other file is left out: train/cat/about.txt." in data.notes


def test_folders_that_are_left_out_are_told_of(divided, tmp_path):
    fill(tmp_path / "elsewhere", {"more": 2})
    (divided / "train" / "cat" / "linked").symlink_to(tmp_path / "elsewhere" / "more")
    shutil.copytree(divided / "test", divided / "spare")
    data = load_dataset(f"folder:{divided}")
    assert (len(data.train), data.validation) == (7, None)
    assert data.notes[1:] == (
        "1 other file is left out: train/cat/linked.",
        "left out, as no split is called so: spare.",
    )


@pytest.mark.parametrize(
    ("train", "test", "held_out"), [("Training", "Testing", "VAL"), ("TRAIN", "test", "valid")]
)
def test_splits_of_other_names_are_known_where_all_folders_are_called_so(
    divided, train, test, held_out
):
    shutil.copytree(divided / "test", divided / held_out)
    (divided / "train").rename(divided / "spare")
    (divided / "spare").rename(divided / train)
    (divided / "test").rename(divided / test)
    data = load_dataset(f"folder:{divided}")
    assert data.class_names == ("cat", "dog")
    assert (len(data.train), values(data.test), values(data.validation)) == (
        7,
        [7, 8, 9],
        [7, 8, 9],
    )
    # Beside others, it may be a class.
    shutil.copytree(divided / held_out, divided / "walking")
    if train == "Training":
        data = load_dataset(f"folder:{divided}")
        assert data.class_names == tuple(sorted([train, test, held_out, "walking"]))


def test_of_two_folders_of_one_split_none_is_chosen(divided):
    shutil.copytree(divided / "test", divided / "Testing")
    with pytest.raises(ValueError, match=r"it has Testing/ and test/, both for test; keep one"):
        load_dataset(f"folder:{divided}")


def test_validation_images_of_the_folder(divided):
    shutil.copytree(divided / "test", divided / "val")
    data = load_dataset(f"folder:{divided}", validation_examples=200)
    assert (len(data.train), values(data.validation)) == (7, [7, 8, 9])
    shutil.rmtree(divided / "test")
    data = load_dataset(f"folder:{divided}", validation_examples=2)
    assert (values(data.test), len(data.train), len(data.validation)) == ([7, 8, 9], 5, 2)


def test_of_an_undivided_folder_a_share_of_each_class_is_tested_on(tmp_path):
    root = fill(tmp_path / "pets", {"cat": 10, "dog": 20})
    data = load_dataset(f"folder:{root}")
    assert np.bincount(data.test.labels).tolist() == [2, 4]
    assert sorted(values(data.train) + values(data.test)) == list(range(30))
    half = load_dataset(f"folder:{root}?test=0.5")
    assert np.bincount(half.test.labels).tolist() == [5, 10]


def test_grey_images_have_one_channel_unless_there_are_colours(tmp_path):
    for name in ("a", "b"):
        for number in range(4):
            write(tmp_path / name / f"{number}.png", np.full((5, 5, 1), 40 * number))
    data = load_dataset(f"folder:{tmp_path}")
    assert data.input_shape == (5, 5, 1)
    write(tmp_path / "a" / "0.jpg", np.full((5, 5, 3), 9))
    assert load_dataset(f"folder:{tmp_path}").input_shape == (5, 5, 3)


@pytest.mark.parametrize("streaming", ["off", "on"])
@pytest.mark.parametrize("suffix", [".bmp", ".gif"])
def test_grey_bmp_and_gif_files_are_read(tmp_path, suffix, streaming):
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(2):
            # As it is: other palettes than that of all greys are colours.
            PIL.Image.fromarray(ramp).save(tmp_path / name / f"{number}{suffix}", optimize=False)
    data = load_dataset(f"folder:{tmp_path}", streaming=streaming)
    assert data.input_shape == (16, 16, 1)
    test = data.test
    images = test.images if streaming == "off" else next(iter(test.batches(2)))[0].numpy()
    np.testing.assert_array_equal(images, np.stack([ramp[..., np.newaxis]] * 2))


def test_bmp_files_with_a_palette_are_refused_as_tensorflow_reads_other_colours(divided):
    picture = PIL.Image.fromarray(np.full((8, 6, 3), [200, 10, 90], np.uint8)).quantize(4)
    picture.save(divided / "train" / "cat" / "0.png")
    assert load_dataset(f"folder:{divided}").train.images[0, 0, 0].tolist() == [200, 10, 90]
    picture.save(divided / "train" / "cat" / "0.bmp")
    with pytest.raises(ValueError, match=r"train/cat/0.bmp \(a BMP with a palette"):
        load_dataset(f"folder:{divided}")
    assert len(load_dataset(f"folder:{divided}", skip_unreadable=True).train) == 7


def test_with_image_size_images_are_resized_as_keras_does(divided):
    write(
        divided / "train" / "cat" / "0.png", np.random.default_rng(0).integers(0, 256, (9, 12, 3))
    )
    with pytest.raises(
        ValueError, match=r"differ in size, such as train/cat/0.png \(9x12\) and tr"
    ):
        load_dataset(f"folder:{divided}")
    data = load_dataset(f"folder:{divided}", image_size=4, streaming="off")
    import tf_keras as keras

    theirs = keras.utils.image_dataset_from_directory(
        divided / "train", image_size=(4, 4), shuffle=False, batch_size=None
    )
    images, labels = map(np.stack, zip(*theirs.as_numpy_iterator(), strict=True))
    np.testing.assert_allclose(data.train.images, images, atol=0.5)
    np.testing.assert_array_equal(data.train.labels, labels)


@pytest.mark.slow
def test_images_of_different_sizes_are_streamed(divided):
    write(divided / "train" / "cat" / "0.png", np.full((20, 30, 3), 90))
    streamed = {"image_size": 6, "validation_examples": 2, "smallest_crop": 1.0}
    data = load_dataset(f"folder:{divided}", **streamed)
    assert (data.classes, data.class_names, data.input_shape) == (2, ("cat", "dog"), (6, 6, 3))
    assert (len(data.train), len(data.validation), len(data.test)) == (5, 2, 3)

    def read(stream):
        found = []
        for images, labels, *_ in stream.as_numpy_iterator():
            assert images.shape[1:] == (6, 6, 3)
            found += [(image[0, 0, 0], label) for image, label in zip(images, labels, strict=True)]
        return [(int(value), int(label)) for value, label in found if label >= 0]

    assert sorted(read(data.test.batches(2))) == [(7, 0), (8, 0), (9, 1)]
    orders = [read(data.train.batches(Epoch(0, 0, number), 0, 5)) for number in range(3)]
    everything = sorted([*orders[0], *read(data.validation.batches(2))])
    assert everything == [(0, 1), (1, 1), (2, 1), (3, 1), (5, 0), (6, 0), (90, 0)]
    assert sorted(orders[1]) == sorted(orders[0])
    assert len({tuple(order) for order in orders}) > 1
    assert read(data.train.batches(Epoch(0, 0, 1), 0, 5)) == orders[1]
    assert load_dataset(f"folder:{divided}", **streamed).fingerprint() == data.fingerprint()
    write(divided / "test" / "cat" / "0.png", np.random.default_rng(0).integers(0, 256, (8, 6, 3)))
    assert load_dataset(f"folder:{divided}", **streamed).fingerprint() != data.fingerprint()


@pytest.mark.skipif(sys.platform != "linux", reason="names are texts elsewhere")
def test_images_whose_names_are_not_utf_8_are_streamed_too(divided):
    image = divided / "train" / "cat" / "0.png"
    image.rename(os.fsdecode(os.fsencode(image.parent) + b"/\xfc.png"))
    data = load_dataset(f"folder:{divided}", streaming="on", smallest_crop=1.0)
    images = next(iter(data.train.batches(Epoch(0, 0, 0), 0, 7)))[0]
    assert sorted(images[:, 0, 0, 0].numpy()) == list(range(7))
    assert len(data.fingerprint()) == 64


@pytest.mark.parametrize("options", [{}, {"streaming": "on", "image_size": 6}])
def test_images_that_cannot_be_read_are_named_and_skipped_by_flag_alone(divided, options, capsys):
    fill(divided, {"train/cat": 3}, ".jpg")
    cut = divided / "train" / "cat" / "1.jpg"
    cut.write_bytes(cut.read_bytes()[:-60])
    (divided / "train" / "dog" / "2.png").write_bytes(b"no image")
    (divided / "test" / "dog" / "empty.png").touch()
    said = (
        r"cannot be read: train/cat/1.jpg \([^{\[]*\); train/dog/2.png \(no JPEG, .*"
        "test/dog/empty.png"
    )
    with pytest.raises(ValueError, match=f"^--dataset=folder:.*{said}.*--skip_unreadable"):
        load_dataset(f"folder:{divided}", **options)
    data = load_dataset(f"folder:{divided}", skip_unreadable=True, **options)
    assert (len(data.train), len(data.test)) == (8, 3)
    assert "left out, as they cannot be read: train/cat/1.jpg" in capsys.readouterr().out


def test_an_image_that_is_damaged_inside_is_named_where_all_are_read(divided):
    path = divided / "train" / "cat" / "0.png"
    content = bytearray(path.read_bytes())
    content[-30] ^= 255
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"images that cannot be read: train/cat/0.png \("):
        load_dataset(f"folder:{divided}")
    assert len(load_dataset(f"folder:{divided}", skip_unreadable=True).train) == 6


def test_a_streamed_image_that_is_damaged_inside_is_named_and_another_takes_its_place(
    divided, capsys
):
    streamed = {"streaming": "on", "image_size": 6, "smallest_crop": 1.0}
    whole = load_dataset(f"folder:{divided}", **streamed)
    path = divided / "train" / "cat" / "0.png"
    content = bytearray(path.read_bytes())
    content[-30] ^= 255
    path.write_bytes(content)
    damaged = load_dataset(f"folder:{divided}", **streamed)
    said = r"cannot be read: train/cat/0.png \(.*; restore them, .* stopped.*--skip_unreadable"
    with pytest.raises(ValueError, match=said):
        damaged.pixel_statistics()
    with pytest.raises(ValueError, match=said), damaged.naming_unreadable():
        list(damaged.train.batches(Epoch(0, 0, 1), 0, 7))
    with pytest.raises(tf.errors.OpError, match="other"), whole.naming_unreadable():
        path.write_bytes(path.with_name("1.png").read_bytes())
        raise tf.errors.InvalidArgumentError(None, None, "other")
    path.write_bytes(content)
    capsys.readouterr()
    skipping = load_dataset(f"folder:{divided}", skip_unreadable=True, **streamed)
    assert "cannot be read: train/cat/0.png (" in capsys.readouterr().out
    assert skipping.fingerprint() == whole.fingerprint()
    ((images, labels, _),) = skipping.train.batches(Epoch(0, 0, 1), 0, 7)
    cats = images.numpy()[labels.numpy() == 0]
    assert len(np.unique(cats, axis=0)) == len(cats) - 1


@pytest.mark.parametrize(
    ("counts", "options", "said"),
    [
        ({"train/a": 2, "train/b": 2, "test/c": 1}, "", "test/c is a class that the training imag"),
        (
            {"train/a": 2, "test/a": 1},
            "",
            "train needs a folder for each of at least 2 classes, and has a",
        ),
        ({"train/a": 2, "train/b": 2}, "", "it has train/, and neither test/ nor validation/"),
        ({"test/a": 2, "test/b": 2}, "", "it has test/, and no train/"),
        ({"train/a": 2, "train/b": 0, "test/a": 1}, "", "needs a folder for each of at least 2"),
        ({"train/a": 1, "train/b": 1, "test/a": 1}, "?test=0.3", "test= is for folders without"),
        ({"a": 2, "b": 2}, "?test=7", "test=7: use a share"),
        ({}, "", "of at least 2 classes, and has none"),
    ],
)
def test_folders_that_are_not_as_they_should_be(tmp_path, counts, options, said):
    root = fill(tmp_path / "pets", counts)
    root.mkdir(exist_ok=True)
    with pytest.raises(ValueError, match=f"^--dataset=folder:.*{said}"):
        load_dataset(f"folder:{root}{options}")


def test_an_empty_class_is_kept_and_one_without_images_tells_which_are(divided):
    (divided / "train" / "ant").mkdir()
    data = load_dataset(f"folder:{divided}")
    assert (data.class_names, data.train.labels.min()) == (("ant", "cat", "dog"), 1)
    shutil.rmtree(divided / "test" / "cat")
    shutil.rmtree(divided / "test" / "dog")
    (divided / "test" / "dog").mkdir()
    with pytest.raises(ValueError, match=r"no images for the test split; names .*\.png"):
        load_dataset(f"folder:{divided}")


def test_of_one_image_of_each_class_none_can_be_tested_on(tmp_path):
    root = fill(tmp_path / "pets", {"cat": 1, "dog": 1})
    with pytest.raises(ValueError, match=r"no class has two examples, of which one could be test"):
        load_dataset(f"folder:{root}")
