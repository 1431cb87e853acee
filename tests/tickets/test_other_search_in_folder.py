"""A folder goes on with the search that it holds alone: what counts as another one."""

from pathlib import Path

import keras as keras_3
import numpy as np
import pytest
import tf_keras

from tests.either_keras import TF_KERAS_FAST
from tests.tickets.folder_contents import contents
from tf_lottery.masking.prunable import prunable
from tf_lottery.store.seal import seal, verify_seal
from tf_lottery.tickets.fit.search import IterativeMagnitudePruning


def by_value(weights, mask, evidence):
    return {name: weights[name] for name in mask}


def by_twice(weights, mask, evidence):
    return {name: 2 * weights[name] for name in mask}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scope": "layerwise"}, 'scope was "global", is "layerwise"'),
        ({"pruning_rate": 0.5}, "pruning_rate was 0.2, is 0.5"),
        ({"score": by_value}, 'score was "magnitude", is "by_value"'),
        ({"optimizer": tf_keras.optimizers.Adam()}, 'optimizer was "SGD", is "Adam"'),
        (
            {"optimizer": tf_keras.optimizers.SGD(0.2, momentum=0.9)},
            r"optimizer: learning_rate was 0\.1, is 0\.2\. Con",
        ),
    ],
)
def test_other_arguments_are_refused_before_anything_is_written(
    search_in, finished, arguments, message
):
    before = contents(finished)
    with pytest.raises(ValueError, match=rf"search holds another search: {message}.*another f"):
        search_in(finished, levels=1, **arguments)
    assert contents(finished) == before


def test_another_length_or_loop_or_model_is_refused(search_in, finished, batches, build_model):
    search = search_in(finished, levels=1)
    with pytest.raises(ValueError, match="epochs was 2, is 3"):
        search.fit(batches, epochs=3, verbose=0)
    with pytest.raises(ValueError, match=r"epochs was 2, is null; iterations was null, is 8"):
        search.run(lambda steps: None, iterations=8)
    other = prunable(tf_keras.Sequential([tf_keras.layers.Dense(3, input_shape=(6,))]))
    other.compile(tf_keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    with pytest.raises(ValueError, match=r"the model has dense\S*/kernel, .*give yours names"):
        IterativeMagnitudePruning(other, 1, rewind_step="3it", folder=finished)


def with_units(layers, number: int = 10):
    return [layers.Dense(number, name="hidden"), layers.Dense(3, name="output")]


@pytest.mark.parametrize(
    ("changed", "loss", "message"),
    [
        (
            lambda layers: with_units(layers, 9),
            "mse",
            r"hidden/kernel has the shape \(6, 9\), and ",
        ),
        (
            lambda layers: [layers.Dense(10, "tanh", name="hidden"), with_units(layers)[1]],
            "mse",
            r"layer 1 of the model \(Dense\) has other settings\. Con",
        ),
        (
            lambda layers: [*with_units(layers), layers.Dropout(0.5)],
            "mse",
            "the model has 3 layers, and had 2",
        ),
        (with_units, "mae", 'loss was "mse", is "mae"'),
    ],
)
@TF_KERAS_FAST
def test_another_network_or_loss_is_refused(keras, changed, loss, message, tmp_path):
    def search(layers, loss) -> IterativeMagnitudePruning:
        model = prunable(keras.Sequential([keras.Input((6,)), *layers(keras.layers)]))
        model.compile("sgd", loss)
        return IterativeMagnitudePruning(model, 0, folder=tmp_path / "search")

    search(with_units, "mse").run(lambda steps: [*steps] and None, iterations=1, verbose=False)
    assert search(with_units, "mse").history.levels
    with pytest.raises(ValueError, match=rf"search holds another search: {message}"):
        search(changed, loss)


def test_other_weights_of_losses_are_refused(tmp_path):
    def search(weights) -> IterativeMagnitudePruning:
        model = prunable(tf_keras.Sequential([tf_keras.Input((6,)), *with_units(tf_keras.layers)]))
        model.compile("sgd", "mse", loss_weights=weights)
        return IterativeMagnitudePruning(model, 0, folder=tmp_path / "search")

    search([0.5]).run(lambda steps: [*steps] and None, iterations=1, verbose=False)
    assert search((np.float64(0.5),)).history.levels
    for other, shown in ((None, "null"), ([0.25], r"\[0\.25\]")):
        with pytest.raises(ValueError, match=rf"loss_weights was \[0\.5\], is {shown}\."):
            search(other)


class TestOlderRules:
    """A folder from before an optimizer's step count began anew after rewinding."""

    @staticmethod
    def make_old(folder: Path) -> None:
        record = verify_seal(folder, name="search.json")
        seal(folder, [], {name: record[name] for name in ("arguments", "seed")}, "search.json")

    def test_it_is_not_continued(self, search_in, batches, tmp_path):
        folder = tmp_path / "search"
        search_in(folder, 1, tf_keras.optimizers.Adam()).fit(batches, epochs=2, verbose=0)
        self.make_old(folder)
        before = contents(folder)
        longer = search_in(folder, 2, tf_keras.optimizers.Adam())
        with pytest.raises(ValueError, match=r"older version.*step count of Adam went on"):
            longer.fit(batches, epochs=2, verbose=0)
        assert contents(folder) == before
        found = search_in(folder, 1, tf_keras.optimizers.Adam())
        assert found.fit(batches, epochs=2, verbose=0).levels[-1].level == 1

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("optimizer", "levels"), [("SGD", 1), ("Adam", 0)], ids=["no count", "level 0"]
    )
    def test_it_goes_on_where_the_rule_made_no_difference(
        self, search_in, batches, tmp_path, optimizer, levels
    ):
        folder, make = tmp_path / "search", getattr(tf_keras.optimizers, optimizer)
        search_in(folder, levels, make()).fit(batches, epochs=2, verbose=0)
        self.make_old(folder)
        search_in(folder, 2, make()).fit(batches, epochs=2, verbose=0)
        assert verify_seal(folder, name="search.json")["rules"] >= 2


