"""Networks of `tf_keras.applications` with weights from a file, as classifiers of raw pixels."""

import inspect
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras as keras

# EfficientNetB0 to B7 compute something else when Keras downloads their weights than when it reads
# them from a file; which of the two a file belongs to cannot be seen.
NETWORKS = {
    name: constructor
    for name, constructor in inspect.getmembers(keras.applications, inspect.isfunction)
    if not name.startswith("EfficientNetB")
}

# The 0.99 or 0.999 of most networks takes thousands of steps to forget the statistics of the images
# that it was pretrained with.
BATCH_NORM_MOMENTUM = 0.9


def has_alpha(name: str) -> bool:
    """Whether the network of this name comes in several widths."""
    return "alpha" in inspect.signature(NETWORKS[name]).parameters


def build(name: str, alpha: float, size: int, classes: int) -> tuple[keras.Model, keras.Model]:
    """Builds a network without its last layer, and a classifier around it.

    Args:
      name: one of `NETWORKS`.
      alpha: width, for networks that have one.
      size: height and width of the images.
      classes: number of logits.

    Returns:
      The network, from preprocessed images to features; and the classifier, which has it as a
      layer, from pixels of 0 to 255, `[batch, size, size, 3]`, to logits `[batch, classes]`.

    Raises:
      ValueError: if the images are too small for the network.
    """
    shape = (size, size, 3)
    width = {"alpha": alpha} if has_alpha(name) else {}
    try:
        network = NETWORKS[name](
            include_top=False, weights=None, input_shape=shape, pooling="avg", **width
        )
    except ValueError as error:
        raise ValueError(f"--image_size={size} does not suit {name}: {error}") from error
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = BATCH_NORM_MOMENTUM
    pixels = keras.Input(shape)
    features = network(preprocess(NETWORKS[name], pixels))
    logits = keras.layers.Dense(classes, name="head")(features)
    return network, keras.Model(pixels, logits, name=f"transferred_{name}")


def preprocess(constructor: Callable, pixels: tf.Tensor) -> tf.Tensor:
    """Does what the function `preprocess_input` beside a constructor does, by a frozen layer.

    Such a function scales and shifts the channels, and may swap them; so does a 1x1 convolution,
    which all formats can hold. What it does is read off from black and the three primary colours.
    """
    colours = np.concatenate([np.zeros([1, 3]), 255 * np.eye(3)]).astype(np.float32)
    black, *primary = inspect.getmodule(constructor).preprocess_input(colours[None, None])[0, 0]
    kernel = (np.stack(primary) - black) / 255
    if np.allclose(kernel, np.eye(3)) and not black.any():
        return pixels  # The network has layers for it.
    convolution = keras.layers.Conv2D(3, 1, trainable=False, name="preprocess")
    outputs = convolution(pixels)
    convolution.set_weights([kernel[None, None], black])
    return outputs


def load_weights(network: keras.Model, path: Path) -> None:
    """Loads what Keras saved of a network, with or without its last layer, which is not taken.

    Args:
      network: made by `build`.
      path: .h5, .weights.h5 or .keras, of weights or of a whole model.

    Raises:
      ValueError: if the file cannot be read or is of another network.
    """
    layers = [layer for layer in network.layers if layer.weights]
    first = [layer.get_weights() for layer in layers]
    # Keras does not say which layers it found in a file; those that keep these values it did not.
    unlikely = [[array + 1 for array in arrays] for arrays in first]
    for layer, arrays in zip(layers, unlikely, strict=True):
        layer.set_weights(arrays)
    # Newer files go by the order of the layers, older ones by their names too.
    options = {} if path.name.endswith((".weights.h5", ".keras")) else {"by_name": True}
    try:
        network.load_weights(path, **options)
    except (ValueError, OSError, KeyError, zipfile.BadZipFile) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"--weights={path} does not fit {network.name}; check --network and --alpha: {reason}"
        ) from error
    missing = [
        index
        for index, (layer, arrays) in enumerate(zip(layers, unlikely, strict=True))
        if all(map(np.array_equal, layer.get_weights(), arrays))
    ]
    if len(missing) == len(layers):
        raise ValueError(f"--weights={path} has no layer of {network.name}; check --network.")
    for index in missing:
        layers[index].set_weights(first[index])
    loaded = len(layers) - len(missing)
    print(f"Took over {loaded} of the {len(layers)} layers with weights from {path}")
