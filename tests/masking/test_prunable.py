"""Wrapping: every kind of model, the same function, other variables."""

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_lottery.masking.layers import model_variables
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import get_mask, prunable, set_mask, strip
from tf_lottery.masking.wrapper import MaskedLayer

layers = keras.layers


def sequential() -> keras.Model:
    return keras.Sequential(
        [
            layers.Dense(8, activation="relu", input_shape=(6,), name="hidden"),
            layers.Dense(3, name="output"),
        ]
    )


def functional() -> keras.Model:
    image = keras.Input((8, 8, 2))
    x = layers.Conv2D(4, 3, padding="same", use_bias=False, name="conv")(image)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU()(x)
    x = layers.Add()([x, layers.Conv2D(4, 1, name="shortcut")(image)])
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Dense(3, name="output")(x))


def nested() -> keras.Model:
    block = keras.Sequential([layers.Dense(6, input_shape=(6,), name="dense")], name="block")
    inner_input = keras.Input((6,))
    inner = keras.Model(
        inner_input, layers.Dense(5, name="dense")(block(inner_input)), name="inner"
    )
    x = keras.Input((6,))
    return keras.Model(x, layers.Dense(3, name="dense")(inner(x)))


def shared_layer() -> keras.Model:
    one, two = keras.Input((6,)), keras.Input((6,))
    shared = layers.Dense(4, name="shared")
    return keras.Model([one, two], layers.Concatenate()([shared(one), shared(two)]))


def shared_model() -> keras.Model:
    tower = keras.Sequential([layers.Dense(4, input_shape=(6,), name="dense")], name="tower")
    one, two = keras.Input((6,)), keras.Input((6,))
    return keras.Model([one, two], layers.Subtract()([tower(one), tower(two)]))


def tensorflow_operations() -> keras.Model:
    x = keras.Input((6,))
    y = tf.nn.relu(layers.Dense(5, name="first")(x) * 2.0 + 1.0)
    y = tf.concat([y, y[:, :2]], axis=-1)
    return keras.Model(x, tf.math.tanh(layers.Dense(3, name="second")(y)))


def several_outputs() -> keras.Model:
    x = keras.Input((6,))
    hidden = layers.Dense(5, name="hidden")(x)
    return keras.Model(
        {"x": x}, {"a": layers.Dense(2, name="a")(hidden), "b": layers.Dense(3, name="b")(hidden)}
    )


def convolutions() -> keras.Model:
    return keras.Sequential(
        [
            layers.SeparableConv2D(4, 3, input_shape=(9, 9, 2), name="separable"),
            layers.DepthwiseConv2D(3, name="depthwise"),
            layers.Conv2DTranspose(3, 2, strides=2, name="transpose"),
            layers.Conv2D(4, 3, groups=1, dilation_rate=2, name="plain"),
            layers.Flatten(),
            layers.Dense(3, name="output"),
        ]
    )


def convolutions_1d() -> keras.Model:
    return keras.Sequential(
        [
            layers.Conv1D(4, 3, input_shape=(12, 2), name="plain"),
            layers.SeparableConv1D(4, 3, name="separable"),
            layers.DepthwiseConv1D(3, name="depthwise"),
            layers.Conv1DTranspose(2, 3, name="transpose"),
        ]
    )


def convolutions_3d() -> keras.Model:
    return keras.Sequential(
        [
            layers.Conv3D(2, 2, input_shape=(4, 4, 4, 1), name="plain"),
            layers.Conv3DTranspose(2, 2, name="transpose"),
        ]
    )


KERNELS: dict[Callable[[], keras.Model], list[str]] = {
    sequential: ["hidden/kernel", "output/kernel"],
    functional: ["conv/kernel", "shortcut/kernel", "output/kernel"],
    nested: ["inner/block/dense/kernel", "inner/dense/kernel", "dense/kernel"],
    shared_layer: ["shared/kernel"],
    shared_model: ["tower/dense/kernel"],
    tensorflow_operations: ["first/kernel", "second/kernel"],
    several_outputs: ["hidden/kernel", "a/kernel", "b/kernel"],
    convolutions: [
        "separable/depthwise_kernel", "separable/pointwise_kernel", "depthwise/depthwise_kernel",
        "transpose/kernel", "plain/kernel", "output/kernel",
    ],
    convolutions_1d: [
        "plain/kernel", "separable/depthwise_kernel", "separable/pointwise_kernel",
        "depthwise/depthwise_kernel", "transpose/kernel",
    ],
    convolutions_3d: ["plain/kernel", "transpose/kernel"],
}  # fmt: skip
SLOW = {several_outputs, convolutions_1d, convolutions_3d}
EVERY_MODEL = pytest.mark.parametrize(
    "build",
    [pytest.param(each, marks=pytest.mark.slow) if each in SLOW else each for each in KERNELS],
    ids=lambda build: build.__name__,
)


def inputs_of(model: keras.Model) -> list[tf.Tensor]:
    rng = np.random.default_rng(0)
    return tf.nest.map_structure(
        lambda tensor: tf.constant(rng.normal(size=(3, *tensor.shape[1:])), tf.float32), model.input
    )


def same_outputs(one: keras.Model, two: keras.Model) -> None:
    for training in (False, True):
        inputs = inputs_of(one)
        outputs = [model(inputs, training=training) for model in (one, two)]
        tf.nest.map_structure(np.testing.assert_array_equal, *outputs)


