"""What an experiment chooses about any network: its initial kernels, normalization and dtypes."""

import hashlib
import itertools
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

import tf_lottery
from tf_lottery.masking.prunable import masked_variables
from tf_lottery.models.assembly import NetworkOptions, assemble, draw
from tf_lottery.models.build import build_model


def seed_of(init_seed, kernel):
    return int(np.random.SeedSequence([init_seed, kernel]).generate_state(1)[0]) >> 1


def weights_digest(model):
    return hashlib.sha256(b"".join(map(np.ndarray.tobytes, model.get_weights()))).hexdigest()


class Shift(keras.layers.Layer):
    """A layer that Keras does not know by name."""

    def call(self, inputs):
        return inputs + tf.cast(1, inputs.dtype)


def of_all_kinds(inputs):
    """Connects layers of every kind that matters, without names, some in a model of their own."""
    features = keras.layers.Conv2D(6, 3, kernel_initializer="zeros")(inputs)
    features = keras.Sequential(
        [
            keras.layers.Conv2D(6, 3, padding="same"),
            keras.layers.BatchNormalization(momentum=0.8, scale=False),
            Shift(),
        ],
        name="nested",
    )(features)
    features = features * 2.0 + keras.layers.BatchNormalization()(features)
    features = keras.layers.SeparableConv2D(5, 3)(features)
    features = keras.layers.DepthwiseConv2D(3)(features)
    features = keras.layers.GlobalAveragePooling2D()(features)
    return keras.layers.Dense(4)(features)


def assembled(architecture=of_all_kinds, seed=3, name="any", **options):
    standardise = keras.layers.Normalization(
        mean=[127.0], variance=[4000.0], dtype="float32", name="normalization"
    )
    return assemble(
        name, draw(architecture, (9, 9, 3)), (9, 9, 3), standardise, NetworkOptions(seed, **options)
    )


def flat_layers(model):
    for layer in model.layers:
        yield from flat_layers(layer) if isinstance(layer, keras.Model) else [layer]


def norms(model):
    kind = keras.layers.BatchNormalization.__base__
    return [layer for layer in flat_layers(model) if isinstance(layer, kind)]


@pytest.mark.parametrize(
    "name",
    [
        *("lenet_20_10", "wideresnet_10_1"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("conv2", "resnet20", "vgg11")),
    ],
)
def test_kernel_i_is_drawn_from_the_seed_of_init_seed_and_i(build, kernels, name):
    for index, kernel in enumerate(kernels(build(name, seed=7)).values()):
        initializer = keras.initializers.GlorotNormal(seed=seed_of(7, index))
        np.testing.assert_array_equal(kernel, initializer(kernel.shape))


@pytest.mark.parametrize(
    ("name", "shape", "first", "last"),
    [
        ("lenet_300_100", (28, 28, 1), -0.03175104, 0.03826189),
        ("conv2", (32, 32, 3), -0.042571016, -0.009482049),
        pytest.param("conv6", (32, 32, 3), -0.042571016, 0.027077954, marks=pytest.mark.slow),
    ],
)
def test_initial_weights_stay_those_of_earlier_versions(build, kernels, name, shape, first, last):
    drawn = [kernel.ravel() for kernel in kernels(build(name, shape, seed=7)).values()]
    assert drawn[0][0] == np.float32(first)
    assert drawn[-1][-1] == np.float32(last)


@pytest.mark.parametrize(
    ("initializer", "fan", "scale", "uniform"),
    [
        ("glorot_normal", "both", 1, False),
        ("glorot_uniform", "both", 1, True),
        ("he_normal", "in", 2, False),
        ("he_uniform", "in", 2, True),
    ],
)
@pytest.mark.parametrize("name", [pytest.param("lenet_300_100", marks=pytest.mark.slow), "conv4"])
def test_distribution_of_the_kernels(build, kernels, name, initializer, fan, scale, uniform):
    for kernel in kernels(build(name, initializer=initializer)).values():
        receptive_field = int(np.prod(kernel.shape[:-2]))
        fan_in, fan_out = (receptive_field * channels for channels in kernel.shape[-2:])
        variance = scale / (fan_in if fan == "in" else (fan_in + fan_out) / 2)
        tolerance = 4 / np.sqrt(kernel.size)
        assert kernel.std() == pytest.approx(np.sqrt(variance), rel=tolerance)
        assert abs(kernel.mean()) < kernel.std() * tolerance
        # A uniform distribution ends at sqrt(3) standard deviations, Keras's normal one, cut at
        # two of its own before it is scaled, at 2.27.
        largest = abs(kernel).max() / np.sqrt(variance)
        assert largest <= (np.sqrt(3) if uniform else 2.28) + 1e-5
        assert kernel.size < 2000 or largest > (1.7 if uniform else 2.1)


