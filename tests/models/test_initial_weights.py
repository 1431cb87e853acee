"""Initial weights of the user's networks are those of the seed, whatever layers they are of."""

import hashlib
import random
import sys

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_lottery.models.build import build_model

MODULE = """
import numpy as np
import tensorflow as tf
import tf_keras as keras

layers = keras.layers

def plain(inputs, classes):
    x = layers.Conv2D(6, 3, activation="relu", name="conv")(inputs)
    x = layers.SeparableConv2D(5, 3, name="separable")(x)
    x = layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = keras.Sequential([layers.Conv2D(4, 1), layers.BatchNormalization()], name="block")(x)
    x = layers.Dense(8, activation="relu", name="hidden")(layers.Flatten()(x))
    return layers.Dense(classes, name="output")(x)

def with_layer(make):
    def build(inputs, classes):
        x = make()(layers.Reshape((8, 8))(inputs))
        return layers.Dense(classes, name="output")(layers.Flatten()(x))
    return build

lstm = with_layer(lambda: layers.LSTM(6, dropout=0.2, recurrent_dropout=0.2))
lstm_bias = with_layer(lambda: layers.LSTM(6, bias_initializer="random_normal"))
both_ways = with_layer(lambda: layers.Bidirectional(layers.LSTM(50), name="both"))
two_kinds = with_layer(
    lambda: layers.Bidirectional(layers.GRU(6), backward_layer=layers.LSTM(6, go_backwards=True))
)
cells = with_layer(lambda: layers.RNN([layers.LSTMCell(6), layers.GRUCell(6)]))
each = with_layer(lambda: layers.TimeDistributed(layers.Dense(5), name="each"))
each_twice = with_layer(
    lambda: layers.TimeDistributed(keras.Sequential([layers.Dense(8), layers.Dense(8)]))
)
slopes = with_layer(lambda: layers.PReLU(alpha_initializer="uniform"))
fixed = with_layer(
    lambda: layers.Dense(8, bias_initializer=keras.initializers.RandomNormal(seed=5), name="dense")
)

def embedding(inputs, classes):
    x = layers.Embedding(200, 40, name="words")(layers.Flatten()(inputs))
    return layers.Dense(classes, name="output")(layers.GlobalAveragePooling1D()(x))

def attention(inputs, classes):
    x = layers.Reshape((8, 8))(inputs)
    x = layers.MultiHeadAttention(2, 4, name="attention")(x, x)
    return layers.Dense(classes, name="output")(layers.Flatten()(x))

class Own(layers.Layer):
    def __init__(self, initializer="glorot_uniform", **options):
        super().__init__(**options)
        self.initializer = keras.initializers.get(initializer)
        self.inner = layers.MultiHeadAttention(2, 4)

    def build(self, shape):
        self.first = self.add_weight("first", (8, 8), initializer=self.initializer)
        self.second = self.add_weight("second", (8, 8), initializer=self.initializer)
        self.third = self.add_weight("third", (8, 8), initializer="he_normal")
        self.of_tensorflow = tf.Variable(tf.random.normal((8, 8)), name="of_tensorflow")
        self.of_numpy = tf.Variable(
            lambda: np.random.normal(size=(8, 8)).astype("float32"), name="of_numpy"
        )

    def call(self, x):
        x = self.inner(x, x) @ self.first @ self.second @ self.third
        return x @ self.of_tensorflow @ self.of_numpy

    def get_config(self):
        return super().get_config() | {
            "initializer": keras.initializers.serialize(self.initializer)
        }

own_layer = with_layer(Own)

@keras.utils.register_keras_serializable("lottery_tests")
class Normal(keras.initializers.Initializer):
    def __call__(self, shape, dtype=None, **options):
        return tf.random.normal(shape, dtype=dtype)

@keras.utils.register_keras_serializable("lottery_tests")
class Entropy(keras.initializers.Initializer):
    def __call__(self, shape, dtype=None, **options):
        return tf.constant(np.random.default_rng().normal(size=shape), dtype)

own_initializer = with_layer(lambda: layers.Dense(5, bias_initializer=Normal()))
entropy = with_layer(lambda: layers.Dense(5, bias_initializer=Entropy(), name="dense"))
"""
SHAPE = (8, 8, 1)
DRAWN = [
    *("lstm", "both_ways", "embedding", "attention", "own_layer", "own_initializer"),
    *(
        pytest.param(name, marks=pytest.mark.slow)
        for name in ("lstm_bias", "two_kinds", "cells", "each", "each_twice", "slopes")
    ),
]


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """The current folder, with a module of networks."""
    folder = tmp_path_factory.mktemp("networks")
    (folder / "drawn_nets.py").write_text(MODULE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", [*sys.path])
        yield folder
    sys.modules.pop("drawn_nets", None)


def build(function, seed=3, shape=SHAPE, **options):
    return build_model(f"drawn_nets:{function}", shape, 4, seed, ((0.5,), (0.25,)), **options)


def drawn(function, seed=3, **options):
    """The weights that are not constant, by name."""
    values = {weight.name: weight.numpy() for weight in build(function, seed, **options).weights}
    return {name: value for name, value in values.items() if value.std() > 0 and value.ndim}


def seed_of(*numbers):
    return int(np.random.SeedSequence(numbers).generate_state(1)[0]) >> 1


def glorot(seed, shape):
    return keras.initializers.GlorotNormal(seed=seed)(shape).numpy()


@pytest.mark.parametrize(
    ("options", "digest"),
    [
        ({}, "0b19873bae3d443c23ce7647de272164502cb0c00bc83911faeca13dd017686e"),
        (
            {"initializer": "normal", "init_stddev": 0.1, "batch_norm_init": "uniform"},
            "8d2e36c28ecc6cf0ba67cf1b51cc6405ac474b19b5ce3e3995b014a6cc3c07a4",
        ),
    ],
)
def test_kernels_of_layers_that_have_one_stay_those_of_earlier_versions(options, digest):
    weights = build("plain", 7, (8, 8, 3), **options).get_weights()
    assert hashlib.sha256(b"".join(map(np.ndarray.tobytes, weights))).hexdigest() == digest


@pytest.mark.parametrize("function", DRAWN)
def test_all_that_is_drawn_is_of_the_seed_and_of_its_place(function):
    names, first = zip(*drawn(function).items(), strict=True)
    # Keras numbers the layers that a layer makes by what the process has built before.
    again, other = drawn(function).values(), drawn(function, seed=4).values()
    for name, values, same, differs in zip(names, first, again, other, strict=True):
        np.testing.assert_array_equal(values, same, err_msg=name)
        # Forget gates have a constant bias.
        assert set(np.unique(values)) == {0, 1} or not np.array_equal(values, differs), name
    kernels = [values for values in first if set(np.unique(values)) != {0, 1}]
    assert len(kernels) > 1
    assert len({values.tobytes() for values in kernels}) == len(kernels)


def test_weights_of_every_replica_are_the_same(mirrored):
    one = build("own_layer")
    with mirrored.scope():
        two = build("own_layer")
    for weight, copies in zip(one.weights, two.weights, strict=True):
        for copy in copies.values:
            np.testing.assert_array_equal(weight, copy, err_msg=weight.name)


def test_a_layer_with_several_kernels_draws_each_by_itself():
    query, key, value, *_ = (
        weight.numpy() for weight in build("attention").weights if "/kernel" in weight.name
    )
    np.testing.assert_array_equal(query, glorot(seed_of(3, 0), query.shape))
    np.testing.assert_array_equal(key, glorot(seed_of(3, 0, 2), key.shape))
    np.testing.assert_array_equal(value, glorot(seed_of(3, 1, 2), value.shape))


def test_layers_within_layers_take_the_initializer_and_no_seed_of_others():
    model = build("each")
    kernel, output = model.get_layer("each").layer.kernel, model.get_layer("output").kernel
    np.testing.assert_array_equal(kernel, glorot(seed_of(3, 0, 2), kernel.shape))
    np.testing.assert_array_equal(output, glorot(seed_of(3, 0), output.shape))
    weights = drawn("both_ways", initializer="normal", init_stddev=0.001)
    for way in ("forward", "backward"):
        kernel = weights[f"both/{way}_lstm/lstm_cell/kernel:0"]
        assert kernel.std() == pytest.approx(0.001, rel=0.1)


def test_what_is_no_kernel_keeps_its_distribution():
    recurrent = drawn("both_ways")["both/backward_lstm/lstm_cell/recurrent_kernel:0"]
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(50), atol=1e-5)
    words = drawn("embedding")["words/embeddings:0"]
    assert 0.049 < abs(words).max() < 0.05
    biases = [drawn("fixed", seed)["dense/bias:0"] for seed in (3, 4)]
    expected = keras.initializers.RandomNormal(seed=5)((8,))
    np.testing.assert_array_equal(biases, [expected, expected])


def test_what_no_seed_chooses_is_refused():
    said = r"^--model=drawn_nets:entropy: the initial values of dense/bias are others each time"
    with pytest.raises(ValueError, match=said):
        build("entropy")


def test_what_others_draw_goes_on_as_before():
    def numbers():
        return [random.random(), np.random.random(), float(tf.random.uniform([]))]  # noqa: NPY002

    build("own_layer")
    keras.utils.set_random_seed(1)
    expected = numbers()
    keras.utils.set_random_seed(1)
    build("own_layer")
    assert numbers() == expected
