"""Searches warn of the levels at which a layer has no weight left."""

import warnings

import numpy as np
import pytest
import tf_keras as keras

import tf_lottery
from tf_lottery import EmptyLayerWarning, IterativeMagnitudePruning, PruneAndRewind

NO_HIDDEN = (
    "level {}: no weight remains in hidden. Where no path leads around the missing weights, the "
    "network's output is the same for every input. Prune less, or with scope='layerwise', which "
    "leaves weights in each layer."
)


def output_first(weights, mask, evidence):
    """A score by which the output layer, of 30 weights, is the last to be pruned."""
    return {name: np.full(array.shape, "output" in name, float) for name, array in weights.items()}


def messages(caught) -> list[str]:
    """Of these warnings; of a loop that trains nothing there is another."""
    return [str(each.message) for each in caught if each.category is EmptyLayerWarning]


# 90, 45, 22 and 11 weights: 60 of the hidden layer go first.
SEARCH = {"levels": 3, "pruning_rate": 0.5, "score": output_first}


def test_fit_warns_once_of_each_level(build_model, batches):
    search = IterativeMagnitudePruning(build_model(), **SEARCH)
    with pytest.warns(EmptyLayerWarning) as caught:
        search.fit(batches, epochs=1, verbose=0)
    assert messages(caught) == [NO_HIDDEN.format(2), NO_HIDDEN.format(3)]
    assert [search.mask(level).empty_layers() for level in range(4)] == [
        (),
        (),
        ("hidden",),
        ("hidden",),
    ]


def test_run_warns_as_fit_does(build_model):
    search = IterativeMagnitudePruning(build_model(), **SEARCH)
    with pytest.warns(EmptyLayerWarning) as caught:
        search.run(lambda steps: dict.fromkeys(["steps"], len(list(steps))), iterations=2)
    assert messages(caught) == [NO_HIDDEN.format(2), NO_HIDDEN.format(3)]


def test_the_callback_warns_as_fit_does(build_model, batches):
    imp = PruneAndRewind(epochs_per_level=1, **SEARCH)
    with pytest.warns(EmptyLayerWarning) as caught:
        build_model().fit(batches, epochs=imp.epochs(4), verbose=0, callbacks=[imp])
    assert {each.filename for each in caught} == {__file__}
    assert messages(caught) == [NO_HIDDEN.format(2), NO_HIDDEN.format(3)]


@pytest.mark.slow
def test_levels_that_are_finished_are_not_warned_of_again(build_model, batches, tmp_path):
    arguments = {**SEARCH, "folder": tmp_path / "search"}
    with pytest.warns(EmptyLayerWarning):
        IterativeMagnitudePruning(build_model(), **{**arguments, "levels": 2}).fit(
            batches, epochs=1, verbose=0
        )
    with pytest.warns(EmptyLayerWarning) as caught:
        IterativeMagnitudePruning(build_model(), **arguments).fit(batches, epochs=1, verbose=0)
    assert messages(caught) == [NO_HIDDEN.format(3)]


def test_a_warning_can_end_a_search(build_model):
    search = IterativeMagnitudePruning(build_model(), **SEARCH)
    with warnings.catch_warnings():
        warnings.simplefilter("error", EmptyLayerWarning)
        with pytest.raises(EmptyLayerWarning, match=r"^level 2: "):
            search.run(lambda steps: [*steps] and None, iterations=2, verbose=False)
    assert [result.level for result in search.history.levels] == [0, 1]


@pytest.mark.parametrize(
    "arguments", [{"scope": "layerwise"}, pytest.param({"levels": 1}, marks=pytest.mark.slow)]
)
def test_nothing_is_said_where_every_layer_has_weights(build_model, batches, arguments):
    arguments = {**SEARCH, **arguments}
    imp = PruneAndRewind(epochs_per_level=1, **arguments)
    search = IterativeMagnitudePruning(build_model(), **arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search.fit(batches, epochs=1, verbose=0)
        build_model().fit(batches, epochs=imp.epochs(4), verbose=0, callbacks=[imp])
    for result in (search.history, imp.history):
        assert len(result.levels) == arguments["levels"] + 1


def test_a_layer_that_is_not_pruned_does_not_matter(build_model):
    dense = build_model(prune=False)
    model = tf_lottery.prunable(dense, pruning_rates={"hidden": 0.0})
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    search = IterativeMagnitudePruning(model, **SEARCH)
    with warnings.catch_warnings():
        warnings.simplefilter("error", EmptyLayerWarning)
        search.run(lambda steps: [*steps] and None, iterations=2, verbose=False)
    assert tf_lottery.get_mask(model)["hidden/kernel"].all()
