"""Searches with optimizers that average the weights: what is recorded, and pruned, are averages."""

from types import ModuleType
from typing import Any

import keras as keras_3
import numpy as np
import pytest
import tensorflow as tf

from tests.tickets.small_searches import BATCHES, BOTH, X, Y, network
from tf_lottery.masking.prunable import masked_variables
from tf_lottery.tickets.fit.prune_and_rewind import PruneAndRewind
from tf_lottery.tickets.fit.search import IterativeMagnitudePruning


def averaging(keras: ModuleType) -> Any:
    model = network(keras)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(0.3, use_ema=True, ema_momentum=0.9)
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


@BOTH
@pytest.mark.parametrize(
    "given",
    [
        "data",
        pytest.param("list", marks=pytest.mark.slow),
        pytest.param("data set", marks=pytest.mark.slow),
        "split",
    ],
)
def test_validation_results_are_those_of_the_averages(keras: ModuleType, given: str):
    validation = {
        "data": {"validation_data": (X[12:], Y[12:]), "validation_batch_size": 2},
        "list": {"validation_data": [X[12:], Y[12:]]},
        "data set": {
            "validation_data": tf.data.Dataset.from_tensor_slices((X[12:], Y[12:])).batch(2)
        },
        "split": {"validation_split": 0.25},
    }[given]
    search = IterativeMagnitudePruning(averaging(keras), levels=1, pruning_rate=0.5)
    search.fit(X, Y, epochs=2, batch_size=4, verbose=0, **validation)
    for result in search.history.levels:
        ticket = search.restore(result.level, into=search._network.model)
        found = ticket.evaluate(BATCHES.skip(3), verbose=0, return_dict=True)
        recorded = {name: result.metrics[f"val_{name}"] for name in found}
        assert recorded == pytest.approx(found, rel=1e-5)


@pytest.mark.parametrize("callback", [False, True])
def test_averages_that_are_swapped_in_for_validation_have_zeros(callback: bool):
    seen = []

    class Look(keras_3.callbacks.Callback):
        def on_test_end(self, logs=None):
            pruned = [
                weight.numpy()[mask.numpy() == 0]
                for weight, mask in masked_variables(self.model).values()
            ]
            seen.append(np.concatenate(pruned))

    model = averaging(keras_3)
    own = [keras_3.callbacks.SwapEMAWeights(), Look()]
    fit = {"verbose": 0, "validation_data": BATCHES}
    if callback:
        imp = PruneAndRewind(1, epochs_per_level=2, pruning_rate=0.5)
        model.fit(BATCHES, epochs=imp.epochs(4), callbacks=[*own[:1], imp, Look()], **fit)
    else:
        search = IterativeMagnitudePruning(model, levels=1, pruning_rate=0.5)
        search.fit(BATCHES, epochs=2, callbacks=lambda level: own, **fit)
    assert seen[-1].size
    assert not any(values.any() for values in seen)