def test_gaussian_kernels_have_the_deviation_that_is_asked_for(build, kernels):
    drawn = kernels(build("lenet_300_100", initializer="normal", init_stddev=0.05))
    for kernel in drawn.values():
        tolerance = 4 / np.sqrt(kernel.size)
        assert kernel.std() == pytest.approx(0.05, rel=tolerance)
        # It is not cut off.
        assert kernel.size < 10_000 or abs(kernel).max() > 3 * 0.05


def test_scales_of_normalizations_are_drawn_and_kernels_stay_as_they_are(build, kernels):
    plain, drawn = (build("resnet8", batch_norm_init=how) for how in ("ones", "uniform"))
    for (name, kernel), same in zip(kernels(plain).items(), kernels(drawn).values(), strict=True):
        np.testing.assert_array_equal(kernel, same, err_msg=name)
    names = [layer.name for layer in plain.layers if hasattr(layer, "gamma")]
    ones, scales = (
        np.concatenate([model.get_layer(name).gamma.numpy() for name in names])
        for model in (plain, drawn)
    )
    assert np.all(ones == 1)
    assert 0 <= scales.min() < 0.05
    assert 0.95 < scales.max() <= 1
    assert scales.mean() == pytest.approx(0.5, abs=4 / np.sqrt(12 * scales.size))
    first, second = (drawn.get_layer(name).gamma.numpy() for name in names[:2])
    assert not np.array_equal(first, second)
    again = build("resnet8", batch_norm_init="uniform")
    np.testing.assert_array_equal(again.get_layer(names[0]).gamma.numpy(), first)


def test_an_architecture_does_not_choose_its_kernels(kernels):
    for index, (name, kernel) in enumerate(kernels(assembled(initializer="he_normal")).items()):
        expected = keras.initializers.HeNormal(seed=seed_of(3, index))(kernel.shape)
        np.testing.assert_array_equal(kernel, expected, err_msg=name)
    # Two convolutions, depthwise and pointwise of a separable one, a depthwise one, a dense layer.
    assert index == 5


def test_names_and_weights_do_not_depend_on_what_was_built_before():
    first = assembled()
    keras.layers.Conv2D(3, 3)
    keras.layers.Dense(3).build((None, 4))
    tf.random.set_seed(99)
    second = assembled()
    assert [weight.name for weight in first.weights] == [weight.name for weight in second.weights]
    assert "conv2d/kernel:0" in [weight.name for weight in first.weights]
    assert weights_digest(first) == weights_digest(second)
    assert weights_digest(first) != weights_digest(assembled(seed=4))
    assert weights_digest(first) != weights_digest(assembled(initializer="he_normal"))


def test_the_network_computes_what_its_architecture_says(pixels):
    model, images = assembled(name="any.name"), pixels((9, 9, 3))
    inputs = keras.Input((9, 9, 3))
    plain = keras.Model(inputs, of_all_kinds(inputs))
    plain.set_weights(model.get_weights())
    np.testing.assert_allclose(
        model(images), plain((images - 127) / np.sqrt(4000)), rtol=1e-4, atol=1e-5
    )
    assert (model.name, model.layers[1].name) == ("any.name", "normalization")
    assert model.input_shape == (None, 9, 9, 3)


def test_preprocessing_inside_an_architecture_is_left_out(pixels):
    def preprocessing(inputs):
        features = keras.layers.Rescaling(1 / 255)(inputs)
        features = keras.layers.Normalization(mean=5.0, variance=7.0)(features)
        return of_all_kinds(features)

    images = pixels((9, 9, 3))
    model = assembled(preprocessing)
    np.testing.assert_array_equal(model(images), assembled()(images))
    assert [layer.name for layer in model.layers[:3]] == ["images", "normalization", "conv2d"]


