"""What is kept of a model, to notice that a search goes on with another one."""

import json
import warnings
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tf_keras

from tests.either_keras import TF_KERAS_FAST
from tf_lottery.masking.prunable import prunable, prunable_copy
from tf_lottery.tickets.fit.described_network import (
    described_loss,
    described_network,
    network_difference,
)


def ones(shape: Any, dtype: Any = None, **_: Any) -> Any:
    return np.ones(shape, np.float32)


def network(keras: ModuleType, activation: str = "relu", rate: float = 0.5, kind: str = "Dropout"):
    layers = keras.layers

    class Silent(layers.Layer):
        def get_config(self) -> Any:
            raise NotImplementedError

        def call(self, inputs: Any) -> Any:
            return inputs

    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(4, activation, kernel_initializer=ones, name="hidden"),
            getattr(layers, kind)(rate),
            Silent(),
            layers.Lambda(lambda inputs: inputs + 1),
            layers.GaussianNoise(0.1),
        ]
    )


def described(*arguments: Any) -> Any:
    return json.loads(json.dumps(described_network(network(*arguments))))


@TF_KERAS_FAST
def test_names_seeds_and_what_cannot_be_told_do_not_count(keras):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, again = described(keras), described(keras)
    assert first == again
    assert network_difference(first, again) == ""
    assert [kind for kind, _ in first["layers"]] == [
        "Dense", "Dropout", "Silent", "Lambda", "GaussianNoise",
    ]  # fmt: skip


@TF_KERAS_FAST
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (("tanh",), "layer 1 of the model (Dense) has other settings"),
        (("relu", 0.25), "layer 2 of the model (Dropout) has other settings"),
        (
            ("relu", 0.5, "AlphaDropout"),
            "layer 2 of the model was Dropout, is AlphaDropout",
        ),
    ],
)
def test_other_settings_and_other_layers_do(keras, changes, words):
    assert network_difference(described(keras), described(keras, *changes)) == words


def two_branches(keras: ModuleType, way: str) -> Any:
    one, two = keras.Input((6,)), keras.Input((6,))
    first, second = (keras.layers.Dense(6, name=name) for name in ("first", "second"))
    if way == "sequential":
        return keras.Sequential([one, first, second])
    if way == "sequential, the other way round":
        return keras.Sequential([one, second, first])
    x, y = first(one), second(two)
    x, y = {"exchanged": (y, x), "once more": (first(x), y)}.get(way, (x, y))
    factor = 3.0 if way == "another factor" else 2.0
    scaled = x - factor if way == "a difference" else x * factor
    outputs = keras.layers.Concatenate()([scaled, y[:, 1 if way == "another part" else 0 :]])
    return keras.Model([one, two], outputs)


@TF_KERAS_FAST
def test_other_connections_of_the_same_layers_do(keras):
    words = "the layers of the model are connected in another way"
    was, again = (described_network(two_branches(keras, "")) for _ in range(2))
    assert was == again
    pruned = prunable(two_branches(keras, ""))
    copied = described_network(prunable_copy(pruned))
    assert network_difference(described_network(pruned), copied) == ""
    for way in ("exchanged", "another factor", "another part", "a difference", "once more"):
        other = described_network(two_branches(keras, way))
        # Keras may have sorted the layers in another way, too.
        assert network_difference({**was, "layers": other["layers"]}, other) == words
    one, other = (
        described_network(two_branches(keras, f"sequential{way}"))
        for way in ("", ", the other way round")
    )
    assert network_difference(one, other) == words
    del was["graphs"]  # as older versions described it
    assert network_difference(was, again) == ""


def test_another_version_of_keras_may_tell_other_settings():
    was = {**described(tf_keras), "keras": "tf_keras 2.19.0"}
    assert network_difference(was, described(tf_keras, "tanh")) == ""


@TF_KERAS_FAST
def test_losses(keras):
    crossentropy = keras.losses.SparseCategoricalCrossentropy
    logits, probabilities = crossentropy(from_logits=True), crossentropy()
    assert described_loss(None) is None
    assert described_loss({"a": "mse", "b": None}) == {"a": "mse", "b": None}
    assert described_loss(ones) == "ones"
    assert described_loss(logits) == described_loss(crossentropy(from_logits=True, name="other"))
    assert described_loss(logits) != described_loss(probabilities)
