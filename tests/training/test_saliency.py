"""Derivatives of the loss against finite differences, in float64."""

from collections.abc import Callable

import keras as keras_3
import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tests.either_keras import TF_KERAS_FAST
from tf_lottery.masking.layers import model_variables
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import get_mask, prunable
from tf_lottery.pruning.score import find_method, known_methods
from tf_lottery.training.network import weights_of
from tf_lottery.training.plain_copies import PlainCopy
from tf_lottery.training.saliency import GRASP_TEMPERATURE, NetworkEvidence, Saliency

Arrays = dict[str, np.ndarray]

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 5)), RNG.integers(0, 3, 12)
BATCHES = [(X[:8], Y[:8]), (X[8:], Y[8:])]


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def evidence_of(model: keras.Model, batches=BATCHES) -> NetworkEvidence:
    saliency = Saliency(model, cross_entropy, lambda: batches)
    return NetworkEvidence(saliency, lambda: weights_of(model), np.random.SeedSequence(4))


def three_layers() -> keras.Model:
    layers = [
        keras.layers.Dense(7, "tanh", input_shape=(5,), dtype="float64", name="first"),
        keras.layers.Dense(6, "tanh", dtype="float64", name="second"),
        keras.layers.Dense(3, dtype="float64", name="output"),
    ]
    model = prunable(keras.Sequential(layers))
    for variable in model_variables(model).values():
        variable.assign(np.random.default_rng(variable.shape.num_elements()).normal(
            size=variable.shape))  # fmt: skip
    return model


def half_mask(model: keras.Model) -> Mask:
    rng = np.random.default_rng(2)
    return Mask({name: rng.random(a.shape) < 0.6 for name, a in get_mask(model).items()})


