"""The networks of tf_keras.applications: Keras's own layers behind our normalization."""

import inspect
import re

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

import tf_lottery
from tf_lottery.masking.layer_kinds import kernel_attributes
from tf_lottery.masking.prunable import masked_variables
from tf_lottery.models.registry import check_model_name

CONSTRUCTORS = dict(inspect.getmembers(keras.applications, inspect.isfunction))
SMALLEST_OF_EACH_KIND = (
    "ConvNeXtTiny",
    "DenseNet121",
    "EfficientNetB0",
    "EfficientNetV2B0",
    "InceptionResNetV2",
    "InceptionV3",
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Small",
    "NASNetMobile",
    "RegNetX002",
    "RegNetY002",
    "ResNet50",
    "ResNet50V2",
    "ResNetRS50",
    "VGG16",
    "Xception",
)


def own(name, shape, classes=10):
    """The network as Keras builds it."""
    return CONSTRUCTORS[name](weights=None, input_shape=shape, classes=classes)


def layer_kinds(model):
    return [type(layer) for layer in model.layers]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "own_name", "weights"),
    [
        pytest.param("mobilenet_v2", "MobileNetV2", 2_236_682, marks=pytest.mark.slow),
        pytest.param("inception_v3", "InceptionV3", 21_788_842, marks=pytest.mark.slow),
        ("applications.MobileNet", "MobileNet", 3_217_226),
    ],
)
def test_layers_and_weights_are_those_of_keras(build, name, own_name, weights):
    shape = (75, 75, 3)
    model, expected = build(name, shape), own(own_name, shape)
    assert layer_kinds(model)[:2] == [keras.layers.InputLayer, keras.layers.Normalization]
    assert layer_kinds(model)[2:] == layer_kinds(expected)[1:]
    shapes = [weight.shape for weight in model.trainable_weights]
    assert shapes == [weight.shape for weight in expected.trainable_weights]
    assert sum(shape.num_elements() for shape in shapes) == weights
    assert model.name == name


@pytest.mark.slow
def test_the_network_computes_what_keras_s_computes_but_for_the_softmax(build, pixels):
    images = pixels((32, 32, 3))
    model, expected = build("mobilenet_v2"), own("MobileNetV2", (32, 32, 3))
    expected.set_weights(model.get_weights())
    # With the statistics of the batch, since activations vanish with the initial averages.
    logits = model(images, training=True)
    outputs = expected((images - 127) / np.sqrt(4000), training=True)
    np.testing.assert_allclose(tf.nn.softmax(logits), outputs, atol=2e-3)
    assert outputs.numpy().std() > 0.02


@pytest.mark.slow
@pytest.mark.parametrize("name", ["EfficientNetB0", "MobileNetV3Small"])
def test_our_normalization_takes_the_place_of_the_network_s_own(build, pixels, name):
    model, images = build(f"applications.{name}"), pixels((32, 32, 3))
    kinds = layer_kinds(model)
    assert kinds[:2] == [keras.layers.InputLayer, keras.layers.Normalization]
    assert not {keras.layers.Rescaling, keras.layers.Normalization} & set(kinds[2:])
    assert keras.layers.Rescaling in layer_kinds(own(name, (32, 32, 3)))
    entering = keras.Model(model.input, model.layers[2].input)(images)
    np.testing.assert_allclose(entering, (images - 127) / np.sqrt(4000), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["RegNetX002", "ResNetRS50", "NASNetMobile"])
def test_names_and_weights_do_not_depend_on_what_was_built_before(build, kernels, name):
    first = kernels(build(f"applications.{name}", (75, 75, 3)))
    keras.layers.Conv2D(3, 3)
    second = kernels(build(f"applications.{name}", (75, 75, 3)))
    assert list(first) == list(second)
    for key, kernel in first.items():
        np.testing.assert_array_equal(kernel, second[key], err_msg=key)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("inception_v3", (32, 32, 3), r"\(32, 32, 3\).*at least 75x75"),
        ("mobilenet_v2", (28, 28, 1), r"\(28, 28, 1\).*at least 32x32"),
        ("applications.Xception", (70, 71, 3), r"\(70, 71, 3\).*at least 71x71"),
        ("applications.MobileNetV3Small", (28, 28, 3), r"\(28, 28, 3\).*at least 32x32"),
        ("mobilenet_v2", (784,), r"\(784,\).*flat"),
    ],
)
def test_images_that_a_network_cannot_take(build, name, shape, message):
    with pytest.raises(ValueError, match=f"--model={re.escape(name)} does not fit .*{message}"):
        build(name, shape)


@pytest.mark.slow
def test_one_channel_is_enough(build, pixels):
    assert build("mobilenet_v2", (32, 40, 1))(pixels((32, 40, 1))).shape == (3, 10)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("applications.MobilNetV3Small", "applications.MobileNetV3Small"),
        ("applications.resnet50", "applications.ResNet50"),
        ("applications.InceptionV4", "applications.InceptionV3"),
        ("mobilenet_v3", "mobilenet_v2"),
        ("inceptionv3", "inception_v3"),
    ],
)
def test_an_unknown_network_is_answered_with_similar_ones(name, meant):
    with pytest.raises(ValueError, match=rf"--model={name} .*Did you mean .*{re.escape(meant)}"):
        check_model_name(name)


def test_submodules_of_applications_are_not_networks():
    check_model_name("applications.VGG16")
    for name in ("applications.vgg16", "applications.imagenet_utils", "applicationsXVGG16"):
        with pytest.raises(ValueError, match="not a known model"):
            check_model_name(name)


def kernels_of_wrapped_layers(model):
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from kernels_of_wrapped_layers(layer)
        yield from (getattr(layer, attribute) for attribute in kernel_attributes(layer))


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALLEST_OF_EACH_KIND)
def test_every_kind_of_network_is_built_and_wrapped(build, pixels, name):
    shape = (75, 75, 3)
    model = build(f"applications.{name}", shape)
    assert model.output_shape == (None, 10)
    assert not model.losses
    expected = {id(kernel): kernel for kernel in kernels_of_wrapped_layers(model)}
    named = [weight for weight in model.weights if "kernel" in weight.name]
    assert {id(weight) for weight in named} == set(expected)

    masked = tf_lottery.prunable(model)
    sizes = [weight.shape.num_elements() for weight, _ in masked_variables(masked).values()]
    assert sum(sizes) == sum(kernel.shape.num_elements() for kernel in expected.values())
    assert len(sizes) == len(expected)
    logits = model(pixels(shape, number=1)).numpy()
    assert np.isfinite(logits).all()
    np.testing.assert_array_equal(masked(pixels(shape, number=1)), logits)
    np.testing.assert_array_equal(tf_lottery.strip(masked)(pixels(shape, number=1)), logits)
