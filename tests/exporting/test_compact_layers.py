"""What compaction does at each kind of layer, on networks of a few channels."""

from types import ModuleType
from typing import Any

import keras as keras_3
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests.exporting.compact_checks import check_compaction, left, randomize, units

DEAD = [1, 3]


@pytest.fixture(
    name="keras",
    params=[
        pytest.param(tf_keras, id="tf_keras", marks=pytest.mark.slow),
        pytest.param(keras_3, id="keras_3"),
    ],
)
def one_keras_is_slow(request):
    """The module; with the other one the rules are the same."""
    return request.param


def build(keras: ModuleType, *layers: Any, shape=(6, 6, 2), dead=DEAD) -> Any:
    """A network whose first layer computes six channels, of which the filters `dead` are 0."""
    model = keras.Sequential([keras.Input(shape, name="pixels"), *layers])
    randomize(model)
    first = model.layers[0]
    kernel = first.get_weights()[0]
    kernel[..., dead] = 0
    first.set_weights([kernel, *first.get_weights()[1:]])
    return model


@pytest.fixture
def conv(keras):
    """Makes convolutions of 3x3 pixels."""
    return lambda filters=6, padding="valid", name="first", **options: keras.layers.Conv2D(
        filters, 3, padding=padding, name=name, **options
    )


@tf_keras.utils.register_keras_serializable(package="test_compact_layers")
@keras_3.utils.register_keras_serializable(package="test_compact_layers")
def reversed_channels(features: tf.Tensor) -> tf.Tensor:
    return tf.reverse(features, [-1])


BETWEEN = {
    "activity_regularization": lambda layers: layers.ActivityRegularization(0.1),
    "average_pooling_same": lambda layers: layers.AveragePooling2D(3, 2, "same"),
    "batch_normalization": lambda layers: layers.BatchNormalization(),
    "cropping": lambda layers: layers.Cropping2D(1),
    "depthwise": lambda layers: layers.DepthwiseConv2D(2, depth_multiplier=2, activation="tanh"),
    "dropout": lambda layers: layers.SpatialDropout2D(0.5),
    "elu": lambda layers: layers.ELU(),
    "leaky_relu": lambda layers: layers.LeakyReLU(),
    "max_pooling_same": lambda layers: layers.MaxPooling2D(3, 2, "same"),
    "normalization": lambda layers: layers.Normalization(
        mean=np.arange(6.0), variance=np.arange(1.0, 7)
    ),
    "prelu": lambda layers: layers.PReLU(shared_axes=[1, 2]),
    "rescaling": lambda layers: layers.Rescaling(3, 0.5),
    "reshape": lambda layers: layers.Reshape((-1, 4, 6)),
    "swish": lambda layers: layers.Activation("swish"),
    "tf_relu6": lambda layers: layers.Activation(tf.nn.relu6),
    "upsampling": lambda layers: layers.UpSampling2D(2, interpolation="bilinear"),
}


@pytest.mark.parametrize("kind", BETWEEN)
def test_constants_pass(kind, keras, conv):
    layers = conv(activation="elu"), BETWEEN[kind](keras.layers), conv(3, name="output")
    model = build(keras, *layers, shape=(12, 12, 2))
    if kind == "prelu":
        # Its slopes do not matter to a constant that is positive.
        model.layers[0].bias.assign(np.full(6, 0.7))
    result = check_compaction(model)
    assert units(result)["first"] == 4
    assert left(result) == {}


@pytest.mark.parametrize("kind", ["Flatten", "GlobalAveragePooling2D", "GlobalMaxPooling2D"])
def test_constants_pass_where_positions_end(kind, keras, conv):
    ending = getattr(keras.layers, kind)()
    model = build(keras, conv(activation="elu"), ending, keras.layers.Dense(3, name="output"))
    result = check_compaction(model)
    assert units(result) == {"first": 4, "output": 3}
    positions = 16 if kind == "Flatten" else 1
    assert result.model.layers[-1].kernel.shape == (4 * positions, 3)


