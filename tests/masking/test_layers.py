"""The paths of layers and the names of weights, which masks and files go by."""

import keras as keras_3
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests.conformance.user_classes import network_class
from tests.either_keras import KERAS_3_FAST, TF_KERAS_FAST
from tf_lottery.masking.layers import (
    graph_layers,
    keras_variables,
    leaf_layers,
    model_variables,
    own_weights,
    sublayers,
)
from tf_lottery.masking.prunable import prunable

BOTH = pytest.mark.parametrize("keras", [tf_keras, keras_3])


def with_nested_model(keras):
    layers = keras.layers
    x = keras.Input((4, 6))
    inner = keras.Sequential([keras.Input((4, 6)), layers.Dense(6, name="dense")], name="inner")
    outputs = layers.Bidirectional(layers.GRU(3), name="both")(inner(inner(x)))
    return keras.Model(x, layers.Dense(2, name="output")(outputs))


def subclassed(keras, width: int = 4):
    model = network_class(keras)(width, name="network")
    model(np.zeros((1, width), np.float32))
    return model


@KERAS_3_FAST
def test_paths_go_by_names_in_graphs_and_by_attributes_in_layers(keras):
    paths = [path for path, layer in leaf_layers(with_nested_model(keras)) if layer.weights]
    assert paths == [
        "inner/dense",
        "both",
        "both/forward_layer",
        "both/forward_layer/cell",
        "both/backward_layer",
        "both/backward_layer/cell",
        "output",
    ]


@KERAS_3_FAST
def test_graph_layers_do_not_look_into_other_layers(keras):
    paths = [path for path, layer in graph_layers(with_nested_model(keras)) if layer.weights]
    assert paths == ["inner/dense", "both", "output"]


@BOTH
def test_layers_in_lists_and_dicts_of_a_subclassed_model(keras):
    model = subclassed(keras)
    names = [name for name, _ in sublayers(model)]
    assert names == ["blocks/0", "blocks/1", "heads/mean", "heads/scale", "tail"]
    assert [path for path, _ in leaf_layers(model)] == ["", *names[:-1], "tail/0", "tail/1"]


@BOTH
def test_a_layer_that_is_held_twice_counts_once(keras):
    class Tied(keras.Model):
        def __init__(self):
            super().__init__()
            self.encoder = keras.layers.Dense(6)
            self.also = [self.encoder, keras.layers.Dense(6)]

        def call(self, inputs):
            return self.also[1](self.encoder(inputs))

    model = Tied()
    model(np.zeros((1, 6), np.float32))
    assert list(keras_variables(model)) == [
        "encoder/kernel",
        "encoder/bias",
        "also/1/kernel",
        "also/1/bias",
    ]


@BOTH
def test_layers_of_a_graph_that_is_called_in_another_way_go_by_their_names(keras):
    """Nothing of where Keras itself keeps them shows."""

    class Doubled(keras.Sequential):
        def call(self, inputs, training=None, mask=None):
            return 2 * super().call(inputs, training=training, mask=mask)

    class Residual(keras.Model):
        def __init__(self):
            x = keras.Input((6,))
            super().__init__(x, keras.layers.Dense(6, name="dense")(x))
            self.scale = keras.layers.Dense(1)

        def call(self, inputs, training=None, mask=None):
            return self.scale(inputs) + super().call(inputs, training=training, mask=mask)

    doubled, residual = Doubled([keras.Input((6,)), keras.layers.Dense(6, name="one")]), Residual()
    residual(np.zeros((1, 6), np.float32))
    assert list(model_variables(doubled)) == ["one/kernel", "one/bias"]
    names = set(model_variables(residual))
    assert {"dense/kernel", "dense/bias"} < names
    assert len(names) == 4
    assert not any(name.startswith("_") for name in names)


@BOTH
def test_weights_of_a_layer_are_not_those_of_the_layers_in_it(keras):
    model = subclassed(keras)
    (mixing,) = own_weights(model)
    assert mixing is model.mixing
    assert own_weights(model.tail) == []
    assert {id(weight) for weight in own_weights(model.tail.layers[0])} == {
        id(weight) for weight in model.tail.weights[:2]
    }
    assert len(own_weights(model.blocks[0])) == 2


@BOTH
def test_names_do_not_depend_on_what_was_built_before(keras):
    first, second = subclassed(keras), subclassed(keras)
    assert list(model_variables(first)) == list(model_variables(second))
    assert {"mixing", "blocks/1/kernel", "heads/scale/bias", "tail/0/kernel", "tail/1/gamma"} < set(
        model_variables(first)
    )


@KERAS_3_FAST
def test_all_weights_are_there_once_as_variables_of_tensorflow(keras):
    for model in (with_nested_model(keras), subclassed(keras)):
        variables = model_variables(model)
        assert len(variables) == len(model.weights)
        assert all(isinstance(variable, tf.Variable) for variable in variables.values())
        assert sum(v.shape.num_elements() for v in variables.values()) == model.count_params()


@TF_KERAS_FAST
def test_masks_are_no_weights_and_change_no_names(keras):
    dense = with_nested_model(keras)
    assert list(model_variables(prunable(dense))) == list(model_variables(dense))
    only_dense = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="output")])
    model = prunable(only_dense)
    assert list(model_variables(model)) == ["output/kernel", "output/bias"]
    assert [path for path, _ in graph_layers(model)] == ["output"]


@BOTH
def test_weights_of_one_name_in_one_layer_are_told_apart(keras):
    class Twins(keras.layers.Layer):
        def build(self, input_shape):
            self.one = self.add_weight(name="kernel", shape=(input_shape[-1], 2))
            self.other = self.add_weight(name="kernel", shape=(2, 3))

        def call(self, inputs):
            return tf.matmul(tf.matmul(inputs, self.one), self.other)

    model = keras.Sequential([keras.Input((4,)), Twins(name="twins")])
    shapes = {name: tuple(v.shape) for name, v in model_variables(model).items()}
    assert shapes == {"twins/kernel": (4, 2), "twins/kernel_": (2, 3)}
