"""`PruneAndRewind` ends with the bits of `IterativeMagnitudePruning`, however it prunes."""

from types import ModuleType
from typing import Any

import pytest
import tf_keras

import tf_lottery
from tests.same_weights import assert_same_weights
from tests.tickets import small_searches
from tests.tickets.small_searches import BATCHES, BOTH, STEPS, X, Y
from tf_lottery.training.network import weights_of

SLOW = pytest.mark.slow


def network(keras: ModuleType, rate: Any = 0.1) -> Any:
    """With two layers before the output."""
    return small_searches.network(keras, rate, ("hidden", "middle"))


def decaying(keras: ModuleType, end: float = 0.01) -> Any:
    return keras.optimizers.schedules.PolynomialDecay(0.1, 3 * STEPS, end)


def assert_same_models(one: Any, two: Any) -> None:
    assert_same_weights(weights_of(one), weights_of(two))


ADAPTIVE = tf_lottery.AdaptiveRate(loss_rise=0.02, least=0.2, density=0.3)
WAYS = {
    "units": {"structure": "units", "pruning_rate": 0.3},
    "1x4": {"structure": "1x4", "pruning_rate": [0.5, 0.3], "scope": "layerwise"},
    "2:4": {"structure": "2:4", "pruning_rate": 0.5, "levels": 1},
    "one-shot": {"prune_from": "dense", "pruning_rate": 0.5},
    "before training": {"prune_from": "rewind_step", "score": "synflow"},
    "adaptive": {"pruning_rate": ADAPTIVE, "levels": 9},
    "snip": {"score": "snip", "pruning_rate": 0.5},
    "learning rate": {"retraining": "rewind_learning_rate"},
    "fine-tuned": {"retraining": "fine_tune"},
    "fine-tuned by hand": {"retraining": "fine_tune", "fine_tune_learning_rate": 0.03},
}
FAST = ("adaptive", "fine-tuned")


@BOTH
@pytest.mark.parametrize(
    "way", [pytest.param(way, marks=() if way in FAST else SLOW) for way in WAYS]
)
def test_the_callback_equals_the_search(keras: ModuleType, way: str):
    arguments = {"levels": 2, "rewind_step": "1ep", **WAYS[way]}
    rate = decaying(keras) if "retraining" in arguments else 0.1
    search = tf_lottery.IterativeMagnitudePruning(network(keras, rate), **arguments)
    search.fit(BATCHES, epochs=3, verbose=0)
    last = len(search.history.levels) - 1

    model = network(keras, rate)
    imp = tf_lottery.PruneAndRewind(epochs_per_level=3, score_data=BATCHES, **arguments)
    model.fit(BATCHES, epochs=imp.epochs(STEPS), callbacks=[imp], verbose=0)
    assert imp.history.levels == search.history.levels
    assert tf_lottery.get_mask(model) == search.mask(last)
    assert_same_models(model, search.restore(last, into=search._network.model))
    if way == "adaptive":
        assert 1 < last < 9
        assert search.mask(last).remaining == round(0.3 * search.mask(0).total)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(BATCHES, id="tf.data"),
        pytest.param((X, Y), id="x", marks=SLOW),
        pytest.param((X.tolist(), Y), id="list"),
    ],
)
def test_data_for_scores_may_come_in_several_ways(data: Any):
    imp = tf_lottery.PruneAndRewind(1, 1, 0.5, score="taylor", score_data=data)
    model = network(tf_keras)
    model.fit(BATCHES, epochs=imp.epochs(STEPS), callbacks=[imp], verbose=0)
    assert tf_lottery.get_mask(model).density == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("data", [3, X, (X,), (X, Y, Y), "x"])
def test_other_data_are_refused(data: Any):
    with pytest.raises(ValueError, match=r"score_data=.*give arrays \(x, y\)"):
        tf_lottery.PruneAndRewind(1, 1, score="snip", score_data=data)