def loss_of_three_layers(weights: Arrays, x: np.ndarray, y: np.ndarray, temperature=1.0) -> float:
    for name in ("first", "second"):
        x = np.tanh(x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"])
    logits = (x @ weights["output/kernel"] + weights["output/bias"]) / temperature
    logarithms = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return -logarithms[np.arange(len(y)), y].mean()


def differences(function: Callable[[Arrays], float], weights: Arrays, mask: Mask) -> Arrays:
    """Gradient of a function of weights by those that remain; 0 for the others."""
    gradient, step = {}, 1e-5
    for name, array in mask.items():
        gradient[name] = np.zeros(array.shape)
        for index in zip(*np.nonzero(array), strict=True):
            value = []
            for sign in (1, -1):
                moved = {n: w.copy() for n, w in weights.items()}
                moved[name][index] += sign * step
                value.append(function(moved))
            gradient[name][index] = (value[0] - value[1]) / (2 * step)
    return gradient


def test_gradients_of_each_batch():
    model = three_layers()
    mask = half_mask(model)
    masked = mask.apply(weights_of(model))
    gradients = list(evidence_of(model).loss_gradients(weights_of(model), mask))
    assert len(gradients) == 2
    for found, batch in zip(gradients, BATCHES, strict=True):
        expected = differences(lambda w, b=batch: loss_of_three_layers(w, *b), masked, mask)
        assert list(found) == list(mask)
        for name, array in mask.items():
            np.testing.assert_allclose(found[name][array], expected[name][array], atol=1e-8)


@pytest.mark.parametrize("method", ["snip", "taylor"])
def test_scores_of_gradients_estimate_what_the_loss_changes(method: str):
    """SNIP: by the factor of a weight; Taylor: by a batch; both from the loss alone."""
    model = three_layers()
    weights, mask = weights_of(model), get_mask(model)

    def by_factors(x: np.ndarray, y: np.ndarray) -> Arrays:
        ones = {name: np.ones(array.shape) for name, array in mask.items()}
        return differences(
            lambda c: loss_of_three_layers({n: w * c.get(n, 1) for n, w in weights.items()}, x, y),
            ones,
            mask,
        )

    one, two = (by_factors(*batch) for batch in BATCHES)
    scores = find_method(method).score(weights, mask, evidence_of(model))
    for name in mask:
        expected = {
            "snip": np.abs(one[name] + two[name]),
            "taylor": (one[name] ** 2 + two[name] ** 2) / 2,
        }[method]
        np.testing.assert_allclose(scores[name], expected, atol=1e-8)


def squared_norm(weights: Arrays, mask: Mask) -> float:
    """Of the mean gradient of the batches, as GraSP takes it."""
    parts = [
        differences(lambda w, b=b: loss_of_three_layers(w, *b, GRASP_TEMPERATURE), weights, mask)
        for b in BATCHES
    ]
    return sum(np.sum(((parts[0][name] + parts[1][name]) / 2) ** 2) for name in mask)


def test_gradient_flow_is_half_the_gradient_of_the_squared_norm():
    model = three_layers()
    mask = half_mask(model)
    masked = mask.apply(weights_of(model))
    flow = evidence_of(model).gradient_flow(weights_of(model), mask)
    rng = np.random.default_rng(7)
    for _ in range(5):
        along = mask.apply({name: rng.normal(size=a.shape) for name, a in mask.items()})
        step = 3e-4
        norms = [
            squared_norm({n: w + sign * step * along.get(n, 0) for n, w in masked.items()}, mask)
            for sign in (1, -1)
        ]
        expected = (norms[0] - norms[1]) / (2 * step)
        found = 2 * sum(np.sum(flow[name] * along[name]) for name in mask)
        assert found == pytest.approx(expected, rel=1e-3)


def test_grasp_prunes_what_least_reduces_the_norm_of_the_gradient():
    """To the first order: weights shrink by a thousandth in place of being removed."""
    model = three_layers()
    weights, mask = weights_of(model), get_mask(model)
    scores = find_method("grasp").score(weights, mask, evidence_of(model))
    dense = squared_norm(weights, mask)
    changes, expected = [], []
    for name, index in (("second/kernel", (i, j)) for i in range(7) for j in range(3)):
        shrunk = {n: w.copy() for n, w in weights.items()}
        shrunk[name][index] *= 1 - 1e-3
        changes.append(squared_norm(shrunk, mask) - dense)
        expected.append(-2e-3 * scores[name][index])
    np.testing.assert_allclose(changes, expected, rtol=0.02, atol=1e-4 * np.abs(changes).max())
    assert min(changes) < 0 < max(changes)


def of_words(keras_of_model, *, embedded: bool) -> keras.Model:
    """Looks words up in a table, or multiplies them with it where they are one-hot."""
    layers = keras_of_model.layers
    looks_up = [layers.Embedding(7, 4, dtype="float64", name="words")]
    multiplies = [layers.Dense(4, use_bias=False, dtype="float64", name="words")]
    model = keras_of_model.Sequential(
        [
            keras_of_model.Input((5,), dtype="int32")
            if embedded
            else keras_of_model.Input((5, 7), dtype="float64"),
            *(looks_up if embedded else multiplies),
            layers.Activation("tanh", dtype="float64"),
            layers.Flatten(dtype="float64"),
            layers.Dense(3, dtype="float64", name="output"),
        ]
    )
    model = prunable(model)
    for variable in model_variables(model).values():
        variable.assign(np.random.default_rng(len(variable.shape)).normal(size=variable.shape))
    return model


@TF_KERAS_FAST
def test_words_that_are_looked_up_are_scored_as_words_that_are_multiplied(keras):
    words = np.random.default_rng(3).integers(0, 6, (12, 5))
    scores = {}
    for embedded, x in ((True, words), (False, np.eye(7)[words])):
        model = of_words(keras, embedded=embedded)
        evidence = evidence_of(model, [(x[:8], Y[:8]), (x[8:], Y[8:])])
        scores[embedded] = {
            name: find_method(name).score(weights_of(model), get_mask(model), evidence)
            for name in ("taylor", "snip", "grasp")
        }
    for name, found in scores[True].items():
        looked_up, multiplied = (list(each.values()) for each in (found, scores[False][name]))
        for one, other in zip(looked_up, multiplied, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-12)
        # Of the last word there is no example.
        assert looked_up[0][:6].any(axis=1).all() and not looked_up[0][6].any()


# Layers by their inputs' shape: all kinds of kernels that are pruned.
KINDS = {
    "Dense": ((5,), {"units": 4}),
    "EinsumDense": ((5, 3), {"equation": "abc,cd->abd", "output_shape": (5, 4)}),
    "Conv1D": ((5, 3), {"filters": 4, "kernel_size": 2}),
    "Conv2D": ((5, 5, 3), {"filters": 4, "kernel_size": 2}),
    "Conv3D": ((4, 4, 4, 2), {"filters": 3, "kernel_size": 2}),
    "Conv1DTranspose": ((5, 3), {"filters": 4, "kernel_size": 2}),
    "Conv2DTranspose": ((5, 5, 3), {"filters": 4, "kernel_size": 2}),
    "Conv3DTranspose": ((4, 4, 4, 2), {"filters": 3, "kernel_size": 2}),
    "DepthwiseConv1D": ((5, 3), {"kernel_size": 2}),
    "DepthwiseConv2D": ((5, 5, 3), {"kernel_size": 2}),
    "SeparableConv1D": ((5, 3), {"filters": 4, "kernel_size": 2}),
    "SeparableConv2D": ((5, 5, 3), {"filters": 4, "kernel_size": 2}),
    "LocallyConnected1D": ((5, 3), {"filters": 4, "kernel_size": 2}),
    "LocallyConnected2D": ((5, 5, 3), {"filters": 4, "kernel_size": 2}),
    "Embedding": ((5,), {"input_dim": 7, "output_dim": 4}),
    "SimpleRNN": ((5, 3), {"units": 4}),
    "LSTM": ((5, 3), {"units": 4}),
    "GRU": ((5, 3), {"units": 4}),
    "ConvLSTM2D": ((3, 5, 5, 2), {"filters": 3, "kernel_size": 2}),
}
NO_FLOW = {
    "Embedding": r"an embedding are one and the same word.*of layer .*exclude=\['layer'\]",
    **dict.fromkeys(("SimpleRNN", "LSTM", "GRU", "ConvLSTM2D"), "layer is a "),
}
FAST_KINDS = {(keras, "Embedding"), (keras, "SeparableConv1D")}


@pytest.mark.parametrize(
    ("keras", "kind"),
    [
        pytest.param(
            module,
            kind,
            id=f"{module.__name__}-{kind}",
            marks=() if (module, kind) in FAST_KINDS else pytest.mark.slow,
        )
        for module in (keras, keras_3)
        for kind in KINDS
        if hasattr(module.layers, kind)
    ],
)
def test_every_score_takes_every_kind_of_kernel(keras, kind: str):
    shape, arguments = KINDS[kind]
    layer = getattr(keras.layers, kind)(**arguments, name="layer")
    ends = keras.layers.Flatten(), keras.layers.Dense(3, name="output")
    model = prunable(keras.Sequential([keras.Input(shape), layer, *ends]))
    x = RNG.normal(size=(12, *shape)) if kind != "Embedding" else RNG.integers(0, 7, (12, *shape))
    evidence, mask = evidence_of(model, [(x[:8], Y[:8]), (x[8:], Y[8:])]), get_mask(model)
    assert any(name.startswith("layer/") for name in mask)
    for name, method in known_methods().items():
        if name == "synflow" and kind in NO_FLOW:
            with pytest.raises(ValueError, match=NO_FLOW[kind]):
                method.score(weights_of(model), mask, evidence)
            continue
        scores = method.score(weights_of(model), mask, evidence)
        for weight, array in mask.items():
            assert np.isfinite(scores[weight]).all() and scores[weight].shape == array.shape
            assert scores[weight].any() or name == "movement", (name, weight)


def test_two_networks_are_looked_at_by_turns():
    model = three_layers()
    evidence, mask = evidence_of(model), get_mask(model)
    one = weights_of(model)
    other = {name: 2 * array for name, array in one.items()}
    apart = [list(evidence.loss_gradients(weights, mask)) for weights in (one, other)]
    by_turns = []
    for pair in zip(*(evidence.loss_gradients(w, mask) for w in (one, other)), strict=True):
        evidence.loss({name: 3 * array for name, array in one.items()}, mask)
        by_turns.append(pair)
    for number, pair in enumerate(by_turns):
        for found, alone in zip(pair, apart, strict=True):
            for name in mask:
                np.testing.assert_array_equal(found[name], alone[number][name])


@pytest.mark.parametrize(("method", "times"), [("taylor", 1), ("snip", 1), ("grasp", 2)])
def test_weights_are_set_once_for_all_batches(monkeypatch, method: str, times: int):
    model, calls = three_layers(), []
    set_weights = PlainCopy.set_weights
    monkeypatch.setattr(
        PlainCopy, "set_weights", lambda self, w: calls.append(1) or set_weights(self, w)
    )
    batches = [(X[i : i + 2], Y[i : i + 2]) for i in range(0, 12, 2)]
    find_method(method).score(weights_of(model), get_mask(model), evidence_of(model, batches))
    assert len(calls) == times


def test_random_numbers_depend_on_the_seed():
    saliency = Saliency(three_layers(), cross_entropy, lambda: BATCHES)
    one, two, other = (
        NetworkEvidence(saliency, dict, np.random.SeedSequence(9, spawn_key=(level,))).random()
        for level in (1, 1, 2)
    )
    draws = [generator.random(5).tolist() for generator in (one, two, other)]
    assert draws[0] == draws[1] != draws[2]


def test_no_examples_are_an_error():
    model = three_layers()
    with pytest.raises(ValueError, match="no examples"):
        list(evidence_of(model, []).loss_gradients(weights_of(model), get_mask(model)))
