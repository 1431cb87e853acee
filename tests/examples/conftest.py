"""The modules of the examples, and small data and networks for them."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="session")
def example() -> dict[str, ModuleType]:
    """The modules of the transfer, by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(EXAMPLES)
        return {name: import_module(name) for name in ("own_images", "pretrained", "transfer")}


@pytest.fixture(scope="session")
def write_images() -> Callable[[Path, int], None]:
    """Returns a function that fills a folder with so many images of each of two classes.

    Images of 20x20 pixels: bright at the top in class "above", at the bottom in "below".
    """

    def write(folder: Path, per_class: int) -> None:
        rng = np.random.default_rng(0)
        for name, rows in (("above", slice(0, 10)), ("below", slice(10, 20))):
            (folder / name).mkdir(parents=True)
            for number in range(per_class):
                pixels = rng.integers(0, 60, (20, 20, 3))
                pixels[rows] += 150
                png = tf.io.encode_png(tf.constant(pixels, tf.uint8)).numpy()
                (folder / name / f"{number}.png").write_bytes(png)

    return write


@pytest.fixture
def build_tiny(example, monkeypatch) -> Callable[..., keras.Model]:
    """A constructor like those of `tf_keras.applications`, known to the example as "Tiny"."""
    monkeypatch.setitem(example["pretrained"].NETWORKS, "Tiny", _tiny)
    return _tiny


def preprocess_input(pixels: np.ndarray) -> np.ndarray:
    """What "Tiny" wants, found where the example looks for it."""
    return pixels / 127.5 - 1


def _tiny(include_top, weights, input_shape, pooling=None, classes=7, filters=4) -> keras.Model:
    layers = [
        keras.layers.Conv2D(filters, 3, strides=4, input_shape=input_shape, name="convolution"),
        keras.layers.BatchNormalization(name="normalization"),
        keras.layers.DepthwiseConv2D(3, activation="relu", name="depthwise"),
        keras.layers.Conv2D(8, 3, activation="relu", name="second"),
        keras.layers.GlobalAveragePooling2D(),
    ]
    if include_top:
        layers.append(keras.layers.Dense(classes, name="predictions"))
    inputs = keras.Input(input_shape)
    outputs = inputs
    for layer in layers:
        outputs = layer(outputs)
    return keras.Model(inputs, outputs, name="tiny")
