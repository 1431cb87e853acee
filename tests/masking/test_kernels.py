"""Which weights can be pruned, who says so, and what is refused."""

import keras as keras_3
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests.conformance.user_classes import (
    feed_forward_class,
    low_rank_class,
    network_class,
    speaking_class,
)
from tests.either_keras import KERAS_3_FAST, TF_KERAS_FAST
from tf_lottery.masking.kernels import can_be_wrapped, find_kernels, goes_by
from tf_lottery.masking.prunable import get_mask, prunable
from tf_lottery.masking.units import output_kernels, unit_axes
from tf_lottery.pruning.model_plan import pruning_plan


def around(keras, *layers):
    """A Sequential with these layers before its output."""
    return keras.Sequential(
        [keras.Input((6,)), *layers, keras.layers.Dense(3, name="output")], name="users"
    )


def names(model, **arguments) -> list[str]:
    return [kernel.name for kernel in find_kernels(model, **arguments).kernels]


@TF_KERAS_FAST
def test_unknown_weights_are_refused_with_all_that_one_needs_to_know(keras):
    model = around(keras, low_rank_class(keras)(name="mine"))
    with pytest.raises(ValueError) as error:
        prunable(model)
    for part in (
        "users has weights",
        "mine/down (LowRank), mine/up (LowRank), mine/shift (LowRank)",
        "pruned would be output/kernel",
        "kernels=",
        "get_prunable_weights",
        "exclude=",
        "allow_unknown=True",
    ):
        assert part in str(error.value)


def test_a_layer_without_units_is_refused():
    model = around(tf_keras, tf_keras.layers.Dense(0, name="empty"))
    with pytest.raises(
        ValueError, match=r"^empty/kernel has the shape \(6, 0\), and so no weights"
    ):
        prunable(model)


@KERAS_3_FAST
def test_unknown_weights_stay_dense_if_that_is_wanted(keras):
    model = around(keras, low_rank_class(keras)(name="mine"))
    assert list(get_mask(prunable(model, allow_unknown=True))) == ["output/kernel"]
    assert list(get_mask(prunable(model, exclude=["mine"]))) == ["output/kernel"]
    with pytest.raises(ValueError, match=r"mine/up.*mine/shift") as error:
        prunable(model, exclude=["mine/down"])
    assert "mine/down" not in str(error.value)


@TF_KERAS_FAST
@pytest.mark.parametrize("by", ["class", "name"])
def test_weights_are_named_by_class_or_by_name_of_the_layer(keras, by: str):
    kind = low_rank_class(keras)
    model = around(keras, kind(6, name="mine"), kind(name="other"))
    key = kind if by == "class" else "mine"
    chosen = names(model, named={key: ["up", "down"]})
    of_other = ["other/up", "other/down"] if by == "class" else []
    assert chosen == ["mine/up", "mine/down", *of_other, "output/kernel"]
    unknown = find_kernels(model, {key: ["up", "down"]}).unknown
    others = ["other/shift"] if by == "class" else ["other/down", "other/up", "other/shift"]
    assert list(unknown) == ["mine/shift", *others]


