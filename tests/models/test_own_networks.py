"""Networks that a function of the user's makes."""

import hashlib
import json
import re
import sys

import numpy as np
import pytest

from tests.registries import forget_what_was_added
from tf_lottery.models import build as build_module
from tf_lottery.models.build import build_model, draw_model, is_network, network_sha256
from tf_lottery.models.own_networks import find_module
from tf_lottery.models.registry import check_model_name, register_model

MODULE = """
import keras as keras_3
import tensorflow as tf
import tf_keras as keras

def build(inputs, classes):
    x = keras.layers.Conv2D(4, 3, activation="relu")(inputs)
    return keras.layers.Dense(classes, name="output")(keras.layers.Flatten()(x))

def functional(input_shape, classes):
    inputs = keras.Input(input_shape)
    return keras.Model(inputs, build(inputs, classes))

def sequential(input_shape, classes):
    layers = [keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.Flatten()]
    return keras.Sequential([*layers, keras.layers.Dense(classes, name="output")])

def operators(inputs, classes):
    x = keras.layers.Dense(6, name="dense")(keras.layers.Flatten()(inputs))
    inner = keras.Input((6,))
    twice = keras.Model(inner, inner + inner, name="twice")
    x = tf.nn.relu(x + twice(x) + 1.0)[:, :4]
    return keras.layers.Dense(classes, name="output")(x * x)

def others(inputs, classes):
    x = keras.layers.Flatten()(inputs)
    return keras.layers.Dense(classes, name="output")(tf.nn.relu(x + x + x)[:, :2])

def softmax(inputs, classes):
    x = keras.layers.Flatten()(inputs)
    return keras.layers.Dense(classes, activation="softmax", name="last")(x)

def narrow(inputs, classes):
    return keras.layers.Dense(2)(keras.layers.Flatten()(inputs))

def failing(inputs, classes):
    layers = {}
    return layers["output"]

def nothing(inputs, classes):
    pass

def alone(inputs):
    return inputs

def of_keras_3(inputs, classes):
    return keras_3.layers.Dense(classes)(keras_3.layers.Flatten()(inputs))

class Subclassed(keras.Model):
    def call(self, inputs):
        return inputs

def subclassed(input_shape, classes):
    return Subclassed()

def sized_model(input_shape, classes, units):
    hidden = keras.layers.Dense(int(units), "relu", name="hidden")
    flat = keras.layers.Flatten(input_shape=input_shape)
    return keras.Sequential([flat, hidden, keras.layers.Dense(classes, name="output")])

def sized_softmax(inputs, classes, units):
    return softmax(inputs, classes)

def sized_narrow(inputs, classes, units):
    return narrow(inputs, classes)

def sized_failing(inputs, classes, units):
    return keras.layers.Dense(int(f"{units} units"))(inputs)

def sized_nothing(inputs, classes, units):
    pass

def sized_of_keras_3(inputs, classes, units):
    return of_keras_3(inputs, classes)

def my_lenet(inputs, classes, units):
    pass
"""


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    """A module of networks in the current folder; its name."""
    folder = tmp_path_factory.mktemp("networks")
    (folder / "own_nets.py").write_text(MODULE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", [*sys.path])
        yield "own_nets"
    sys.modules.pop("own_nets", None)


def build(name, classes=3):
    return build_model(name, (6, 6, 1), classes, 0, ([0.5], [0.25]))


@pytest.mark.parametrize("function", ["build", "functional", "sequential"])
def test_the_layers_are_those_of_the_function_behind_standardised_pixels(module, function):
    check_model_name(f"{module}:{function}")
    model = build(f"{module}:{function}")
    assert [layer.name for layer in model.layers] == [
        *("images", "normalization", "conv2d", "flatten", "output")
    ]
    # The same weights as those of a registered network: drawn by seed alone.
    reference = build(f"{module}:build")
    for weight, other in zip(model.get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)
    assert model(np.ones((2, 6, 6, 1))).shape == (2, 3)


def test_a_changed_network_has_another_fingerprint(module):
    one, same = (network_sha256(f"{module}:build", (6, 6, 1), 3) for _ in range(2))
    assert one == same
    assert network_sha256(f"{module}:narrow", (6, 6, 1), 2) != one
    assert network_sha256("lenet_9", (6, 6, 1), 3) is None


def test_a_fingerprint_does_not_depend_on_what_was_drawn_before(module):
    one = network_sha256(f"{module}:operators", (6, 6, 1), 3)
    # Three, as the last two that were drawn are remembered.
    for shape in ((5, 5, 1), (6, 6, 1), (7, 7, 1)):
        network_sha256(f"{module}:others", shape, 3)
    assert network_sha256(f"{module}:operators", (6, 6, 1), 3) == one
    drawn = draw_model(f"{module}:operators", (6, 6, 1), 3)
    assert set(drawn.operators) == {
        *(f"tf.__operators__.add{number}" for number in ("", "_1", "_2")),
        *("tf.nn.relu", "tf.__operators__.getitem", "tf.math.multiply"),
    }
    assert drawn.operators["tf.nn.relu"] != "tf.nn.relu"
    model = build(f"{module}:operators")
    x = np.random.default_rng(0).uniform(size=(2, 6, 6, 1)).astype(np.float32)
    kernel, bias, last, _ = model.get_weights()[-4:]
    hidden = (((x - 0.5) / 0.5).reshape(2, 36) @ kernel + bias) * 3 + 1
    expected = np.maximum(hidden, 0)[:, :4] ** 2 @ last
    np.testing.assert_allclose(model(x), expected, rtol=1e-4, atol=1e-5)


def test_fingerprints_of_earlier_versions_are_known(module):
    name, shape = f"{module}:operators", (6, 6, 1)
    text = json.dumps(draw_model(name, shape, 3).config, sort_keys=True, default=str)

    def earlier(**first):
        renumbered = text
        for kind, number in first.items():
            for index in (2, 1, 0):
                old = f'"tf.__operators__.{kind}{f"_{index}" if index else ""}"'
                renumbered = renumbered.replace(old, f'"tf.__operators__.{kind}_{index + number}"')
        return hashlib.sha256(renumbered.encode()).hexdigest()

    assert network_sha256(name, shape, 3) == earlier()
    for sha256 in (earlier(), earlier(add=3), earlier(add=5, getitem=2)):
        assert is_network(name, shape, 3, sha256)
        assert not is_network(f"{module}:others", shape, 3, sha256)
    assert not is_network(name, shape, 3, None)
    assert is_network("lenet_9", shape, 3, None)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("softmax", "its last layer, last, has a softmax, which the loss has already; leave"),
        ("narrow", r"its outputs have shape \(None, 2\), and \(None, 3\) is needed"),
        ("failing", r"KeyError \(own_nets.py, line 38\): 'output'"),
        ("nothing", "nothing returns nothing; end it with a return of the logits"),
        ("alone", r"alone\(inputs\) cannot be called; write build\(inputs, classes\)"),
        ("of_keras_3", r"TypeError: .* Networks of the program are of tf_keras"),
        ("subclassed", "ValueError.*no functional or sequential model; return logits"),
        ("missing", "own_nets has no function missing; it has build, functional"),
    ],
)
def test_what_is_wrong_with_a_function_is_told(module, function, said):
    with pytest.raises(ValueError, match=rf"^--model={module}:{function}: .*{said}"):
        build(f"{module}:{function}")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no_such_module:build", "there is no module no_such_module, neither installed nor in the"),
        ("own_nets.py:build", "write MODULE:FUNCTION, such as own_nets:build."),
        ("own_nets:", "write MODULE:FUNCTION, such as my_networks:build."),
        ("own_nets.inner:build", "there is no module own_nets.inner"),
        ("own_nets", "write own_nets:FUNCTION, .* such as own_nets:build."),
        ("own_nets.py", "write own_nets:FUNCTION, with the function of own_nets.py that makes"),
    ],
)
def test_names_that_are_none_are_told_without_tensorflow(module, name, said):
    with pytest.raises(ValueError, match=f"^--model={name}: {said}"):
        check_model_name(name)


