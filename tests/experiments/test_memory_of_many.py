"""Many trainings in one process: nothing of those before is held."""

import gc
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from tensorflow.python.framework.func_graph import FuncGraph

import tf_lottery
from tf_lottery.training.network import Network


def living(*kinds: type) -> Counter[str]:
    """The number of objects of each kind."""
    gc.collect()
    found = Counter[str]()
    for each in gc.get_objects():
        # Not `isinstance`, which has some objects import what they stand for.
        found.update(kind.__name__ for kind in kinds if issubclass(type(each), kind))
    return found


@pytest.mark.slow
def test_experiments_of_different_networks(tmp_path: Path, run_tiny: Callable[..., Path]):
    counts = []
    for units in range(10, 15):
        lengths = {"train_steps": "4it", "evaluate_every": "2it", "rewind_step": "1it", "levels": 1}
        run_tiny(tmp_path / str(units), model=f"lenet_{units}_10", **lengths)
        counts.append(living(FuncGraph, Network, keras.Model, tf.Variable, tf.data.Dataset))
    assert not counts[4] - counts[1]


@pytest.mark.slow
@pytest.mark.parametrize("restored", [False, True])
def test_searches(tmp_path: Path, restored: bool):
    x, y = np.ones((20, 6), np.float32), np.arange(20) % 3
    counts = []
    for number in range(5):
        layers = [keras.layers.Dense(5, "relu", input_shape=(6,)), keras.layers.Dense(3)]
        model = tf_lottery.prunable(keras.Sequential(layers))
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        search = tf_lottery.IterativeMagnitudePruning(model, levels=1, rewind_step=1)
        search.fit(x, y, batch_size=10, epochs=1, verbose=0)
        if restored:
            tf_lottery.export_saved_model(search.restore(1), tmp_path / str(number))
        del layers, model, search
        # What TensorFlow itself keeps of every `model.fit`, variables at times, is not ours.
        counts.append(living(Network, keras.Model, tf.data.Dataset))
    assert not counts[4] - counts[1]
