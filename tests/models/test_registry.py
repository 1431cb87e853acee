"""Models by name: what every registered architecture owes the experiments."""

import inspect

import numpy as np
import pytest
import tf_keras as keras

import tf_lottery
import tf_lottery.models
from tests.registries import forget_what_was_added
from tf_lottery.masking.prunable import masked_variables
from tf_lottery.models import registry
from tf_lottery.models.build import build_model
from tf_lottery.models.registry import FAMILIES, example_models, model_names

STANDARD = ((0.0,), (1.0,))


def smallest_images(name):
    """Images that every network of a family can take; small, since tests are to be quick."""
    return {"inception_v3": (75, 76, 3), "mobilenet_v2": (32, 40, 3)}.get(
        name, (32, 40, 3) if name.startswith("applications.") else (16, 24, 3)
    )


# Other tests train, or take apart, networks of these families.
LARGE = {"mobilenet_v2", "resnet18", "resnet8", "squeezenet", "vgg11_w0.1"}


def examples(but: str) -> list:
    """A network of each family; fast are the cheapest, but for one that another test has."""
    cheapest = {family.examples[0] for family in FAMILIES.all().values()}
    fast = cheapest - LARGE - {but}
    return [
        pytest.param(name, marks=() if name in fast else pytest.mark.slow)
        for name in example_models()
    ]


@pytest.mark.parametrize("name", examples(but="conv2"))
def test_raw_pixels_become_logits(name):
    shape = smallest_images(name)
    model = build_model(name, shape, 7, init_seed=0, normalization=((127.0,), (4000.0,)))
    pixels = np.random.default_rng(0).integers(0, 256, (5, *shape)).astype(np.uint8)
    logits = model.predict(pixels, verbose=0)
    assert (logits.shape, logits.dtype) == ((5, 7), np.float32)
    assert logits.min() < 0  # Neither probabilities nor rectified.
    np.testing.assert_allclose(logits, model.predict(pixels.astype(np.float32), verbose=0))
    assert model.name == name
    assert [layer.name for layer in model.layers[:2]] == ["images", "normalization"]
    assert not any(weight.numpy().any() for weight in model.weights if "bias" in weight.name)


@pytest.mark.parametrize("name", examples(but="wideresnet_10_1"))
def test_masks_go_on_and_off_without_a_trace(name):
    shape = smallest_images(name)
    model = build_model(name, shape, 7, init_seed=0, normalization=((127.0,), (4000.0,)))
    pixels = np.random.default_rng(0).integers(0, 256, (2, *shape)).astype(np.float32)
    # With the statistics of the batch, since activations can vanish with the initial averages.
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_variance.assign(layer.moving_variance / 16)
    logits = model(pixels).numpy()
    assert np.ptp(logits) > 1e-3

    masked = tf_lottery.prunable(model)
    np.testing.assert_array_equal(masked(pixels), logits)
    np.testing.assert_array_equal(tf_lottery.strip(masked)(pixels), logits)
    kernels = {weight.name: weight for weight in model.weights if "kernel" in weight.name}
    variables = masked_variables(masked)
    assert {f"{name}:0" for name in variables} == set(kernels)
    for name, (weight, mask) in variables.items():
        np.testing.assert_array_equal(weight, kernels[f"{name}:0"])
        assert mask.shape == weight.shape
        assert np.all(mask.numpy() == 1)