@pytest.fixture
def registered(module):
    """Returns a function that registers one of the module for its name with a number."""

    def register(function, stem=None):
        stem = stem or function
        build = getattr(find_module(f"{module}:{function}"), function)
        register_model(rf"{stem}_(\d+)", examples=[f"{stem}_3"])(build)
        return f"{stem}_3"

    yield register
    build_module._draw.cache_clear()
    forget_what_was_added()


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("sized_softmax", "its last layer, last, has a softmax, which the loss has already; leave"),
        ("sized_narrow", r"its outputs have shape \(None, 2\), and \(None, 3\) is needed"),
        ("sized_failing", r"ValueError \(own_nets.py, line \d+\): invalid literal"),
        ("sized_nothing", "sized_nothing returns nothing; end it with a return of the logits"),
        ("sized_of_keras_3", r"TypeError: .* Networks of the program are of tf_keras"),
    ],
)
def test_what_is_wrong_with_a_registered_network_is_told(registered, function, said):
    name = registered(function)
    with pytest.raises(ValueError, match=rf"^--model={name}: .*{said}"):
        build(name)


def test_a_registered_network_has_a_fingerprint_which_earlier_versions_did_not_take(registered):
    name = registered("sized_model")
    model = build(name)
    assert [layer.name for layer in model.layers][2:] == ["flatten", "hidden", "output"]
    sha256 = network_sha256(name, (6, 6, 1), 3)
    assert is_network(name, (6, 6, 1), 3, sha256)
    assert is_network(name, (6, 6, 1), 3, None)
    assert sha256 != network_sha256(name.replace("3", "4"), (6, 6, 1), 3)


def test_a_name_of_two_networks_is_refused(registered):
    registered("my_lenet", "lenet")
    right = (
        r"--model=lenet_3 is a model of each of lenet((?:_[1-9]\d*)+) of tf_lottery.models."
        r"families.lenet and lenet_(\d+) of own_nets; register one of them under another name."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(right)}"):
        check_model_name("lenet_3")
