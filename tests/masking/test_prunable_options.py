"""What a user may set on layers and on `prunable`, and what is refused."""

import keras as keras_3
import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tf_lottery.masking.layers import model_variables
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import get_mask, own_pruning_rates, prunable, set_mask, strip
from tf_lottery.masking.wrapper import MaskedLayer
from tf_lottery.pruning.model_plan import pruning_plan
from tf_lottery.tickets.fit.search import IterativeMagnitudePruning

layers = keras.layers


def sequential() -> keras.Model:
    return keras.Sequential(
        [
            layers.Dense(8, activation="relu", input_shape=(6,), name="hidden"),
            layers.Dense(3, name="output"),
        ]
    )


def half_mask(model: keras.Model, seed: int = 0) -> Mask:
    rng = np.random.default_rng(seed)
    return Mask({name: rng.random(array.shape) < 0.5 for name, array in get_mask(model).items()})


def train(model: keras.Model, learning_rate: float = 0.3) -> None:
    x = np.random.default_rng(3).normal(size=(16, 6)).astype(np.float32)
    model.compile(keras.optimizers.SGD(learning_rate), "mse", run_eagerly=True)
    model.fit(x, np.tile([3.0, -3.0, 3.0], (16, 1)), epochs=3, verbose=0)


def test_a_constraint_of_the_users_holds_for_the_survivors():
    dense = keras.Sequential(
        [layers.Dense(3, input_shape=(6,), name="output", kernel_constraint="unit_norm")]
    )
    model = prunable(dense)
    mask = half_mask(model)
    set_mask(model, mask)
    train(model)
    kernel = model_variables(model)["output/kernel"].numpy()
    assert not kernel[~mask["output/kernel"]].view(np.uint32).any()
    np.testing.assert_allclose(np.linalg.norm(kernel, axis=0), 1, atol=1e-6)


def test_a_non_negative_constraint_leaves_no_negative_zero():
    dense = keras.Sequential(
        [layers.Dense(3, input_shape=(6,), name="output", kernel_constraint="non_neg")]
    )
    model = prunable(dense)
    mask = half_mask(model)
    set_mask(model, mask)
    train(model)
    kernel = model_variables(model)["output/kernel"].numpy()
    assert (kernel >= 0).all()
    assert not kernel[~mask["output/kernel"]].view(np.uint32).any()
    config = strip(model).get_layer("output").get_config()
    assert config["kernel_constraint"]["class_name"] == "NonNeg"


def test_regularizers_of_the_users_apply():
    dense = keras.Sequential(
        [
            layers.Dense(
                3, input_shape=(6,), kernel_regularizer=keras.regularizers.L2(0.5), name="output"
            )
        ]
    )
    model = prunable(dense)
    set_mask(model, half_mask(model))
    kernel = model_variables(model)["output/kernel"].numpy()
    model(np.zeros((1, 6), np.float32))
    assert float(tf.add_n(model.losses)) == pytest.approx(0.5 * np.square(kernel).sum(), rel=1e-6)


def test_frozen_layers_stay_frozen():
    original = sequential()
    original.get_layer("hidden").trainable = False
    model = prunable(original)
    before = model_variables(model)["hidden/kernel"].numpy()
    train(model)
    np.testing.assert_array_equal(before, model_variables(model)["hidden/kernel"])


def test_excluded_layers_have_no_mask():
    model = prunable(sequential(), exclude=["output"])
    assert list(get_mask(model)) == ["hidden/kernel"]


def test_layers_have_their_own_rates():
    model = prunable(sequential(), pruning_rates={"output": 0.25, "hidden": 0})
    plan = pruning_plan(model, 0.5, "global")
    assert [plan.remaining(level) for level in range(3)] == [72, 48 + 18, 48 + round(13.5)]
    model = prunable(sequential(), pruning_rates={"output": 0.25})
    plan = pruning_plan(model, 0.5, "global")
    assert [plan.remaining(level) for level in range(3)] == [72, 24 + 18, 12 + round(13.5)]


