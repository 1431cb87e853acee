"""Searches around model.fit with an adaptive pruning rate."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

import tf_lottery

EXAMPLES = np.random.default_rng(0).normal(size=(256, 8)).astype(np.float32)
LABELS = (EXAMPLES[:, 0] + EXAMPLES[:, 1] > 0).astype(np.int32)
DATA = tf.data.Dataset.from_tensor_slices((EXAMPLES, LABELS)).batch(32)


def search_with(pruning_rate, levels=20, **arguments) -> tf_lottery.IterativeMagnitudePruning:
    keras.utils.set_random_seed(0)
    model = tf_lottery.prunable(
        keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(2)])
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    return tf_lottery.IterativeMagnitudePruning(model, levels, pruning_rate, **arguments)


def loss_of(model: keras.Model) -> float:
    logits = model(EXAMPLES).numpy().astype(np.float64)
    right = logits[np.arange(len(LABELS)), LABELS]
    return float(np.mean(np.log(np.exp(logits).sum(axis=1)) - right))


def test_it_ends_at_the_density_and_every_pruning_keeps_the_loss():
    rate = tf_lottery.AdaptiveRate(loss_rise=0.01, least=0.02, density=0.4)
    search = search_with(rate)
    history = search.fit(DATA, epochs=10, verbose=0)
    last = len(history.levels) - 1
    assert 1 < last < 20
    assert search.mask(last).remaining == round(0.4 * (8 * 16 + 16 * 2))
    for level in range(1, last):
        mask, before = search.mask(level), search.mask(level - 1)
        model = search.restore(level - 1)
        dense = loss_of(model)
        kernels = [layer for layer in model.layers if layer.get_weights()]
        for name, layer in zip(before, kernels, strict=True):
            weights = [array * mask[name] if array.shape == mask[name].shape else array
                       for array in layer.get_weights()]  # fmt: skip
            layer.set_weights(weights)
        pruned = loss_of(model)
        least = mask.remaining >= before.remaining * (1 - 0.02) - 1
        assert pruned - dense <= 0.01 + 1e-4 or least


@pytest.mark.slow
def test_a_search_that_has_ended_does_no_more():
    search = search_with(tf_lottery.AdaptiveRate(loss_rise=10.0, most=0.5, density=0.25))
    assert len(search.fit(EXAMPLES, LABELS, epochs=1, verbose=0).levels) == 3
    assert len(search.fit(EXAMPLES, LABELS, epochs=1, verbose=0).levels) == 3


@pytest.mark.slow
def test_auto_has_the_defaults():
    chosen = search_with("auto", levels=1).fit(EXAMPLES, LABELS, epochs=3, verbose=0)
    same = search_with(tf_lottery.AdaptiveRate(), levels=1).fit(
        EXAMPLES, LABELS, epochs=3, verbose=0
    )
    assert chosen.levels[1].weights_remaining == same.levels[1].weights_remaining < 160


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"structure": "units"}, "structure='units' .* use 'weights'"),
        ({"prune_from": "dense"}, "prune_from='dense' .* use 'previous_level'"),
    ],
)
def test_what_does_not_go_with_it_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        search_with("auto", **arguments)


@pytest.mark.parametrize("rate", ["auto", tf_lottery.AdaptiveRate()])
def test_a_callback_cannot_have_it(rate):
    with pytest.raises(ValueError, match="IterativeMagnitudePruning"):
        tf_lottery.PruneAndRewind(2, 1, pruning_rate=rate)


def test_without_labels_it_is_refused_before_training():
    search = search_with("auto")
    with pytest.raises(ValueError, match="y"):
        search.fit(iter([(EXAMPLES, LABELS)]), epochs=1, verbose=0)
    assert not search.history.levels