class TestFolder:
    """A `fit` that was interrupted goes on, in another, with the level that it was in."""

    @staticmethod
    def fit(keras: ModuleType, folder: Any, *others: Any, **arguments: Any) -> tuple[Any, Any]:
        model = network(keras)
        arguments = {"levels": 2, "pruning_rate": 0.5, "rewind_step": "1ep", **arguments}
        imp = tf_lottery.PruneAndRewind(epochs_per_level=3, folder=folder, **arguments)
        model.fit(BATCHES, epochs=imp.epochs(STEPS), callbacks=[*others, imp], verbose=0)
        return model, imp

    @BOTH
    @pytest.mark.parametrize("after", [6, pytest.param(21, marks=SLOW)])
    @pytest.mark.slow
    def test_it_ends_with_the_same_bits(self, keras, after, tmp_path):
        class Interrupt(keras.callbacks.Callback):
            count = 0

            def on_train_batch_end(self, batch, logs=None):
                self.count += 1
                if self.count == after:
                    raise KeyboardInterrupt

        class Counts(keras.callbacks.Callback):
            epochs = 0

            def on_epoch_end(self, epoch, logs=None):
                self.epochs += 1

        straight, whole = self.fit(keras, None)
        with pytest.raises(KeyboardInterrupt):
            self.fit(keras, tmp_path / "search", Interrupt())
        counts = Counts()
        model, imp = self.fit(keras, tmp_path / "search", counts)
        # Levels of 3, 2 and 2 epochs.
        assert counts.epochs == (7 if after == 6 else 2)
        assert imp.history.levels == whole.history.levels
        assert tf_lottery.get_mask(model) == tf_lottery.get_mask(straight)
        assert_same_models(model, straight)

    @BOTH
    def test_what_is_finished_is_given_again(self, keras, tmp_path):
        model, imp = self.fit(keras, tmp_path / "search")
        files = {path: path.read_bytes() for path in (tmp_path / "search").rglob("*.*")}
        again, found = self.fit(keras, tmp_path / "search")
        assert_same_models(again, model)
        assert found.history.levels == imp.history.levels
        assert {path: path.read_bytes() for path in (tmp_path / "search").rglob("*.*")} == files

    @pytest.mark.slow
    def test_a_search_and_a_callback_go_on_with_each_others_folder(self, tmp_path):
        def search(levels: int) -> Any:
            found = tf_lottery.IterativeMagnitudePruning(
                network(tf_keras), levels, 0.5, "1ep", folder=tmp_path / "search"
            )
            found.fit(BATCHES, epochs=3, verbose=0)
            return found

        straight, whole = self.fit(tf_keras, None, levels=3)
        search(0)
        self.fit(tf_keras, tmp_path / "search", levels=1)
        search(2)
        model, imp = self.fit(tf_keras, tmp_path / "search", levels=3)
        assert_same_models(model, straight)
        assert imp.history.levels == whole.history.levels
        assert_same_models(search(3).restore(3), straight)

    def test_a_search_goes_on_where_a_fit_was_interrupted(self, tmp_path):
        def interrupt(*_: Any) -> None:
            raise KeyboardInterrupt

        interrupts = tf_keras.callbacks.LambdaCallback(on_train_batch_end=interrupt)
        with pytest.raises(KeyboardInterrupt):
            self.fit(tf_keras, tmp_path / "search", interrupts)
        search = tf_lottery.IterativeMagnitudePruning(
            network(tf_keras), 2, 0.5, "1ep", folder=tmp_path / "search"
        )
        search.fit(BATCHES, epochs=3, verbose=0)
        model, imp = self.fit(tf_keras, tmp_path / "search")
        assert imp.history.levels == search.history.levels
        assert_same_models(model, search.restore(2))

    def test_what_does_not_fit_is_refused_before_training(self, tmp_path):
        self.fit(tf_keras, tmp_path / "search", levels=0)
        with pytest.raises(ValueError, match=r"pruning_rate was 0\.5, is 0\.4"):
            self.fit(tf_keras, tmp_path / "search", levels=1, pruning_rate=0.4)
        with pytest.raises(ValueError, match='retraining was "rewind_weights", is "fine_tune"'):
            self.fit(tf_keras, tmp_path / "search", levels=1, retraining="fine_tune")
        with pytest.raises(ValueError, match=r"folder: .*middle of an epoch"):
            self.fit(tf_keras, tmp_path / "other", rewind_step="3it")
        with pytest.raises(ValueError, match="folder=3"):
            tf_lottery.PruneAndRewind(1, 1, folder=3)


@pytest.mark.slow
def test_averages_of_weights_are_not_what_a_finished_folder_gives(tmp_path):
    """Keras assigns them where `fit` ends, also where it has trained nothing."""

    def averaging() -> Any:
        model = network(tf_keras)
        model.compile(tf_keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5), model.loss)
        return model

    for _ in range(2):
        model = averaging()
        imp = tf_lottery.PruneAndRewind(1, 1, 0.5, folder=tmp_path / "search")
        model.fit(BATCHES, epochs=2, callbacks=[imp], verbose=0)
    kept = tf_lottery.IterativeMagnitudePruning(averaging(), 1, 0.5, folder=tmp_path / "search")
    assert_same_models(model, kept.restore(1))
