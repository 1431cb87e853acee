"""Networks that are random in themselves."""

import keras as keras_3
import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras_2

import tf_lottery
from tf_lottery.exporting.export import export
from tf_lottery.exporting.network_of import network_of
from tf_lottery.exporting.randomness import check_is_not_random

ROWS = np.random.default_rng(5).standard_normal((40, 4)).astype(np.float32)
AGAIN = "is random in itself: it computes other outputs when it is called again on the same inputs"


def problem_of(model, inputs=ROWS) -> str:
    network = network_of(model, (inputs, None))
    with pytest.raises(ValueError, match=AGAIN) as refusal:
        check_is_not_random(network, {network.inputs[0].name: inputs})
    return str(refusal.value)


def stochastic_depth(keras):
    """A layer that skips examples in inference too."""

    class StochasticDepth(keras.layers.Layer):
        def call(self, inputs):
            return inputs * tf.cast(tf.random.uniform((tf.shape(inputs)[0], 1)) < 0.5, inputs.dtype)

    return StochasticDepth(name="skips")


def test_layers_that_are_called_with_training_are_named():
    layers = keras_2.layers
    given = keras_2.Input((4,))
    hidden = layers.Dropout(0.5, name="first")(layers.Dense(8)(given), training=True)
    hidden = layers.Dropout(0.5, name="in_training_alone")(hidden)
    noisy = layers.GaussianNoise(0.1, name="second")(hidden, training=True)
    inner_input = keras_2.Input((8,))
    inner = layers.Dropout(0.5, name="third")(layers.Dense(8)(inner_input), training=True)
    block = keras_2.Model(inner_input, inner, name="block")
    model = keras_2.Model(given, layers.Dense(2)(block(noisy)), name="noisy")
    problem = problem_of(tf_lottery.prunable(model))
    assert problem.startswith(f"source=noisy {AGAIN}")
    named = "because of first (Dropout), second (GaussianNoise), block/third (Dropout). So no file"
    assert named in problem


def test_inference_in_keras_3_leaves_out_what_is_called_with_training():
    given = keras_3.Input((4,))
    outputs = keras_3.layers.Dropout(0.5)(given, training=True)
    model = keras_3.Model(given, outputs)
    assert not np.array_equal(model(ROWS), ROWS)
    network = network_of(model)
    check_is_not_random(network, {network.inputs[0].name: ROWS})
    assert np.array_equal(model.predict(ROWS, verbose=0), ROWS)


def test_layers_that_are_random_by_themselves_are_named(keras):
    layers = [keras.layers.Dense(8), stochastic_depth(keras), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((4,)), *layers])
    assert "because of skips (StochasticDepth). " in problem_of(model)


def test_a_seed_does_not_hide_randomness(keras):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((4,)), stochastic_depth(keras)])
    problem_of(model)


def test_a_subclassed_model_is_random_as_a_whole(keras):
    class Noisy(keras.Model):
        def __init__(self):
            super().__init__(name="noisy")
            self.dropout = keras.layers.Dropout(0.5)

        def call(self, inputs):
            return self.dropout(inputs, training=True)

    model = Noisy()
    model(ROWS)
    assert "in which layers cannot be seen in a subclassed model" in problem_of(model)


def test_networks_that_draw_nothing_in_inference_pass(keras):
    layers = keras.layers
    given = keras.Input((4,))
    hidden = layers.Dropout(0.5)(layers.BatchNormalization()(layers.Dense(8)(given)))
    network = network_of(keras.Model(given, layers.GaussianNoise(0.1)(hidden)))
    check_is_not_random(network, {network.inputs[0].name: ROWS})


def test_random_networks_are_not_exported(keras, tmp_path):
    model = keras.Sequential([keras.Input((4,)), stochastic_depth(keras)], name="random")
    with pytest.raises(ValueError, match=f"source=random {AGAIN}.* skips"):
        export(model, tmp_path / "out", test_data=(ROWS, None))
    assert not list(tmp_path.iterdir())
