"""Synaptic flow against products of absolute weights, and the layers that SynFlow keeps."""

import numpy as np
import pytest
import tf_keras as keras

from tf_lottery.masking.layers import model_variables
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import get_mask, prunable
from tf_lottery.models.build import build_model
from tf_lottery.pruning.judging import prune_by_score
from tf_lottery.pruning.plan import PruningPlan
from tf_lottery.pruning.score import find_method
from tf_lottery.training.network import weights_of
from tf_lottery.training.saliency import NetworkEvidence, Saliency


def evidence_of(model: keras.Model) -> NetworkEvidence:
    saliency = Saliency(model, keras.losses.sparse_categorical_crossentropy, list)
    return NetworkEvidence(saliency, dict, np.random.SeedSequence(4))


def three_layers() -> keras.Model:
    layers = [
        keras.layers.Dense(7, "tanh", input_shape=(5,), name="first"),
        keras.layers.Dense(6, "relu", name="second"),
        keras.layers.Dense(3, name="output"),
    ]
    model = prunable(keras.Sequential(layers))
    rng = np.random.default_rng(1)
    for variable in model_variables(model).values():
        variable.assign(rng.normal(size=variable.shape))
    return model


def test_synaptic_flow_is_the_product_of_absolute_weights():
    model = three_layers()
    rng = np.random.default_rng(2)
    weights = weights_of(model)
    mask = Mask({name: rng.random(a.shape) < 0.6 for name, a in get_mask(model).items()})
    a, b, c = (np.abs(w.astype(float)) for w in mask.apply({n: weights[n] for n in mask}).values())
    biases = [np.abs(weights[f"{n}/bias"].astype(float)) for n in ("first", "second", "output")]
    hidden_1 = np.ones(5) @ a + biases[0]
    hidden_2 = hidden_1 @ b + biases[1]
    back_2 = c @ np.ones(3)
    back_1 = b @ back_2
    flow = evidence_of(model).synaptic_flow(weights, mask)
    for found, expected in zip(
        flow.values(),
        (np.outer(np.ones(5), back_1), np.outer(hidden_1, back_2), np.outer(hidden_2, np.ones(3))),
        strict=True,
    ):
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_synaptic_flow_passes_preprocessing_normalization_and_output_activation():
    layers = [
        keras.layers.Rescaling(1 / 255, offset=-0.5, input_shape=(4,)),
        keras.layers.Normalization(mean=3.0, variance=7.0),
        keras.layers.Dense(3, use_bias=False, name="first"),
        keras.layers.BatchNormalization(epsilon=0.25, name="norm"),
        keras.layers.ReLU(),
        keras.layers.Dense(2, "softmax", use_bias=False, name="output"),
    ]
    model = prunable(keras.Sequential(layers))
    weights = {
        "first/kernel": np.array([[1, -2, 0.5]] * 4, np.float32),
        "norm/gamma": np.array([-1, 2, 3], np.float32),
        "norm/beta": np.array([0, -4, 0], np.float32),
        "norm/moving_mean": np.array([100, 100, -100], np.float32),
        "norm/moving_variance": np.array([0.75, 0.75, 3.75], np.float32),
        "output/kernel": np.array([[1, 1], [-2, 0], [1, -3]], np.float32),
    }
    flow = evidence_of(model).synaptic_flow(weights, get_mask(model))
    scale = np.array([1 / 1, 2 / 1, 3 / 2])
    np.testing.assert_allclose(flow["first/kernel"], [scale * [2, 2, 4]] * 4, rtol=1e-12)
    hidden = scale * [4, 8, 2] + [0, 4, 0]
    np.testing.assert_allclose(flow["output/kernel"], np.outer(hidden, [1, 1]), rtol=1e-12)


@pytest.mark.slow
def test_synflow_empties_no_layer_where_magnitude_does():
    """At 1% density before training; the widest layer has the smallest weights."""
    model = prunable(build_model("lenet_1000_500_50_50", (8, 8, 1), 10, 3, ([0.0], [1.0])))
    weights, mask = weights_of(model), get_mask(model)
    sizes = {name: array.size for name, array in mask.items()}
    plan = PruningPlan.build(sizes, dict.fromkeys(sizes, 0.99), "global")
    remaining = {}
    for name in ("magnitude", "synflow"):
        pruned = prune_by_score(find_method(name), plan, weights, mask, 1, evidence_of(model))
        assert pruned.remaining == round(0.01 * mask.total)
        remaining[name] = {layer: int(array.sum()) for layer, array in pruned.items()}
    assert remaining["magnitude"]["dense_2/kernel"] == 0
    assert min(remaining["synflow"].values()) > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vgg11", "resnet56"])
def test_synaptic_flow_of_deep_networks(name: str):
    model = prunable(build_model(name, (16, 16, 1), 10, 0, ([0.0], [1.0]), initializer="he_normal"))
    scores = find_method("synflow").score(weights_of(model), get_mask(model), evidence_of(model))
    largest = max(array.max() for array in scores.values())
    assert min(array.min() for array in scores.values()) >= 0
    assert np.isfinite(largest)
    if name == "vgg11":
        # As much flows through each layer (section 5, theorem 1).
        sums = [array.sum() for array in scores.values()]
        np.testing.assert_allclose(sums, sums[0], rtol=1e-9)
    else:
        assert largest > np.finfo(np.float32).max


def test_networks_that_ones_cannot_flow_through_are_explained():
    layers = [
        keras.layers.Conv2D(2, 3, input_shape=(None, None, 1)),
        keras.layers.GlobalMaxPooling2D(),
    ]
    model = prunable(keras.Sequential(layers))
    with pytest.raises(ValueError, match=r"shape \(None, None, None, 1\).*fixed"):
        evidence_of(model).synaptic_flow(weights_of(model), get_mask(model))
    model = three_layers()
    weights = {name: array.astype(float) * 1e200 for name, array in weights_of(model).items()}
    with pytest.raises(ValueError, match="exceeds float64"):
        evidence_of(model).synaptic_flow(weights, get_mask(model))


@pytest.mark.parametrize(
    "layer",
    [keras.layers.LayerNormalization(), keras.layers.GroupNormalization(1)],
    ids=["layer", "group"],
)
def test_normalizations_that_would_stop_the_flow_are_refused(layer):
    layers = [keras.layers.Dense(7, input_shape=(5,)), layer, keras.layers.Dense(3)]
    model = prunable(keras.Sequential(layers))
    with pytest.raises(ValueError, match=r"'synflow': the flow .* negative .* layer normalization"):
        evidence_of(model).synaptic_flow(weights_of(model), get_mask(model))
