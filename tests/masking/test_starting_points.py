"""What a model is before `prunable`: sparse, frozen, or wrapped by tfmot."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras

import tf_lottery
from tests.either_keras import KERAS_3_FAST, TF_KERAS_FAST

X = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
Y = np.arange(40) % 3
DATA = tf.data.Dataset.from_tensor_slices((X, Y)).batch(32)


def network(keras: Any) -> Any:
    layers = [keras.layers.Dense(10, name="hidden"), keras.layers.Dense(3, name="output")]
    return keras.Sequential([keras.layers.Input((8,)), *layers])


def half_empty(keras: Any) -> Any:
    """A network of which every other unit lacks its inputs: 40 of 80 and 30 of 30 weights."""
    model = network(keras)
    kernel, bias = model.get_layer("hidden").get_weights()
    kernel[:, ::2] = 0
    model.get_layer("hidden").set_weights([kernel, bias])
    return model


def compiled(model: Any, keras: Any) -> Any:
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


@TF_KERAS_FAST
@pytest.mark.parametrize("scope", [pytest.param("global", marks=pytest.mark.slow), "layerwise"])
def test_a_search_goes_on_from_a_sparse_model(scope, keras):
    model = compiled(tf_lottery.prunable(half_empty(keras), keep_zeros=True), keras)
    first = tf_lottery.get_mask(model)
    assert first.remaining == 70 and not first["hidden/kernel"][:, ::2].any()
    search = tf_lottery.IterativeMagnitudePruning(
        model, levels=2, pruning_rate=0.5, scope=scope, rewind_step="1it"
    )
    history = search.fit(DATA, epochs=2, verbose=0)
    counts = {"global": [70, 35, 18], "layerwise": [70, 35, 10 + 8]}[scope]
    assert [result.weights_remaining for result in history.levels] == counts
    assert history.levels[0].density == pytest.approx(70 / 110)
    for level in range(3):
        mask = search.mask(level)
        assert not (mask["hidden/kernel"] & ~first["hidden/kernel"]).any()
        ticket = search.restore(level, into=model)
        kernel = ticket.get_layer("hidden").get_weights()[0]
        assert not kernel[~mask["hidden/kernel"]].any()
        assert kernel[mask["hidden/kernel"]].all()
    with pytest.raises(ValueError, match=r"pruned already .*keep_zeros=True"):
        tf_lottery.IterativeMagnitudePruning(model, levels=1)


def test_the_callback_goes_on_from_a_sparse_model():
    model = compiled(tf_lottery.prunable(half_empty(tf_keras), keep_zeros=True), tf_keras)
    imp = tf_lottery.PruneAndRewind(levels=1, epochs_per_level=1, pruning_rate=0.5)
    model.fit(DATA, epochs=imp.epochs(2), verbose=0, callbacks=[imp])
    assert [result.weights_remaining for result in imp.history.levels] == [70, 35]


def test_an_adaptive_search_from_a_sparse_model_ends_at_its_density():
    model = compiled(tf_lottery.prunable(half_empty(tf_keras), keep_zeros=True), tf_keras)
    rate = tf_lottery.AdaptiveRate(density=0.3, least=0.3)
    search = tf_lottery.IterativeMagnitudePruning(model, levels=5, pruning_rate=rate)
    history = search.fit(DATA, epochs=1, verbose=0)
    assert history.levels[-1].weights_remaining == 33


def test_zeros_that_cannot_be_kept_are_refused():
    model = network(tf_keras)
    model.get_layer("output").set_weights([np.zeros((10, 3)), np.zeros(3)])
    with pytest.raises(ValueError, match="output/kernel is zero throughout"):
        tf_lottery.prunable(model, keep_zeros=True)
    assert list(
        tf_lottery.get_mask(tf_lottery.prunable(model, keep_zeros=True, exclude=["output"]))
    )
    sparse = compiled(tf_lottery.prunable(half_empty(tf_keras), keep_zeros=True), tf_keras)
    with pytest.raises(ValueError, match=r"structure='units'.*keep_zeros"):
        tf_lottery.IterativeMagnitudePruning(sparse, levels=1, structure="units")
    with pytest.raises(ValueError, match="keep_zeros='yes'"):
        tf_lottery.prunable(network(tf_keras), keep_zeros="yes")


@KERAS_3_FAST
def test_frozen_layers_are_left_out_and_named(keras):
    model = network(keras)
    model.get_layer("hidden").trainable = False
    with pytest.warns(UserWarning, match=r"left out of pruning: hidden/kernel\. .*trainable"):
        pruned = tf_lottery.prunable(model)
    assert list(tf_lottery.get_mask(pruned)) == ["output/kernel"]
    model.trainable = False
    with pytest.raises(ValueError, match=r"all kernels of .* are frozen"):
        tf_lottery.prunable(model)


@KERAS_3_FAST
def test_layers_that_are_frozen_within_others_stay_so(keras):
    """In tf_keras the configuration of `Bidirectional` does not tell."""
    inputs = keras.layers.Input((5, 4))
    both_ways = keras.layers.Bidirectional(keras.layers.SimpleRNN(3), name="rnn")
    model = keras.Model(inputs, keras.layers.Dense(2, name="output")(both_ways(inputs)))
    both_ways.forward_layer.trainable = False
    with pytest.warns(UserWarning, match="left out of pruning: rnn/forward_layer/"):
        pruned = tf_lottery.prunable(model)
    for each in (pruned, tf_lottery.strip(pruned)):
        assert not each.get_layer("rnn").forward_layer.trainable
        assert len(each.trainable_weights) == len(model.trainable_weights) == 5


@pytest.mark.slow
def test_models_that_tfmot_has_wrapped_are_refused():
    layers = [tf_keras.layers.Input((8,)), tf_keras.layers.Dense(3, name="hidden")]
    model = tf_keras.Sequential(layers)
    pruned = tfmot.sparsity.keras.prune_low_magnitude(model)
    with pytest.raises(ValueError, match=r"hidden is a PruneLowMagnitude.*strip_pruning"):
        tf_lottery.prunable(pruned)
    assert tf_lottery.prunable(tfmot.sparsity.keras.strip_pruning(pruned))
    quantized = tfmot.quantization.keras.quantize_model(model)
    with pytest.raises(ValueError, match=r"prune first, then strip.*quantization"):
        tf_lottery.prunable(quantized)
    clustered = tfmot.clustering.keras.cluster_weights(
        model, 4, tfmot.clustering.keras.CentroidInitialization.LINEAR
    )
    with pytest.raises(ValueError, match=r"ClusterWeights.*strip_clustering"):
        tf_lottery.prunable(clustered)


@TF_KERAS_FAST
def test_a_model_without_masks_has_none(keras):
    with pytest.raises(ValueError, match=r"has no masks: make it prunable"):
        tf_lottery.get_mask(network(keras))