@pytest.mark.parametrize(
    ("batch_norm", "wrap"),
    [
        pytest.param("per_replica", False, marks=pytest.mark.slow),
        pytest.param("per_replica", True, marks=pytest.mark.slow),
        pytest.param("synchronized", False, marks=pytest.mark.slow),
        ("synchronized", True),
    ],
)
def test_statistics_of_batch_normalization(mirrored, batch_norm, wrap):
    def only_normalizes(inputs):
        return keras.layers.Dense(1, name="output")(
            keras.layers.Flatten()(keras.layers.BatchNormalization(epsilon=1e-5)(inputs))
        )

    with mirrored.scope():
        model = assembled(only_normalizes, batch_norm=batch_norm)
        if wrap:
            model = tf_lottery.prunable(model)
    normalized = keras.Model(model.input, model.layers[2].output)

    # One replica sees only dark images, the other only bright ones.
    images = np.repeat(np.float32([[0, 0, 255, 255]]).T, 9 * 9 * 3, axis=1).reshape(4, 9, 9, 3)
    batches = mirrored.experimental_distribute_dataset(
        tf.data.Dataset.from_tensor_slices(images).batch(4)
    )
    outputs = mirrored.run(lambda batch: normalized(batch, training=True), (next(iter(batches)),))
    dark, bright = (output.numpy() for output in outputs.values)
    spread = 0 if batch_norm == "per_replica" else 1
    # What is constant has no variance: the rounding of its mean is divided by the epsilon's root.
    np.testing.assert_allclose(dark, -spread, atol=1e-2)
    np.testing.assert_allclose(bright, spread, atol=1e-2)


@pytest.mark.parametrize(
    "policy", ["float32", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)]
)
def test_synchronized_statistics_are_those_of_one_large_batch(pixels, policy):
    images = pixels((9, 9, 3), number=16)
    outputs = [
        assembled(batch_norm=batch_norm, dtype_policy=policy)(images, training=True).numpy()
        for batch_norm in ("per_replica", "synchronized")
    ]
    tolerance = 1e-4 if policy == "float32" else 0.05
    np.testing.assert_allclose(*outputs, atol=tolerance * abs(outputs[0]).max())


def test_synchronized_layers_keep_the_settings_of_the_architecture():
    for batch_norm, synchronized in (("per_replica", False), ("synchronized", True)):
        first, second = norms(assembled(batch_norm=batch_norm))
        assert [layer.synchronized for layer in (first, second)] == [synchronized] * 2
        assert (first.momentum, first.scale, second.momentum) == (0.8, False, 0.99)


@pytest.mark.slow
def test_a_synchronized_model_is_rebuilt_from_its_configuration(build):
    model = build("resnet20", batch_norm="synchronized")
    for copy in (
        keras.models.model_from_json(model.to_json()),
        keras.models.clone_model(model),
        tf_lottery.strip(tf_lottery.prunable(model)),
    ):
        assert len(norms(copy)) == 21
        assert all(layer.synchronized for layer in norms(copy))


def test_mixed_precision(pixels):
    model = assembled(dtype_policy="mixed_bfloat16")
    layers = [
        layer for layer in flat_layers(model) if not isinstance(layer, keras.layers.InputLayer)
    ]
    float32 = [layer.name for layer in layers if layer.dtype_policy.name == "float32"]
    assert float32 == ["normalization", "dense"]
    assert {layer.dtype_policy.name for layer in layers} == {"float32", "mixed_bfloat16"}
    assert {weight.dtype for weight in model.weights} == {tf.float32}

    images = pixels((9, 9, 3))
    exact = assembled()
    np.testing.assert_array_equal(*(net.get_weights()[0] for net in (model, exact)))
    logits = model(images)
    assert logits.dtype == tf.float32
    np.testing.assert_allclose(logits, exact(images), atol=0.02 * abs(exact(images)).numpy().max())
    assert not np.array_equal(logits, exact(images))
    inside = keras.Model(model.input, [layer.output for layer in model.layers[:3]])
    assert [tensor.dtype.name for tensor in inside(images)] == ["float32", "float32", "bfloat16"]