@pytest.mark.parametrize("excluded", ["output", "output/kernel"])
def test_a_rate_for_what_is_excluded_is_refused(excluded):
    message = (
        rf"^pruning_rates\['output'\]=0\.1: exclude=\['{excluded}'\] leaves it dense; leave it out "
    )
    with pytest.raises(ValueError, match=message):
        prunable(sequential(), exclude=[excluded], pruning_rates={"output": 0.1})


def test_a_rate_for_what_is_excluded_in_part_holds_for_the_rest():
    dense = keras.Sequential([layers.LSTM(4, input_shape=(5, 3), name="rows")])
    model = prunable(dense, exclude=["rows/cell/kernel"], pruning_rates={"rows": 0.5})
    assert own_pruning_rates(model) == {"rows/cell/recurrent_kernel": 0.5}


def test_bad_arguments_name_themselves():
    model = sequential()
    with pytest.raises(ValueError, match=r"exclude.*hiden.*hidden, output"):
        prunable(model, exclude=["hiden"])
    with pytest.raises(ValueError, match=r"pruning_rates.*last"):
        prunable(model, pruning_rates={"last": 0.1})
    with pytest.raises(ValueError, match=r"pruning_rates\['output'\]=1\.5"):
        prunable(model, pruning_rates={"output": 1.5})
    with pytest.raises(ValueError, match="no Dense or convolution layer left"):
        prunable(model, exclude=["hidden", "output"])
    with pytest.raises(ValueError, match="prunable already"):
        prunable(prunable(model))
    with pytest.raises(ValueError, match=r"pruning_rate=0.*\(0, 1\)"):
        pruning_plan(prunable(model), 0, "global")
    with pytest.raises(ValueError, match=r"tf_lottery\.prunable"):
        pruning_plan(model, 0.2, "global")


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__(name="mine")
        self.dense = layers.Dense(3)

    def call(self, inputs):
        return self.dense(inputs)


class Applied(layers.Layer):
    """Its constructor's argument is in no configuration."""

    def __init__(self, function, **options):
        super().__init__(**options)
        self.function = function

    def call(self, inputs):
        return self.function(inputs)


def test_models_that_are_not_ready_are_explained():
    for unbuilt in (keras.Sequential([layers.Dense(3)]), keras_3.Sequential([]), Subclassed()):
        with pytest.raises(ValueError, match=r"not built.*input_shape.*call the model"):
            prunable(unbuilt)
    for flat in (
        keras.Sequential([layers.Flatten(input_shape=(2, 2))]),
        keras_3.Sequential([keras_3.Input((2, 2)), keras_3.layers.Flatten()]),
    ):
        with pytest.raises(ValueError, match="no Dense or convolution layer"):
            prunable(flat)
    for thing in (layers.Dense(3), keras_3.layers.Dense(3), "model"):
        with pytest.raises(ValueError, match="not a tf_keras model, nor one of Keras 3"):
            prunable(thing)


def test_prunable_models_are_not_made_prunable_again():
    mine = Subclassed()
    mine(np.zeros((1, 6), np.float32))
    of_keras_3 = keras_3.Sequential([keras_3.Input((6,)), keras_3.layers.Dense(3)])
    for model in (prunable(sequential()), prunable(mine), prunable(of_keras_3)):
        with pytest.raises(ValueError, match=f"{model.name} is prunable already"):
            prunable(model)


def test_layers_that_cannot_be_copied_are_explained():
    x = keras.Input((6,))
    model = keras.Model(x, layers.Dense(3)(Applied(tf.nn.relu, name="applied")(x)))
    message = r"applied \(Applied\) cannot be copied: \w+.*Give its class a get_config"
    with pytest.raises(ValueError, match=message):
        prunable(model)


@pytest.mark.parametrize("options", [{"fused": False}, {"synchronized": True}, {}])
def test_normalizations_are_computed_as_before(options: dict):
    """The fused kernel has an estimate of the variance of its own."""
    normalization = layers.BatchNormalization(name="norm", **options)
    conv = layers.Conv2D(2, 2, input_shape=(4, 4, 1), name="conv")
    dense = keras.Sequential([conv, normalization])
    copy = prunable(dense).get_layer("norm")
    assert (copy.fused, copy.synchronized) == (normalization.fused, normalization.synchronized)
    assert copy.fused is not bool(options)