@pytest.mark.slow
def test_numbers_that_keras_gives_to_optimizers_make_no_other_search(tmp_path):
    """Also to those within one that scales losses."""
    for _ in range(2):
        inner = keras_3.optimizers.Adam(0.01)
        optimizer = keras_3.optimizers.LossScaleOptimizer(inner, initial_scale=2.0)
        layers = [keras_3.Input((6,)), keras_3.layers.Dense(3, name="output")]
        model = prunable(keras_3.Sequential(layers))
        model.compile(optimizer, "mse")
        search = IterativeMagnitudePruning(model, 0, folder=tmp_path / "search")
        x = np.ones((4, 6), np.float32)
        search.fit(x, x[:, :3], verbose=0)
    assert len(search.history.levels) == 1


def in_python(folder: Path, python: str | None) -> None:
    """Makes a folder one that another Python has written, or, without one, an earlier version."""
    content = verify_seal(folder, name="search.json")
    if python is None:
        del content["arguments"]["score_code"]
    else:
        content["arguments"]["score_code"] = {"python": python, "sha256": "0" * 64}
    seal(folder, [], content, "search.json")


def test_another_score_of_the_same_name_is_another_search(search_in, batches, tmp_path):
    folder = tmp_path / "search"
    twice = lambda weights, mask, evidence: by_twice(weights, mask, evidence)  # noqa: E731
    once = lambda weights, mask, evidence: by_value(weights, mask, evidence)  # noqa: E731
    search_in(folder, levels=1, score=twice).fit(batches, epochs=1, verbose=0)
    with pytest.raises(ValueError, match=r"score computes something else .*comments"):
        search_in(folder, levels=1, score=once)
    in_python(folder, "cpython-309")
    with pytest.warns(UserWarning, match=r"under cpython-309, and this is .* cannot be checked"):
        search = search_in(folder, levels=1, score=once)
    search.fit(batches, epochs=1, verbose=0)
    with pytest.raises(ValueError, match="score computes something else"):
        search_in(folder, levels=1, score=twice)
    in_python(folder, None)
    assert len(search_in(folder, levels=1, score=twice).history.levels) == 2