def half_mask(model: keras.Model, seed: int = 0) -> Mask:
    rng = np.random.default_rng(seed)
    return Mask({name: rng.random(array.shape) < 0.5 for name, array in get_mask(model).items()})


def randomize(model: keras.Model) -> keras.Model:
    """Gives every variable, normalization statistics too, values that no initializer gives."""
    rng = np.random.default_rng(1)
    model.set_weights([rng.uniform(0.1, 1, w.shape).astype(w.dtype) for w in model.get_weights()])
    return model


@EVERY_MODEL
def test_every_kernel_gets_a_mask_and_the_function_stays(build: Callable[[], keras.Model]):
    original = randomize(build())
    model = prunable(original)
    assert type(model) is type(original)
    assert sorted(get_mask(model)) == sorted(KERNELS[build])
    assert get_mask(model).density == 1.0
    assert len(model_variables(model)) == len(original.weights)
    same_outputs(original, model)


@EVERY_MODEL
def test_masks_zero_exactly_their_weights(build: Callable[[], keras.Model]):
    model = prunable(randomize(build()))
    before = {name: v.numpy() for name, v in model_variables(model).items()}
    mask = half_mask(model)
    set_mask(model, mask)
    assert get_mask(model) == mask
    expected = mask.apply(before)
    for name, variable in model_variables(model).items():
        np.testing.assert_array_equal(variable.numpy(), expected[name])


@EVERY_MODEL
def test_stripped_models_are_plain(build: Callable[[], keras.Model]):
    original = build()
    model = prunable(original)
    set_mask(model, half_mask(model))
    plain = strip(model)
    same_outputs(plain, model)
    assert "tf_lottery" not in plain.to_json()
    assert "Prune" not in plain.to_json()
    assert [w.shape for w in plain.get_weights()] == [w.shape for w in original.get_weights()]
    assert not any(isinstance(module, MaskedLayer) for module in plain.submodules)
    assert not {id(v) for v in plain.variables} & {id(v) for v in model.variables}


def test_the_copy_has_its_own_variables():
    original = functional()
    before = original.get_weights()
    model = prunable(original)
    set_mask(model, half_mask(model))
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 8, 8, 2)), np.ones((4, 3)), verbose=0)
    for old, now in zip(before, original.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)


def test_normalization_is_copied_but_not_masked():
    original = randomize(functional())
    model = prunable(original)
    variables = model_variables(model)
    for name, variable in zip(
        ("gamma", "beta", "moving_mean", "moving_variance"), original.get_layer("norm").weights,
        strict=True,
    ):  # fmt: skip
        np.testing.assert_array_equal(variables[f"norm/{name}"], variable)


@pytest.mark.parametrize(
    ("build", "size", "kernels"),
    [
        pytest.param(keras.applications.MobileNetV3Small, 32, 54, marks=pytest.mark.slow),
        pytest.param(keras.applications.EfficientNetB0, 32, 82, marks=pytest.mark.slow),
        pytest.param(keras.applications.InceptionV3, 75, 95, marks=pytest.mark.slow),
        pytest.param(keras.applications.ConvNeXtTiny, 32, 59, marks=pytest.mark.slow),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_networks_of_keras(build: Callable[..., keras.Model], size: int, kernels: int):
    """Some hold TensorFlow operations, rescaling and layers of classes of their own."""
    original = build(weights=None, input_shape=(size, size, 3), classes=3)
    images = np.random.default_rng(0).normal(size=(2, size, size, 3)).astype(np.float32)
    model = prunable(original)
    np.testing.assert_array_equal(model(images), original(images))
    assert len(get_mask(model)) == kernels
    assert len(model_variables(model)) == len(original.weights)
    mask = half_mask(model)
    set_mask(model, mask)
    variables = model_variables(model)
    assert not any(variables[name].numpy()[~array].any() for name, array in mask.items())
    plain = strip(model)
    np.testing.assert_array_equal(plain(images), model(images))
    assert not any(isinstance(module, MaskedLayer) for module in plain.submodules)


def test_a_mask_that_does_not_fit_changes_nothing():
    model = prunable(randomize(sequential()))
    before = model.get_weights()
    hidden, output = np.zeros((6, 8), bool), np.zeros((3, 8), bool)
    with pytest.raises(ValueError, match=r"output/kernel has shape \(8, 3\).*\(3, 8\)"):
        set_mask(model, Mask({"hidden/kernel": hidden, "output/kernel": output}))
    with pytest.raises(ValueError, match=r"prunable weights are .*output/kernel"):
        set_mask(model, Mask({"hidden/kernel": hidden}))
    assert get_mask(model).density == 1.0
    for old, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)


def test_normalization_stays_synchronized():
    layers = [keras.layers.Dense(2, input_shape=(3,))]
    layers += [keras.layers.BatchNormalization(synchronized=on) for on in (True, False)]
    model = prunable(keras.Sequential(layers))
    assert [layer.synchronized for layer in model.layers[1:]] == [True, False]


def test_a_model_without_masks_takes_none():
    mask = get_mask(prunable(sequential()))
    with pytest.raises(ValueError, match=r" has no masks: make it prunable with tf_lottery"):
        set_mask(sequential(), mask)