def test_mixed_precision_outlives_copies(pixels):
    model, images = assembled(dtype_policy="mixed_bfloat16"), pixels((9, 9, 3))
    masked = tf_lottery.prunable(model)
    for copy in (masked, tf_lottery.strip(masked)):
        np.testing.assert_array_equal(copy(images), model(images))
    assert {weight.dtype for weight, _ in masked_variables(masked).values()} == {tf.float32}


def test_no_policy_is_left_behind_and_none_is_taken_over(pixels):
    assembled(dtype_policy="mixed_bfloat16")
    assert keras.mixed_precision.global_policy().name == "float32"
    expected = assembled()(pixels((9, 9, 3)))
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        outputs = assembled()(pixels((9, 9, 3)))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    np.testing.assert_array_equal(outputs, expected)


ON_TWO_REPLICAS = """
import hashlib
import tensorflow as tf
from tf_lottery.models.build import build_model
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    for name, shape in (("conv2", (8, 8, 1)), ("wideresnet_10_1", (8, 8, 3))):
        model = build_model(name, shape, 10, 5, ((0.0,), (1.0,)))
        for replica in range(2):
            digest = hashlib.sha256()
            for variable in model.variables:
                digest.update(variable.values[replica].numpy().tobytes())
            print(digest.hexdigest())
"""


@pytest.mark.slow
def test_another_process_draws_the_same_bits_on_both_replicas(pytestconfig):
    other = subprocess.run(
        [sys.executable, "-c", ON_TWO_REPLICAS],
        cwd=pytestconfig.rootpath,
        capture_output=True,
        text=True,
        check=True,
    )
    here = [
        weights_digest(build_model(name, shape, 10, 5, ((0.0,), (1.0,))))
        for name, shape in (("conv2", (8, 8, 1)), ("wideresnet_10_1", (8, 8, 3)))
    ]
    expected = list(itertools.chain.from_iterable((digest, digest) for digest in here))
    assert other.stdout.split()[-4:] == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"initializer": "he"}, r"--initializer=he .*glorot_normal, .*he_uniform"),
        ({"batch_norm": "sync"}, r"--batch_norm=sync .*per_replica, synchronized"),
        ({"dtype_policy": "bfloat16"}, r"dtype_policy=bfloat16 .*mixed_bfloat16"),
        ({"seed": -1}, r"--init_seed=-1 .*at least 0"),
    ],
)
def test_choices_that_there_are_not(build, options, message):
    with pytest.raises(ValueError, match=message):
        build("lenet_5", **options)


def test_layers_in_wrappers_are_chosen_too():
    layers = keras.layers

    def within(inputs):
        x = layers.Reshape((27, 9))(inputs)
        x = layers.TimeDistributed(layers.BatchNormalization(), name="norm")(x)
        block = keras.Sequential([layers.Dense(4), layers.BatchNormalization()])
        x = layers.TimeDistributed(block, name="block")(x)
        x = layers.Bidirectional(layers.LSTM(3, return_sequences=True), name="both")(x)
        x = layers.RNN([layers.LSTMCell(3), layers.GRUCell(3)], name="cells")(x)
        return layers.Dense(2, name="output")(x)

    options = {"batch_norm": "synchronized", "batch_norm_init": "uniform"}
    model = assembled(within, dtype_policy="mixed_bfloat16", **options)
    parts = list(model._flatten_layers(include_self=False))
    norms = [part for part in parts if hasattr(part, "gamma")]
    assert [type(norm).__name__ for norm in norms] == ["SyncBatchNormalization"] * 2
    assert all(0 < norm.gamma.numpy().min() < norm.gamma.numpy().max() < 1 for norm in norms)
    computing = [part for part in parts if not isinstance(part, keras.Model)]
    of_float32 = {part.name for part in computing if part.dtype_policy.name == "float32"}
    assert of_float32 == {"images", "normalization", "output"}
    assert model(np.ones((2, 9, 9, 3), np.float32)).dtype == tf.float32