def test_filters_whose_outputs_no_layer_uses(keras, conv):
    model = build(keras, conv(), conv(5, "same", name="second"), keras.layers.Flatten(), dead=[])
    kernel, bias = model.layers[1].get_weights()
    kernel[:, :, [0, 4, 5]] = 0
    model.layers[1].set_weights([kernel, bias])
    assert units(check_compaction(model)) == {"first": 3, "second": 5}


def test_normalization_with_gamma_0_makes_a_filter_constant(keras, conv):
    model = build(
        keras, conv(), keras.layers.BatchNormalization(name="norm"), conv(3, name="output"), dead=[]
    )
    model.layers[1].gamma.assign([1, 0, 1, 0, 0, 1])
    assert units(check_compaction(model)) == {"first": 3, "norm": 3, "output": 3}


@pytest.mark.parametrize(
    ("kind", "options"), [("Conv2D", {"padding": "same"}), ("Conv2DTranspose", {"strides": 2})]
)
def test_one_constant_stands_for_all_before_a_convolution_that_pads(kind, options, keras, conv):
    layer = getattr(keras.layers, kind)(3, 3, name="output", **options)
    model = build(keras, conv(), layer, dead=[0, 2, 4])
    result = check_compaction(model)
    assert units(result) == {"first": 4, "output": 3}
    assert left(result) == {"first": "1 constant, but output pads with zeros"}


@pytest.mark.parametrize(
    "layer_of",
    [
        lambda layers: layers.SeparableConv2D(3, 3, padding="same", depth_multiplier=2),
        lambda layers: layers.DepthwiseConv2D(3, padding="same"),
        lambda layers: layers.ZeroPadding2D(),
    ],
)
@pytest.mark.parametrize("bias", [0, 1])
def test_constants_beside_padding_go_only_if_they_are_0(layer_of, bias, keras, conv):
    layer = layer_of(keras.layers)
    tail = [] if isinstance(layer, keras.layers.SeparableConv2D) else [conv(3, name="output")]
    model = build(keras, conv(activation="relu"), layer, *tail, shape=(9, 9, 2))
    model.layers[0].bias.assign(np.full(6, bias))
    result = check_compaction(model)
    assert units(result)["first"] == (6 if bias else 4)
    assert left(result).get("first", "").startswith("2 constant, but ") == bool(bias)


@pytest.mark.parametrize("bias", [-1, 1])
def test_a_rectifier_with_slopes_by_position_has_no_negative_constants(bias, keras, conv):
    model = build(keras, conv(), keras.layers.PReLU(), conv(3, name="output"))
    model.layers[0].bias.assign(np.full(6, bias))
    assert units(check_compaction(model))["first"] == (6 if bias < 0 else 4)


def test_synchronized_normalization_stays_so(keras, conv):
    layer = keras.layers.BatchNormalization(synchronized=True)
    result = check_compaction(build(keras, conv(), layer, conv(3, name="output")))
    assert result.model.layers[1].synchronized


@pytest.mark.parametrize("keras", [tf_keras], indirect=True)
def test_the_older_synchronized_normalization_passes_constants(keras, conv):
    layer = keras.layers.experimental.SyncBatchNormalization()
    result = check_compaction(build(keras, conv(), layer, conv(3, name="output")))
    assert units(result)["first"] == 4


def test_the_statistics_of_a_data_set_are_kept(keras, conv):
    norm = keras.layers.Normalization(name="norm")
    model = build(keras, conv(activation="elu"), norm, conv(3, name="output"))
    norm.adapt(np.random.default_rng(0).normal(3, 2, (20, 4, 4, 6)).astype(np.float32))
    result = check_compaction(model)
    assert units(result) == {"first": 4, "norm": 4, "output": 3}


