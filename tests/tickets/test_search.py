"""Iterative magnitude pruning around `model.fit`."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tests.same_weights import assert_same_weights
from tf_lottery.masking.layers import model_variables
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import get_mask, set_mask
from tf_lottery.tickets.fit.prune_and_rewind import PruneAndRewind
from tf_lottery.tickets.fit.search import IterativeMagnitudePruning
from tf_lottery.training.network import weights_of

TOTAL = 6 * 10 + 10 * 3


def assert_zeros(model: keras.Model, mask: Mask) -> None:
    assert get_mask(model) == mask
    variables = model_variables(model)
    for name, array in mask.items():
        assert not variables[name].numpy()[~array].view(np.uint32).any()


def reference_search(
    model: keras.Model, batches: tf.data.Dataset, levels: int, epochs: int, rewind_epochs: int
) -> list[SimpleNamespace]:
    """The algorithm spelled out: train, sort all magnitudes, cut, rewind, with `fit` alone."""
    optimizer = model.optimizer
    model.fit(batches, epochs=rewind_epochs, verbose=0)
    early = weights_of(model)
    results, mask = [], get_mask(model)
    for level in range(levels + 1):
        if level:
            trained = results[-1].weights
            flat = np.concatenate([np.abs(trained[name]).ravel() for name in mask])
            alive = np.concatenate([mask[name].ravel() for name in mask])
            ranking = np.lexsort((np.arange(TOTAL), -np.where(alive, flat, -1)))
            kept = np.zeros(TOTAL, bool)
            kept[ranking[: round(TOTAL * 0.8**level)]] = True
            split = np.split(kept, [60])
            mask = Mask(
                {n: part.reshape(mask[n].shape) for n, part in zip(mask, split, strict=True)}
            )
            for name, variable in model_variables(model).items():
                variable.assign(early[name] * mask[name] if name in mask else early[name])
            set_mask(model, mask)
            for slot in optimizer.variables[1:]:
                slot.assign(tf.zeros_like(slot))
            optimizer.iterations.assign(rewind_epochs * 4)
        model.fit(batches, initial_epoch=rewind_epochs, epochs=epochs, verbose=0)
        results.append(SimpleNamespace(mask=mask, weights=weights_of(model)))
    return results


def test_against_the_algorithm_spelled_out(build_model, batches):
    search = IterativeMagnitudePruning(build_model(), levels=2, rewind_step="1ep")
    search.fit(batches, epochs=3, verbose=0)
    expected = reference_search(build_model(), batches, levels=2, epochs=3, rewind_epochs=1)
    for level in range(3):
        assert search.mask(level) == expected[level].mask
        assert_same_weights(weights_of(search.restore(level)), expected[level].weights)


def test_levels_and_history(build_model, batches):
    model = build_model(metrics=["accuracy"])
    search = IterativeMagnitudePruning(model, levels=4, rewind_step="1ep")
    history = search.fit(batches, epochs=2, verbose=0, validation_data=batches)
    counts = [round(TOTAL * 0.8**level) for level in range(5)]
    assert [result.weights_remaining for result in history.levels] == counts
    assert [search.mask(level).remaining for level in range(5)] == counts
    for level in range(1, 5):
        before, after = search.mask(level - 1), search.mask(level)
        assert all(not np.any(after[name] & ~before[name]) for name in after)
    assert_zeros(model, search.mask(4))

    frame = history.to_frame()
    assert list(frame.columns) == [
        "level", "density", "weights_remaining", "iterations", "stopped_early", "weights_at",
        "loss", "accuracy", "val_loss", "val_accuracy",
    ]  # fmt: skip
    assert frame["level"].tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(frame["density"], np.array(counts) / TOTAL)
    loss, accuracy = model.evaluate(batches, verbose=0)
    assert frame["val_loss"].iloc[-1] == pytest.approx(loss, rel=1e-5)
    assert frame["val_accuracy"].iloc[-1] == pytest.approx(accuracy)


@pytest.mark.parametrize(
    ("rewind_step", "iteration", "known"),
    [
        pytest.param("0it", 0, True, marks=pytest.mark.slow),
        ("5it", 5, True),
        pytest.param("1ep", 4, True, marks=pytest.mark.slow),
        pytest.param("50%", 6, True, marks=pytest.mark.slow),
        pytest.param("0it", 0, False, marks=pytest.mark.slow),
        pytest.param(3, 3, False, marks=pytest.mark.slow),
        pytest.param("5it", 5, False, marks=pytest.mark.slow),
    ],
)
def test_every_level_ends_at_the_same_iteration(
    build_model, batches, make_counter, rewind_step, iteration, known
):
    if not known:
        batches = batches.filter(lambda image, label: True)
    counters = {}

    def count(level: int) -> list[keras.callbacks.Callback]:
        counters[level] = make_counter()
        return [counters[level]]

    model = build_model()
    search = IterativeMagnitudePruning(model, levels=2, rewind_step=rewind_step)
    search.fit(batches, epochs=3, verbose=0, callbacks=count)
    assert {level: counter.batches for level, counter in counters.items()} == {
        0: 12, 1: 12 - iteration, 2: 12 - iteration
    }  # fmt: skip
    if known:  # Keras itself counts the end of a data set of unknown length as an iteration.
        assert int(model.optimizer.iterations) == 12 - iteration

    other = build_model()
    if iteration:
        other.fit(batches.repeat(3).take(iteration), verbose=0)
    early = weights_of(other)
    for level in range(3):
        expected = search.mask(level).apply(early)
        assert_same_weights(weights_of(search.restore(level, "rewind", into=model)), expected)
        assert get_mask(model) == search.mask(level)
        assert int(model.optimizer.iterations) == 0


def test_any_score_plugs_in(build_model, batches):
    rng = np.random.default_rng(0)
    drawn = []

    def random(weights, mask: Mask, evidence) -> dict[str, np.ndarray]:
        drawn.append({name: rng.random(array.shape) for name, array in mask.items()})
        return drawn[-1]

    search = IterativeMagnitudePruning(build_model(), 2, 0.5, score=random, scope="layerwise")
    search.fit(batches, epochs=1, verbose=0)
    for level, counts in ((1, (30, 15)), (2, (15, round(7.5)))):
        for (name, kept), count in zip(search.mask(level).items(), counts, strict=True):
            scores = drawn[level - 1][name]
            alive = search.mask(level - 1)[name]
            assert kept.sum() == count
            assert scores[kept].min() > scores[alive & ~kept].max()


def test_it_is_shown_in_a_line(build_model, batches):
    text = "levels=2, pruning_rate=[0.4, 0.2], rewind_step='1it', finished levels: "
    search = IterativeMagnitudePruning(build_model(), 2, [0.4, 0.2], "1it")
    imp = PruneAndRewind(2, 1, [0.4, 0.2], "1it")
    assert repr(search) == f"<IterativeMagnitudePruning: {text}none>"
    assert repr(imp) == f"<PruneAndRewind: {text}none>"
    search.run(lambda steps: [*steps] and None, iterations=4, verbose=False)
    build_model().fit(batches, epochs=imp.epochs(4), callbacks=[imp], verbose=0)
    assert repr(search) == f"<IterativeMagnitudePruning: {text}0 to 2>"
    assert repr(imp) == f"<PruneAndRewind: {text}0 to 2>"
    by_density = IterativeMagnitudePruning(build_model(), target_density=0.5)
    assert repr(by_density).startswith("<IterativeMagnitudePruning: levels=4, pruning_rate=0.2, ")
