"""What compaction does at each kind of layer, on networks of a few channels."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tests.exporting.compact_checks import check_compaction, left, randomize, units

DEAD = [1, 3]


def build(*layers: keras.layers.Layer, shape=(6, 6, 2), dead=DEAD) -> keras.Model:
    """A network whose first layer computes six channels, of which the filters `dead` are 0."""
    model = keras.Sequential([keras.layers.Input(shape, name="pixels"), *layers])
    randomize(model)
    first = model.layers[0]
    kernel = first.get_weights()[0]
    kernel[..., dead] = 0
    first.set_weights([kernel, *first.get_weights()[1:]])
    return model


def conv(filters=6, padding="valid", name="first", **options) -> keras.layers.Conv2D:
    return keras.layers.Conv2D(filters, 3, padding=padding, name=name, **options)


@keras.utils.register_keras_serializable(package="test_compact_layers")
def reversed_channels(features: tf.Tensor) -> tf.Tensor:
    return tf.reverse(features, [-1])


BETWEEN = {
    "activity_regularization": keras.layers.ActivityRegularization(0.1),
    "average_pooling_same": keras.layers.AveragePooling2D(3, 2, "same"),
    "batch_normalization": keras.layers.BatchNormalization(),
    "cropping": keras.layers.Cropping2D(1),
    "depthwise": keras.layers.DepthwiseConv2D(2, depth_multiplier=2, activation="tanh"),
    "dropout": keras.layers.SpatialDropout2D(0.5),
    "elu": keras.layers.ELU(),
    "leaky_relu": keras.layers.LeakyReLU(),
    "max_pooling_same": keras.layers.MaxPooling2D(3, 2, "same"),
    "normalization": keras.layers.Normalization(mean=np.arange(6.0), variance=np.arange(1.0, 7)),
    "prelu": keras.layers.PReLU(shared_axes=[1, 2]),
    "rescaling": keras.layers.Rescaling(3, 0.5),
    "reshape": keras.layers.Reshape((-1, 4, 6)),
    "swish": keras.layers.Activation("swish"),
    "sync": keras.layers.experimental.SyncBatchNormalization(),
    "upsampling": keras.layers.UpSampling2D(2, interpolation="bilinear"),
}


@pytest.mark.parametrize("kind", BETWEEN)
def test_constants_pass(kind):
    layer = type(BETWEEN[kind]).from_config(BETWEEN[kind].get_config())
    model = build(conv(activation="elu"), layer, conv(3, name="output"), shape=(12, 12, 2))
    if kind == "prelu":
        # Its slopes do not matter to a constant that is positive.
        model.layers[0].bias.assign(np.full(6, 0.7))
    result = check_compaction(model)
    assert units(result)["first"] == 4
    assert left(result) == {}


@pytest.mark.parametrize("kind", ["Flatten", "GlobalAveragePooling2D", "GlobalMaxPooling2D"])
def test_constants_pass_where_positions_end(kind):
    ending = getattr(keras.layers, kind)()
    model = build(conv(activation="elu"), ending, keras.layers.Dense(3, name="output"))
    result = check_compaction(model)
    assert units(result) == {"first": 4, "output": 3}
    positions = 16 if kind == "Flatten" else 1
    assert result.model.layers[-1].kernel.shape == (4 * positions, 3)


def test_filters_whose_outputs_no_layer_uses():
    model = build(conv(), conv(5, "same", name="second"), keras.layers.Flatten(), dead=[])
    kernel, bias = model.layers[1].get_weights()
    kernel[:, :, [0, 4, 5]] = 0
    model.layers[1].set_weights([kernel, bias])
    assert units(check_compaction(model)) == {"first": 3, "second": 5}


def test_normalization_with_gamma_0_makes_a_filter_constant():
    model = build(
        conv(), keras.layers.BatchNormalization(name="norm"), conv(3, name="output"), dead=[]
    )
    model.layers[1].gamma.assign([1, 0, 1, 0, 0, 1])
    assert units(check_compaction(model)) == {"first": 3, "norm": 3, "output": 3}


@pytest.mark.parametrize(
    "layer",
    [
        conv(3, "same", name="output"),
        keras.layers.Conv2DTranspose(3, 3, strides=2, name="output"),
    ],
)
def test_one_constant_stands_for_all_before_a_convolution_that_pads(layer):
    model = build(conv(), type(layer).from_config(layer.get_config()), dead=[0, 2, 4])
    result = check_compaction(model)
    assert units(result) == {"first": 4, "output": 3}
    assert left(result) == {"first": "1 constant, but output pads with zeros"}


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.SeparableConv2D(3, 3, padding="same", depth_multiplier=2, name="next"),
        keras.layers.DepthwiseConv2D(3, padding="same", name="next"),
        keras.layers.ZeroPadding2D(name="next"),
    ],
)
@pytest.mark.parametrize("bias", [0, 1])
def test_constants_beside_padding_go_only_if_they_are_0(layer, bias):
    layer = type(layer).from_config(layer.get_config())
    tail = [] if isinstance(layer, keras.layers.SeparableConv2D) else [conv(3, name="output")]
    model = build(conv(activation="relu"), layer, *tail, shape=(9, 9, 2))
    model.layers[0].bias.assign(np.full(6, bias))
    result = check_compaction(model)
    assert units(result)["first"] == (6 if bias else 4)
    assert left(result).get("first", "").startswith("2 constant, but ") == bool(bias)


@pytest.mark.parametrize("bias", [-1, 1])
def test_a_rectifier_with_slopes_by_position_has_no_negative_constants(bias):
    model = build(conv(), keras.layers.PReLU(), conv(3, name="output"))
    model.layers[0].bias.assign(np.full(6, bias))
    assert units(check_compaction(model))["first"] == (6 if bias < 0 else 4)


def test_synchronized_normalization_stays_so():
    layer = keras.layers.BatchNormalization(synchronized=True)
    result = check_compaction(build(conv(), layer, conv(3, name="output")))
    assert result.model.layers[1].synchronized


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("kind", ["SeparableConv2D", "Conv1D", "Conv3D", "causal"])
def test_other_convolutions(kind, padding):
    if kind == "causal":
        kind, padding = "Conv1D", "causal" if padding == "same" else "valid"
    shape = {"Conv1D": (8, 2), "Conv3D": (7, 7, 7, 2)}.get(kind, (8, 8, 2))
    layer = getattr(keras.layers, kind)
    model = build(
        getattr(keras.layers, kind.replace("Separable", ""))(6, 2, activation="relu", name="first"),
        layer(5, 3, padding=padding, use_bias=False, name="second"),
        layer(3, 3, name="output"),
        shape=shape,
    )
    model.layers[0].bias.assign([0.0, -1, 0, -2, 0, 0])
    assert units(check_compaction(model)) == {"first": 4, "second": 5, "output": 3}


def test_dead_depthwise_filters_take_their_inputs_along():
    model = build(
        conv(), keras.layers.DepthwiseConv2D(2, name="depthwise"), conv(3, name="output"), dead=[]
    )
    kernel, bias = model.layers[1].get_weights()
    kernel[:, :, [0, 5]] = 0
    model.layers[1].set_weights([kernel, bias])
    assert units(check_compaction(model)) == {"first": 4, "depthwise": 4, "output": 3}


def test_a_softmax_keeps_its_units():
    model = build(
        keras.layers.Dense(6, "softmax", name="first"),
        keras.layers.Dense(4, name="second"),
        keras.layers.Softmax(name="softmax"),
        keras.layers.Dense(2, name="output"),
        shape=(3,),
    )
    model.layers[1].kernel.assign(np.zeros((6, 4)))
    result = check_compaction(model)
    assert units(result) == {"first": 6, "second": 4, "softmax": 4, "output": 2}
    assert left(result)["softmax"] == "left as it is: Softmax is not known to keep channels apart"
    assert left(result)["second"] == "4 constant, but softmax is left as it is"


def test_outputs_stay():
    result = check_compaction(build(keras.layers.Dense(6, name="output"), shape=(3,)))
    assert units(result) == {"output": 6}
    assert left(result) == {"output": "2 constant, but they are outputs of the model"}


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.LayerNormalization(),
        keras.layers.Lambda(lambda x: x * tf.reduce_mean(x, axis=-1, keepdims=True)),
        keras.layers.Activation(reversed_channels),
        keras.layers.Conv2D(6, 1, groups=3),
        keras.layers.BatchNormalization(axis=1),
        keras.layers.Permute((3, 1, 2)),
        keras.layers.Reshape((4, 4, 3, 2)),
        keras.layers.Rescaling([1, 2, 3, 4, 5, 6]),
    ],
)
def test_channels_around_other_layers_stay(layer):
    model = build(conv(), layer, keras.layers.Flatten(), keras.layers.Dense(2, name="output"))
    result = check_compaction(model)
    assert units(result)["first"] == 6
    assert left(result)[layer.name].startswith("left as it is: ")


def test_layers_of_the_user_stay():
    class Doubled(keras.layers.Dense):
        def call(self, inputs):
            return super().call(inputs[..., ::-1])

    model = build(
        keras.layers.Dense(6, name="first"),
        Doubled(4, name="own"),
        keras.layers.Dense(2),
        shape=(3,),
    )
    result = check_compaction(model)
    assert units(result)["first"] == 6
    assert left(result)["own"] == "left as it is: Doubled is not known to keep channels apart"


@pytest.mark.parametrize("policy", ["float64", "mixed_bfloat16"])
def test_dtype_policies_stay(policy):
    model = build(
        keras.layers.Dense(6, "sigmoid", name="first", dtype=policy),
        keras.layers.Dense(2, name="output"),
        shape=(3,),
    )
    result = check_compaction(model, tolerance=1e-5 if policy == "float64" else 2e-2)
    assert units(result) == {"first": 4, "output": 2}
    assert [layer.dtype_policy.name for layer in result.model.layers] == [policy, "float32"]
