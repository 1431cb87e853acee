"""A pruned model, and what TensorFlow alone makes of its export."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import keras as keras_3
import numpy as np
import pytest
import tf_keras as keras

import tf_lottery

_TENSORFLOW_ALONE = """
import importlib.machinery
import sys

BLOCKED = {"tf_keras", "keras", "tensorflow_model_optimization", "tf_lottery"}

class OthersFinder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            return None
        return importlib.machinery.PathFinder.find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(importlib.machinery.PathFinder)] = OthersFinder
import numpy as np
import tensorflow as tf

folder, inputs, outputs = sys.argv[1:]
loaded = tf.saved_model.load(folder)
serve = loaded.signatures["serving_default"]
(name,) = serve.structured_input_signature[1]
(result,) = serve(**{name: tf.constant(np.load(inputs))}).values()
weights = {variable.name: variable.numpy() for variable in loaded.variables}
np.savez(outputs, result=result.numpy(), **weights)
assert not BLOCKED & {name.split(".")[0] for name in sys.modules}
"""


@pytest.fixture(scope="session")
def serve(tmp_path_factory) -> Callable[[Path, np.ndarray], dict[str, np.ndarray]]:
    """Returns a function that loads and calls a SavedModel where only TensorFlow can be imported.

    It gives the outputs as "result", and all variables by their names.
    """

    def run(folder: Path, inputs: np.ndarray) -> dict[str, np.ndarray]:
        files = tmp_path_factory.mktemp("serving")
        np.save(files / "inputs.npy", inputs)
        arguments = [folder, files / "inputs.npy", files / "outputs.npz"]
        subprocess.run(
            [sys.executable, "-c", _TENSORFLOW_ALONE, *map(str, arguments)],
            check=True,
            timeout=100,
        )
        with np.load(files / "outputs.npz") as outputs:
            return dict(outputs)

    return run


@pytest.fixture(name="keras", params=[keras, keras_3], ids=["tf_keras", "keras_3"])
def both_keras(request):
    """The module, for tests that hold with tf_keras and with Keras 3."""
    return request.param


@pytest.fixture(scope="session")
def ticket() -> keras.Model:
    """A pruned model of raw 4x4 pixels, with a hole in its mask; not to be changed."""
    return _build_ticket()


@pytest.fixture
def own_ticket() -> keras.Model:
    """The same, which may be changed."""
    return _build_ticket()


def _build_ticket() -> keras.Model:
    keras.utils.set_random_seed(1)
    dense = keras.Sequential(
        [
            keras.layers.Rescaling(1 / 16, input_shape=(4, 4, 1)),
            keras.layers.Conv2D(3, 3, name="conv"),
            keras.layers.BatchNormalization(name="normalization"),
            keras.layers.Flatten(),
            keras.layers.Dense(5, name="output"),
        ]
    )
    model = tf_lottery.prunable(dense)
    generator = np.random.default_rng(0)
    mask = tf_lottery.get_mask(model)
    holes = {name: generator.random(array.shape) < 0.4 for name, array in mask.items()}
    tf_lottery.set_mask(model, tf_lottery.Mask(holes))
    return model
