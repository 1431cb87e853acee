"""Weights of a file in place of drawn ones."""

import keras as keras_3
import numpy as np
import pytest
import tf_keras

from tf_lottery.masking.layers import model_variables
from tf_lottery.masking.prunable import prunable
from tf_lottery.models import build_model
from tf_lottery.models.registry import FAMILIES, register_model
from tf_lottery.store.tensors import save_tensors
from tf_lottery.tickets.initial_weights import give_initial_weights


def layers(keras, x, classes):
    x = keras.layers.Conv2D(3, 3, activation="relu", name="conv")(x)
    x = keras.layers.BatchNormalization(name="conv_bn")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.Dense(5, activation="relu", name="hidden")(x)
    return keras.layers.Dense(classes, name="output")(x)


@pytest.fixture(scope="module", autouse=True)
def network():
    register_model("little_pets")(lambda inputs, classes: layers(tf_keras, inputs, classes))
    yield
    FAMILIES.remove("little_pets")


def plain(keras, classes=4):
    """A network of the same layers, with weights that tell where they belong."""
    inputs = keras.Input((6, 6, 1))
    model = keras.Model(inputs, layers(keras, inputs, classes))
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(0.1, 1, weight.shape) for weight in model.get_weights()])
    return model


def ours():
    return prunable(build_model("little_pets", (6, 6, 1), 4, 0, ([0.5], [0.25])))


def values(model):
    return {name: variable.numpy() for name, variable in model_variables(model).items()}


def saved(path, kind, model):
    if kind == "level":
        save_tensors(path, values(model))
        return str(path)
    model.save_weights(str(path) + kind)
    return str(path) + kind


KINDS = [
    *((tf_keras, kind) for kind in (".weights.h5", ".h5", ".ckpt", "level")),
    (keras_3, ".weights.h5"),
]


@pytest.mark.parametrize(("keras", "kind"), KINDS)
def test_the_weights_are_those_of_the_file(tmp_path, keras, kind):
    theirs, model = plain(keras), ours()
    give_initial_weights(model, saved(tmp_path / "w", kind, theirs), "")
    own = values(model)
    assert len(own) == 10
    expected = [np.asarray(weight, np.float32) for weight in theirs.get_weights()]
    np.testing.assert_array_equal(own["conv/kernel"], expected[0])
    for value in own.values():
        assert any(np.array_equal(value, other) for other in expected)
    for name, weight in zip(("output/kernel", "output/bias"), expected[-2:], strict=True):
        np.testing.assert_array_equal(own[name], weight)
    moving = {name: own[f"conv_bn/{name}"] for name in ("moving_mean", "moving_variance")}
    bn = theirs.get_layer("conv_bn")
    np.testing.assert_array_equal(moving["moving_mean"], np.asarray(bn.moving_mean))
    np.testing.assert_array_equal(moving["moving_variance"], np.asarray(bn.moving_variance))


@pytest.mark.parametrize(
    ("keras", "kind"),
    # How each kind is read, the test above sees.
    [*(pytest.param(*each, marks=pytest.mark.slow) for each in KINDS[1:]), KINDS[0]],
)
def test_layers_of_other_shapes_are_named_and_drawn_where_that_is_asked_for(tmp_path, keras, kind):
    theirs, model, drawn = plain(keras, classes=7), ours(), values(ours())
    path = saved(tmp_path / "w", kind, theirs)
    said = (
        r"output/kernel has shape \(5, 7\) in it and \(5, 4\) in the network; output/bias has "
        r"shape \(7,\).*such as --initial_weights_except=output\."
    )
    with pytest.raises(ValueError, match=rf"^--initial_weights=.*: {said}"):
        give_initial_weights(model, path, "")
    assert all(np.array_equal(value, drawn[name]) for name, value in values(model).items())
    give_initial_weights(model, path, "out*")
    for name, value in values(model).items():
        assert np.array_equal(value, drawn[name]) == name.startswith("output/"), name


def test_what_is_wrong_with_a_file_is_told(tmp_path):
    model, theirs = ours(), plain(tf_keras)
    with pytest.raises(ValueError, match="there is no such file, and no checkpoint of that name"):
        give_initial_weights(model, str(tmp_path / "none.h5"), "")
    with pytest.raises(ValueError, match=r"is a folder; name the file in it.*RUN/level_0/weights"):
        give_initial_weights(model, str(tmp_path), "")
    (tmp_path / "text.h5").write_text("weights")
    with pytest.raises(ValueError, match=r"text.h5 cannot be read \(it is neither an HDF5 file"):
        give_initial_weights(model, str(tmp_path / "text.h5"), "")
    path = saved(tmp_path / "w", ".weights.h5", theirs)
    with pytest.raises(ValueError, match="--initial_weights_except=head: head matches no layer"):
        give_initial_weights(model, path, "head")
    small = tf_keras.Sequential([tf_keras.layers.Dense(3, input_shape=(2,))])
    path = saved(tmp_path / "small", ".weights.h5", small)
    with pytest.raises(
        ValueError, match=r": it has no conv/kernel; it has no conv/bias; .* more\."
    ):
        give_initial_weights(model, path, "")
    weights = theirs.get_weights()
    weights[0][0] = np.nan
    theirs.set_weights(weights)
    path = saved(tmp_path / "nan", ".weights.h5", theirs)
    with pytest.raises(ValueError, match="conv/kernel has values in it that are not finite"):
        give_initial_weights(model, path, "")
