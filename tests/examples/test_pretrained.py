"""What examples/pretrained.py does to pixels, and how it reads files of weights."""

import sys

import numpy as np
import pytest
import tf_keras as keras

SIZE = 32


@pytest.mark.parametrize(
    "name",
    [
        "MobileNet",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("VGG16", "DenseNet121", "EfficientNetV2B0")
        ),
    ],
)
def test_preprocessing_is_what_keras_does(example, name):
    constructor = example["pretrained"].NETWORKS[name]
    pixels = keras.Input([4, 4, 3])
    layer = keras.Model(pixels, example["pretrained"].preprocess(constructor, pixels))
    images = np.random.default_rng(0).uniform(0, 255, [2, 4, 4, 3]).astype(np.float32)
    wanted = sys.modules[constructor.__module__].preprocess_input(images.copy())
    assert layer(images).numpy() == pytest.approx(wanted, abs=1e-4)
    assert not layer.trainable_weights


def test_images_that_are_too_small_are_refused(example):
    with pytest.raises(ValueError, match=r"--image_size=16 does not suit MobileNet: .*32x32"):
        example["pretrained"].build("MobileNet", 0.25, 16, classes=3)


@pytest.mark.parametrize(
    ("file", "include_top"),
    [
        *(("saved.keras", True), ("weights.h5", False)),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                *(("saved.keras", False), ("weights.h5", True), ("saved.h5", True)),
                *(("saved.h5", False), ("saved.weights.h5", True), ("saved.weights.h5", False)),
            )
        ),
    ],
)
def test_weights_of_every_kind_of_file_are_taken_over(
    example, build_tiny, tmp_path, capsys, file, include_top
):
    source = build_tiny(include_top, None, (SIZE, SIZE, 3))
    path = tmp_path / file
    (source.save if file in ("saved.keras", "saved.h5") else source.save_weights)(path)
    network, _ = example["pretrained"].build("Tiny", 1.0, SIZE, classes=3)
    example["pretrained"].load_weights(network, path)
    for layer in network.layers:
        if layer.weights:
            for array, original in zip(
                layer.get_weights(), source.get_layer(layer.name).get_weights(), strict=True
            ):
                np.testing.assert_array_equal(array, original)
    assert "Took over 4 of the 4 layers" in capsys.readouterr().out


@pytest.mark.parametrize("file", ["saved.weights.h5", "saved.keras", "saved.h5"])
def test_weights_of_another_shape_are_refused(example, build_tiny, tmp_path, file):
    source = build_tiny(True, None, (SIZE, SIZE, 3), filters=5)
    (source.save_weights if "weights" in file else source.save)(tmp_path / file)
    network, _ = example["pretrained"].build("Tiny", 1.0, SIZE, classes=3)
    with pytest.raises(ValueError, match=f"{file} does not fit tiny; check --network and --alpha"):
        example["pretrained"].load_weights(network, tmp_path / file)


def test_layers_that_a_file_lacks_keep_their_first_weights(example, build_tiny, tmp_path, capsys):
    source = build_tiny(False, None, (SIZE, SIZE, 3))
    source.get_layer("second")._name = "renamed"
    source.save_weights(tmp_path / "weights.h5")
    network, _ = example["pretrained"].build("Tiny", 1.0, SIZE, classes=3)
    second = network.get_layer("second").get_weights()
    example["pretrained"].load_weights(network, tmp_path / "weights.h5")
    for array, original in zip(network.get_layer("second").get_weights(), second, strict=True):
        np.testing.assert_array_equal(array, original)
    assert "Took over 3 of the 4 layers" in capsys.readouterr().out


def test_weights_of_none_of_the_layers_are_refused(example, build_tiny, tmp_path):
    layers = [keras.layers.Dense(2, input_shape=(3,), name="other")]
    keras.Sequential(layers).save_weights(tmp_path / "other.h5")
    network, _ = example["pretrained"].build("Tiny", 1.0, SIZE, classes=3)
    with pytest.raises(ValueError, match=r"other\.h5 has no layer of tiny"):
        example["pretrained"].load_weights(network, tmp_path / "other.h5")