@KERAS_3_FAST
def test_a_layer_within_layers_goes_by_its_path(keras):
    class Holder(keras.layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.parts = [low_rank_class(keras)(6), low_rank_class(keras)()]

        def call(self, inputs):
            return self.parts[1](self.parts[0](inputs))

    model = around(keras, Holder(name="holder"))
    chosen = names(model, named={"holder/parts/1": "down"})
    assert chosen == ["holder/parts/1/down", "output/kernel"]


@TF_KERAS_FAST
def test_wrong_names_of_kernels_are_refused(keras):
    model = around(keras, low_rank_class(keras)(name="mine"))
    for named, message in (
        ({"mine": ["middle"]}, r"kernels: mine \(LowRank\) has no weight 'middle'"),
        ({"mine": ["units"]}, r"kernels: mine \(LowRank\) has no weight 'units'"),
        ({"yours": ["up"]}, "kernels: the model has no layer yours"),
        ({speaking_class(keras): ["up"]}, "kernels: the model has no layer Speaking"),
    ):
        with pytest.raises(ValueError, match=message):
            prunable(model, kernels=named)


@KERAS_3_FAST
def test_a_layer_whose_kernels_are_named_is_not_excluded_too(keras):
    kind = low_rank_class(keras)
    model = around(keras, kind(6, name="mine"), kind(name="other"))
    message = r"kernels\['{}'\]=\['up'\]: exclude=\[{}\] leaves it dense; leave it out of one"
    for key, excluded in (("mine", ["mine"]), ("mine", ["mine/up"]), (kind, ["mine", "other"])):
        shown = ", ".join(map(repr, excluded))
        with pytest.raises(ValueError, match=message.format(getattr(key, "__name__", key), shown)):
            prunable(model, kernels={key: ["up"]}, exclude=excluded, allow_unknown=True)
    part = prunable(model, kernels={kind: ["up"]}, exclude=["mine"], allow_unknown=True)
    assert list(get_mask(part)) == ["other/up", "output/kernel"]


@KERAS_3_FAST
def test_of_layers_of_keras_nothing_but_their_kernels_is_pruned(keras):
    def model():
        return around(keras, keras.layers.Dense(6, name="hidden"))

    message = r"kernels\[{}\]=\['bias'\]: hidden \(Dense\) is a layer of Keras, of which kernel "
    for key, shown in (("hidden", "'hidden'"), (keras.layers.Dense, "'Dense'")):
        for attributes in (["bias"], "bias"):
            with pytest.raises(ValueError, match=message.format(shown)):
                prunable(model(), kernels={key: attributes})
    with pytest.raises(
        ValueError, match=r"kernels\['hidden'\]=\[\]: name at least one weight; excl"
    ):
        prunable(model(), kernels={"hidden": []})
    named = prunable(model(), kernels={"hidden": ["kernel"]})
    assert list(get_mask(named)) == ["hidden/kernel", "output/kernel"]


@TF_KERAS_FAST
def test_further_weights_of_layers_that_inherit_from_those_of_keras_are_masked(keras):
    class Gated(keras.layers.Dense):
        def build(self, input_shape):
            super().build(input_shape)
            self.gate = self.add_weight(name="gate", shape=(input_shape[-1], self.units))

        def call(self, inputs):
            return super().call(inputs) * tf.sigmoid(tf.matmul(inputs, self.gate))

    model = around(keras, Gated(6, name="mine"))
    mask = get_mask(prunable(model, kernels={"mine": ["gate"]}))
    assert list(mask) == ["mine/kernel", "mine/gate", "output/kernel"]


@KERAS_3_FAST
def test_a_layer_that_says_its_weights_speaks_for_those_in_it_too(keras):
    class Block(keras.layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.one, self.other = keras.layers.Dense(6), keras.layers.Dense(6)

        def call(self, inputs):
            return self.other(self.one(inputs))

        def get_prunable_weights(self):
            return [self.other.kernel]

    model = around(keras, Block(name="block"), speaking_class(keras)(name="speaking"))
    assert names(model) == ["block/other/kernel", "speaking/up", "speaking/down", "output/kernel"]
    assert not find_kernels(model).unknown


@TF_KERAS_FAST
def test_layers_that_inherit_from_those_of_keras_have_their_kernels(keras):
    class Gated(keras.layers.Dense):
        def build(self, input_shape):
            super().build(input_shape)
            self.gate = self.add_weight(name="gate", shape=(input_shape[-1], self.units))

        def call(self, inputs):
            return super().call(inputs) * tf.sigmoid(tf.matmul(inputs, self.gate))

    model = around(keras, Gated(4, name="gated"))
    assert names(model) == ["gated/kernel", "output/kernel"]
    assert find_kernels(model).unknown == {"gated/gate": "Gated"}


@KERAS_3_FAST
def test_what_is_not_trained_is_not_unknown(keras):
    class Fixed(keras.layers.Layer):
        def build(self, input_shape):
            self.basis = self.add_weight(name="basis", shape=(input_shape[-1], 4), trainable=False)

        def call(self, inputs):
            return tf.matmul(inputs, self.basis)

    assert not find_kernels(around(keras, Fixed(name="fixed"))).unknown


@TF_KERAS_FAST
def test_names_fit_weights_and_what_is_around_them(keras):
    weight = "block/attention/_query_dense/kernel"
    fitting = ["block", "block/attention", "attention", "_query_dense", weight]
    assert all(goes_by(name, weight) for name in fitting)
    wrong = ["query", "blo", "kernel", "attention/_query", "block/attention/_query_dense/bias"]
    assert not any(goes_by(name, weight) for name in wrong)
    model = around(keras, feed_forward_class(keras)(name="mine"))
    left = list(get_mask(prunable(model, exclude=["gates"])))
    assert left == ["mine/inner/kernel", "output/kernel"]


@KERAS_3_FAST
def test_rates_of_their_own_go_by_the_most_special_name(keras):
    model = around(keras, feed_forward_class(keras)(10, name="mine"))
    rates = {"mine": 0.5, "mine/gates/0": 0.0, "output": 0.25}
    plan = pruning_plan(prunable(model, pruning_rates=rates), 0.9, "layerwise")
    kept = plan.remaining(0) - plan.remaining(1)
    assert kept == 30 + 0 + 30 + round(0.25 * 30)


def test_wrappers_hold_masks_where_they_can():
    keras = tf_keras
    layers = keras.layers
    functional = around(keras, layers.Dense(4, name="hidden"))
    recurrent = keras.Sequential([keras.Input((3, 6)), layers.LSTM(2), layers.Dense(3)])
    held = around(keras, feed_forward_class(keras)(name="mine"))
    for model, expected in ((functional, True), (recurrent, False), (held, False)):
        assert can_be_wrapped(model, find_kernels(model).kernels) is expected
    # Only the layer that stays dense could not be wrapped.
    assert can_be_wrapped(recurrent, find_kernels(recurrent).without(["lstm"]).kernels) is (
        recurrent.layers[0].name == "lstm"
    )
    of_keras_3 = around(keras_3, keras_3.layers.Dense(4))
    assert not can_be_wrapped(of_keras_3, find_kernels(of_keras_3).kernels)


def adapted():
    """A model of Keras 3 whose first layer computes its kernel from several weights."""
    model = around(keras_3, keras_3.layers.Dense(8, name="hidden"))
    model.layers[0].enable_lora(2, b_initializer="ones")
    return model


def test_kernels_that_are_computed_are_refused():
    message = r"hidden \(Dense\) computes .*LoRA.*save_weights.*exclude=\['hidden'\]"
    for arguments in ({}, {"allow_unknown": True}, {"exclude": ["output"]}):
        with pytest.raises(ValueError, match=message):
            prunable(adapted(), **arguments)
    model = around(keras_3, keras_3.layers.Dense(8, name="hidden"))
    model.layers[0].quantize("int4")
    with pytest.raises(ValueError, match=r"hidden \(Dense\) computes .*before it is quantized"):
        prunable(model)


def test_kernels_that_are_computed_may_stay_dense():
    model, x = adapted(), np.random.default_rng(0).normal(size=(4, 6))
    masked = prunable(model, exclude=["hidden"])
    assert list(get_mask(masked)) == ["output/kernel"]
    np.testing.assert_array_equal(masked(x), model(x))


def test_saved_weights_make_one_kernel_of_one_that_is_computed(tmp_path):
    model, x = adapted(), np.random.default_rng(0).normal(size=(4, 6))
    model.save_weights(tmp_path / "merged.weights.h5")
    plain = around(keras_3, keras_3.layers.Dense(8, name="hidden"))
    plain.load_weights(tmp_path / "merged.weights.h5")
    masked = prunable(plain)
    assert list(get_mask(masked)) == ["hidden/kernel", "output/kernel"]
    np.testing.assert_allclose(masked(x), model(x), rtol=1e-5)


@TF_KERAS_FAST
def test_whole_units_are_those_of_dense_and_convolution_layers(keras):
    """Recurrent and attention kernels stay whole, and do not count in the rate of the others."""
    layers = keras.layers
    words = keras.Input((5,), dtype="int32")
    x = layers.Embedding(9, 8, name="words")(words)
    x = layers.Dense(8, name="dense")(layers.MultiHeadAttention(2, 4, name="attention")(x, x))
    x = layers.Dense(6, name="hidden")(layers.LSTM(4, name="lstm")(x))
    model = prunable(keras.Model(words, layers.Dense(3, name="output")(x)))
    axes = unit_axes(model)
    assert {name for name, axis in axes.items() if axis} == {
        "dense/kernel",
        "hidden/kernel",
        "output/kernel",
    }
    assert output_kernels(model) == {"output/kernel"}
    plan = pruning_plan(model, 0.5, "layerwise", "units")
    generator = np.random.default_rng(0)
    scores = {name: generator.random(array.shape) for name, array in get_mask(model).items()}
    mask = plan.prune(scores, get_mask(model), 1)
    densities = {name: array.mean() for name, array in mask.items()}
    assert densities.pop("dense/kernel") == 0.5
    assert densities.pop("hidden/kernel") == 0.5
    assert set(densities.values()) == {1.0}
    assert set(mask["hidden/kernel"].mean(axis=0)) == {0.0, 1.0}


@KERAS_3_FAST
def test_the_outputs_of_subclassed_models_are_not_known(keras):
    model = network_class(keras)(name="network")
    model(np.zeros((1, 6), np.float32))
    model = prunable(model, allow_unknown=True)
    with pytest.raises(ValueError, match=r"structure='units': network is a subclassed model"):
        pruning_plan(model, 0.5, "global", "units")


def test_a_layer_whose_own_name_has_slashes_goes_by_it():
    assert goes_by("expanded_conv/depthwise", "base/expanded_conv/depthwise/depthwise_kernel")
    assert not goes_by("conv/depthwise", "base/expanded_conv/depthwise/depthwise_kernel")