def test_normalization_standardises_each_channel_of_raw_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (200, 6, 6, 3)).astype(np.uint8)
    pixels = pixels // np.array([1, 2, 5], np.uint8)
    statistics = (pixels.mean((0, 1, 2)), pixels.var((0, 1, 2)))
    model = build_model("lenet_5", (6, 6, 3), 2, 0, statistics)
    standardised = model.get_layer("normalization")(pixels).numpy()
    np.testing.assert_allclose(standardised.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(standardised.std((0, 1, 2)), 1, atol=1e-5)


def test_one_mean_and_variance_standardise_flat_data():
    model = build_model("lenet_5", (4,), 2, 0, ((10.0,), (4.0,)))
    standardised = model.get_layer("normalization")(np.array([[10, 12, 8, 14]], np.uint8))
    np.testing.assert_allclose(standardised.numpy(), [[0, 1, -1, 2]])


def test_a_model_is_rebuilt_from_its_configuration():
    model = build_model("conv2", (8, 8, 3), 10, 0, ((1.0, 2.0, 3.0), (4.0, 5.0, 6.0)))
    copy = keras.models.model_from_json(model.to_json())
    copy.set_weights(model.get_weights())
    pixels = np.random.default_rng(0).uniform(0, 255, (3, 8, 8, 3)).astype(np.float32)
    np.testing.assert_array_equal(copy.predict(pixels, verbose=0), model.predict(pixels, verbose=0))


def test_names_for_people_show_the_families():
    names = {"lenet_N_M_…", "conv6", "resnet110", "vgg19", "resnet101"}
    names |= {f"{of}DEPTH_wFACTOR (FACTOR of 0.04 or more)" for of in ("resnet", "vgg")}
    assert names | {"wideresnet_28_10", "inception_v3", "mobilenet_v2"} <= set(model_names())
    assert "lenet_N_M_…" not in example_models()


@pytest.mark.parametrize(
    "name",
    [
        "lenet300_100",
        "lenet_300_0",
        "lenet_",
        "conv3",
        "Conv2",
        "",
        "resnet21",
        "resnet20_w0",
        "resnet14_w0.01",
        "vgg11_w0.03",
    ],
)
def test_an_unknown_model_is_answered_with_the_known_ones(name):
    with pytest.raises(ValueError, match=f"--model={name} .*conv2, .*lenet_N_M_…"):
        build_model(name, (8, 8, 1), 10, 0, STANDARD)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("lenet300100", "lenet_300_100"),
        ("resnet_110", "resnet110"),
        ("wide_resnet_28_10", "wideresnet_28_10"),
        ("VGG-19", "vgg19"),
        ("lenet", "lenet_300_100"),
        ("wideresnet", "wideresnet_16_8 or wideresnet_28_10"),
    ],
)
def test_a_close_name_is_suggested(name, meant):
    with pytest.raises(ValueError, match=f"Did you mean {meant}"):
        build_model(name, (8, 8, 1), 10, 0, STANDARD)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((8, 8), 10, 0, STANDARD), r"input_shape=\(8, 8\)"),
        (((8, 0, 1), 10, 0, STANDARD), "input_shape"),
        (((8, 8, 1), 1, 0, STANDARD), "classes=1"),
        (((8, 8, 1), 10, -1, STANDARD), "--init_seed=-1"),
        (((8, 8, 3), 10, 0, ((0, 0), (1, 1))), "2 means and 2 variances.*1 or 3"),
        (((8, 8, 1), 10, 0, ((np.nan,), (1,))), "finite"),
        (((8, 8, 1), 10, 0, ((0,), (-1,))), "variances"),
    ],
)
def test_arguments_that_do_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        build_model("lenet_300_100", *arguments)


def test_keras_has_the_applications_that_are_known_without_tensorflow():
    functions = dict(inspect.getmembers(keras.applications, inspect.isfunction))
    named = {name.partition(".")[2] for name in spelled_names() if name.startswith("applications.")}
    assert named == set(functions)


def spelled_names():
    return [name for family in registry.FAMILIES.all().values() for name in family.spelled]


def test_functions_of_the_same_name_register_networks_of_different_names():
    """In one module, and in two."""
    try:
        for units, module in enumerate(("one", "one", "other"), 3):

            def build(inputs, classes, units=units):
                features = keras.layers.Dense(units)(keras.layers.Flatten()(inputs))
                return keras.layers.Dense(classes)(features)

            build.__module__ = module
            registry.register_model(f"small_{units}")(build)
        for units in (3, 4, 5):
            model = build_model(f"small_{units}", (2, 2, 1), 2, 0, STANDARD)
            assert [w.shape[1] for w in model.trainable_weights[::2]] == [units, 2]
        with pytest.raises(ValueError, match="another: there is a model 'small_3' already"):
            build.__module__ = "another"
            registry.register_model("small_3")(build)
    finally:
        forget_what_was_added()


def test_the_former_name_of_register_model_warns():
    with pytest.warns(DeprecationWarning, match=r"register is called register_model, and goes"):
        assert tf_lottery.models.register is tf_lottery.models.register_model


@pytest.mark.parametrize("name", ["lenet_9_8", "conv2"])
def test_dropout_adds_no_weights_and_changes_none(name):
    shape = smallest_images(name)
    plain, dropping = (
        build_model(name, shape, 7, init_seed=0, normalization=STANDARD, dropout=rate)
        for rate in (0.0, 0.5)
    )
    assert [layer.name for layer in dropping.layers if isinstance(layer, keras.layers.Dropout)] == [
        "dropout_1",
        "dropout_2",
    ]
    for one, other in zip(plain.weights, dropping.weights, strict=True):
        assert one.name == other.name
        np.testing.assert_array_equal(one, other)


def test_dropout_of_networks_without_a_place_for_it_is_refused():
    with pytest.raises(ValueError, match=r"--dropout=0.5 is for conv2, .*not for --model=resnet8"):
        registry.check_model_name("resnet8", dropout=0.5)