@pytest.mark.parametrize("version", [keras, keras_3])
def test_inputs_are_normalized_by_the_statistics_of_the_same_data_set(version):
    rows = np.random.default_rng(0).normal(3, 2, (20, 4)).astype(np.float32)
    normalization = version.layers.Normalization()
    normalization.adapt(rows)
    model = version.Sequential([version.Input((4,)), normalization, version.layers.Dense(3)])
    np.testing.assert_array_equal(prunable(model)(rows), model(rows))


@pytest.mark.parametrize("version", [keras, pytest.param(keras_3, marks=pytest.mark.slow)])
def test_numbers_are_binned_by_what_the_layer_was_adapted_to(version):
    rows, classes = np.arange(40, dtype=np.float32)[:, None], np.arange(40) // 10 % 2

    def build(adapted_to):
        bins = version.layers.Discretization(num_bins=4, name="bins")
        bins.adapt(adapted_to)
        number = version.Input((1,))
        codes = version.layers.CategoryEncoding(4, output_mode="one_hot")(bins(number))
        hidden = version.layers.Dense(8, "relu", name="hidden")(codes)
        return version.Model(number, version.layers.Dense(2, name="output")(hidden))

    model = build(rows)
    masked = prunable(model)
    np.testing.assert_array_equal(masked(rows), model(rows))
    assert len(np.unique(masked(rows), axis=0)) == 4

    loss = version.losses.SparseCategoricalCrossentropy(from_logits=True)
    masked.compile(version.optimizers.SGD(0.1), loss)
    search = IterativeMagnitudePruning(masked, levels=1, pruning_rate=0.5)
    search.fit(rows, classes, epochs=2, verbose=0)
    ticket = search.restore(level=1)
    assert get_mask(ticket) == search.mask(1)
    assert get_mask(ticket).remaining == 24
    np.testing.assert_array_equal(ticket(rows), masked(rows))
    if version is keras:  # In Keras 3 the bins are no weights.
        other = prunable(build(3 * rows + 5))
        search.restore(level=1, into=other)
        np.testing.assert_array_equal(other(rows), ticket(rows))


@pytest.mark.parametrize("version", [keras, keras_3])
def test_copies_are_not_compiled_with_a_loss_that_may_not_be_copied(version):
    model = version.Sequential([version.Input((4,)), version.layers.Dense(3)])
    model.compile("sgd", loss=lambda labels, outputs: tf.reduce_mean((labels - outputs) ** 2))
    copy = prunable(model)
    assert getattr(copy, "optimizer", None) is None
    assert model.evaluate(np.zeros((1, 4)), np.ones((1, 3)), verbose=0) == 1


def test_masks_of_other_models_are_refused():
    model = prunable(sequential())
    with pytest.raises(ValueError, match="output/kernel"):
        set_mask(model, Mask({"hidden/kernel": np.ones((6, 8), bool)}))
    wrong = {"hidden/kernel": np.ones((8, 6), bool), "output/kernel": np.ones((8, 3), bool)}
    with pytest.raises(ValueError, match=r"hidden/kernel.*\(8, 6\)"):
        set_mask(model, Mask(wrong))


def test_wrappers_want_new_layers_with_kernels():
    with pytest.raises(ValueError, match="Flatten has no prunable kernel"):
        MaskedLayer(layers.Flatten())
    built = layers.Dense(3)
    built.build((None, 6))
    with pytest.raises(ValueError, match=r"built already.*tf_lottery\.prunable"):
        MaskedLayer(built)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float64"])
def test_other_types_of_numbers(policy: str):
    model = prunable(
        keras.Sequential([layers.Dense(3, input_shape=(6,), dtype=policy, name="output")])
    )
    mask = half_mask(model)
    set_mask(model, mask)
    train(model, 0.1)
    kernel = model_variables(model)["output/kernel"].numpy()
    assert kernel.dtype == (np.float32 if policy == "mixed_bfloat16" else np.float64)
    assert not kernel[~mask["output/kernel"]].view(np.uint8).any()
    assert kernel[mask["output/kernel"]].all()