@pytest.mark.parametrize("keras", [keras_3], indirect=True)
def test_adapted_and_quantized_kernels_stay(keras):
    model = build(
        keras,
        keras.layers.Dense(6, name="first"),
        keras.layers.Dense(4, name="adapted"),
        keras.layers.Dense(3, name="quantized"),
        shape=(3,),
    )
    model.get_layer("adapted").enable_lora(2)
    model.get_layer("quantized").quantize("int8")
    result = check_compaction(model)
    assert units(result) == {"first": 6, "adapted": 4, "quantized": 3}
    reason = "left as it is: its kernel is quantized or adapted (LoRA)"
    assert left(result)["adapted"] == left(result)["quantized"] == reason


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("kind", ["SeparableConv2D", "Conv1D", "Conv3D", "causal"])
def test_other_convolutions(kind, padding, keras):
    if kind == "causal":
        kind, padding = "Conv1D", "causal" if padding == "same" else "valid"
    shape = {"Conv1D": (8, 2), "Conv3D": (7, 7, 7, 2)}.get(kind, (8, 8, 2))
    layer = getattr(keras.layers, kind)
    model = build(
        keras,
        getattr(keras.layers, kind.replace("Separable", ""))(6, 2, activation="relu", name="first"),
        layer(5, 3, padding=padding, use_bias=False, name="second"),
        layer(3, 3, name="output"),
        shape=shape,
    )
    model.layers[0].bias.assign([0.0, -1, 0, -2, 0, 0])
    assert units(check_compaction(model)) == {"first": 4, "second": 5, "output": 3}


def test_dead_depthwise_filters_take_their_inputs_along(keras, conv):
    model = build(
        keras,
        conv(),
        keras.layers.DepthwiseConv2D(2, name="depthwise"),
        conv(3, name="output"),
        dead=[],
    )
    kernel, bias = model.layers[1].get_weights()
    kernel[:, :, [0, 5]] = 0
    model.layers[1].set_weights([kernel, bias])
    assert units(check_compaction(model)) == {"first": 4, "depthwise": 4, "output": 3}


def test_a_softmax_keeps_its_units(keras):
    model = build(
        keras,
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


def test_outputs_stay(keras):
    result = check_compaction(build(keras, keras.layers.Dense(6, name="output"), shape=(3,)))
    assert units(result) == {"output": 6}
    assert left(result) == {"output": "2 constant, but they are outputs of the model"}


@pytest.mark.parametrize(
    "layer_of",
    [
        lambda layers: layers.LayerNormalization(),
        lambda layers: layers.Lambda(reversed_channels, output_shape=(4, 4, 6)),
        lambda layers: layers.Activation(reversed_channels),
        lambda layers: layers.Conv2D(6, 1, groups=3),
        lambda layers: layers.BatchNormalization(axis=1),
        lambda layers: layers.Permute((3, 1, 2)),
        lambda layers: layers.Reshape((4, 4, 3, 2)),
        lambda layers: layers.Rescaling([1, 2, 3, 4, 5, 6]),
    ],
)
def test_channels_around_other_layers_stay(layer_of, keras, conv):
    layer = layer_of(keras.layers)
    model = build(
        keras, conv(), layer, keras.layers.Flatten(), keras.layers.Dense(2, name="output")
    )
    result = check_compaction(model)
    assert units(result)["first"] == 6
    assert left(result)[layer.name].startswith("left as it is: ")


def test_layers_of_the_user_stay(keras):
    # A class of the user's, whatever its name.
    class Dense(keras.layers.Dense):
        def call(self, inputs):
            return super().call(inputs[..., ::-1])

    model = build(
        keras,
        keras.layers.Dense(6, name="first"),
        Dense(4, name="own"),
        keras.layers.Dense(2),
        shape=(3,),
    )
    result = check_compaction(model)
    assert units(result)["first"] == 6
    assert left(result)["own"] == "left as it is: Dense is not known to keep channels apart"


@pytest.mark.parametrize("policy", ["float64", "mixed_bfloat16"])
def test_dtype_policies_stay(policy, keras):
    model = build(
        keras,
        keras.layers.Dense(6, "sigmoid", name="first", dtype=policy),
        keras.layers.Dense(2, name="output"),
        shape=(3,),
    )
    result = check_compaction(model, tolerance=1e-5 if policy == "float64" else 2e-2)
    assert units(result) == {"first": 4, "output": 2}
    assert [layer.dtype_policy.name for layer in result.model.layers] == [policy, "float32"]
