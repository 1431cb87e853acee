"""Iterative magnitude pruning inside one `model.fit`."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from tests.same_weights import assert_same_weights
from tf_lottery.masking.layers import model_variables
from tf_lottery.masking.masks import Mask
from tf_lottery.masking.prunable import get_mask, prunable, set_mask
from tf_lottery.tickets.fit.prune_and_rewind import PruneAndRewind
from tf_lottery.tickets.fit.search import IterativeMagnitudePruning
from tf_lottery.training.divergence import TrainingDivergedError
from tf_lottery.training.network import weights_of


@pytest.mark.parametrize(
    ("rewind_step", "rewind_optimizer"),
    [pytest.param("0it", False, marks=pytest.mark.slow), ("1ep", True)],
)
def test_it_equals_a_search_bit_for_bit(build_model, batches, rewind_step, rewind_optimizer):
    arguments = {"rewind_step": rewind_step, "rewind_optimizer": rewind_optimizer}
    search = IterativeMagnitudePruning(build_model(metrics=["accuracy"]), 2, **arguments)
    expected = search.fit(batches, epochs=3, verbose=0, validation_data=batches)

    model = build_model(metrics=["accuracy"])
    imp = PruneAndRewind(2, epochs_per_level=3, **arguments)
    epochs = 9 if rewind_step == "0it" else 7
    assert imp.epochs(4) == epochs
    model.fit(batches, epochs=epochs, verbose=0, validation_data=batches, callbacks=[imp])

    assert get_mask(model) == search.mask(2)
    assert_same_weights(weights_of(model), weights_of(search.restore(2)))
    ours, theirs = imp.history.to_frame(), expected.to_frame()
    assert list(ours.columns) == list(theirs.columns)
    np.testing.assert_allclose(ours.astype(float), theirs.astype(float), rtol=1e-6)


@pytest.mark.parametrize(
    "rewind_step",
    ["3it", *(pytest.param(step, marks=pytest.mark.slow) for step in ("0it", "1ep", "6it"))],
)
def test_levels_have_their_lengths(build_model, batches, rewind_step):
    """Also where levels begin and end in the middle of an epoch."""
    model = build_model()
    imp = PruneAndRewind(3, epochs_per_level=2, pruning_rate=0.5, rewind_step=rewind_step)
    seen = []

    class Watch(keras.callbacks.Callback):
        """Before the search's own callback has acted on a batch."""

        def on_train_batch_end(self, batch, logs=None):
            seen.append((get_mask(self.model).remaining, int(self.model.optimizer.iterations)))

    step = {"0it": 0, "3it": 3, "1ep": 4, "6it": 6}[rewind_step]
    model.fit(batches, epochs=imp.epochs(4), verbose=0, callbacks=[Watch(), imp])
    expected = [(90, iteration) for iteration in range(1, 9)]
    for remaining in (45, 22, 11):
        expected += [(remaining, iteration) for iteration in range(1, 9 - step)]
    assert seen == expected
    assert [result.weights_remaining for result in imp.history.levels] == [90, 45, 22, 11]
    assert [result.level for result in imp.history.levels] == [0, 1, 2, 3]


def test_pruned_weights_are_zero_and_survivors_rewound(build_model, batches):
    """At the first batch of a level the weights are those of the rewind step, masked."""
    model, other = build_model(), build_model()
    other.fit(batches.take(2), verbose=0)
    early = weights_of(other)
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if get_mask(self.model).density < 1 and not seen:
                seen.append((get_mask(self.model), weights_of(self.model)))

    imp = PruneAndRewind(1, epochs_per_level=2, rewind_step="2it")
    model.fit(batches, epochs=imp.epochs(4), verbose=0, callbacks=[imp, Watch()])
    (mask, weights) = seen[0]
    for name, value in mask.apply(early).items():
        assert weights[name].tobytes() == value.tobytes()
    for name, array in get_mask(model).items():
        trained = model_variables(model)[name].numpy()
        assert not trained[~array].view(np.uint32).any()
        assert not np.array_equal(trained, weights[name])


def test_metrics_of_a_level_that_ends_within_an_epoch_are_its_own(build_model, batches):
    model = build_model(keras.optimizers.SGD(0.0))
    imp = PruneAndRewind(1, epochs_per_level=1, rewind_step="2it")
    model.fit(batches, epochs=imp.epochs(4), verbose=0, callbacks=[imp])
    # Nothing is learned, so that the loss of batches 0 and 1 under the new mask is what is left.
    other = build_model(keras.optimizers.SGD(0.0))
    other.fit(batches, verbose=0)
    set_mask(other, get_mask(model))
    expected = other.fit(batches.take(2), verbose=0).history["loss"][0]
    assert imp.history.levels[1].metrics["loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.filterwarnings("ignore:level 1 goes on .* with the learning rate inf")
@pytest.mark.parametrize("at", [pytest.param("epoch", marks=pytest.mark.slow), "batch"])
def test_divergence_stops_training(build_model, batches, at):
    model = build_model()
    imp = PruneAndRewind(2, epochs_per_level=2, rewind_step="0it" if at == "epoch" else "3it")

    def explode(batch, logs):
        if get_mask(model).density < 1:
            model.optimizer.learning_rate.assign(np.inf)

    bomb = keras.callbacks.LambdaCallback(on_batch_end=explode)
    with pytest.raises(TrainingDivergedError, match="level 1"):
        model.fit(batches, epochs=imp.epochs(4), verbose=0, callbacks=[bomb, imp])
    assert [result.level for result in imp.history.levels] == [0]


def test_averaged_weights_are_masked(build_model, batches):
    model = build_model(keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5))
    imp = PruneAndRewind(1, epochs_per_level=1, pruning_rate=0.5)
    model.fit(batches, epochs=2, verbose=0, callbacks=[imp])
    for name, array in get_mask(model).items():
        assert array.sum() < array.size
        assert not model_variables(model)[name].numpy()[~array].view(np.uint32).any()


@pytest.mark.slow
def test_two_replicas(build_model, batches, mirrored: tf.distribute.Strategy):
    with mirrored.scope():
        model = build_model()
    imp = PruneAndRewind(2, epochs_per_level=2, pruning_rate=0.5, rewind_step="1ep")
    model.fit(batches, epochs=imp.epochs(4), verbose=0, callbacks=[imp])
    assert get_mask(model).remaining == round(22.5)
    assert model.optimizer.iterations.numpy() == 8 - 4
    for name, array in get_mask(model).items():
        for replica in mirrored.experimental_local_results(model_variables(model)[name]):
            assert not replica.numpy()[~array].view(np.uint32).any()


def test_bad_use_is_explained_before_training(build_model, batches):
    model = build_model()
    with pytest.raises(ValueError, match="levels=-1: "):
        PruneAndRewind(-1, 1)
    with pytest.raises(ValueError, match="epochs_per_level=0: "):
        PruneAndRewind(1, 0)
    for arguments, epochs, message in (
        ((2, 2), 5, "epochs=5: 2 levels need 6"),
        ((30, 1), 31, r"levels=30.*at most 23"),
        ((1, 1, 1.5), 2, r"pruning_rate=1\.5"),
        ((1, 1, 0.2, "4it"), 2, "rewind_step='4it'.*ends at 4"),
        ((1, 1, 0.2, "0it", "local"), 2, "scope='local'"),
    ):
        with pytest.raises(ValueError, match=message):
            model.fit(batches, epochs=epochs, verbose=0, callbacks=[PruneAndRewind(*arguments)])
    with pytest.raises(ValueError, match="steps_per_epoch"):
        model.fit(
            batches.filter(lambda image, label: True), epochs=2, callbacks=[PruneAndRewind(1, 1)]
        )
    with pytest.raises(ValueError, match=r"tf_lottery\.prunable"):
        build_model(prune=False).fit(batches, epochs=2, callbacks=[PruneAndRewind(1, 1)])
    assert int(model.optimizer.iterations) == 0

    masks = {n: np.arange(a.size).reshape(a.shape) > 0 for n, a in get_mask(model).items()}
    set_mask(model, Mask(masks))
    with pytest.raises(ValueError, match="pruned already"):
        model.fit(batches, epochs=2, verbose=0, callbacks=[PruneAndRewind(1, 1)])


def test_two_searches_in_one_fit_are_refused_before_training(build_model, batches):
    model, imp = build_model(), PruneAndRewind(1, 1)
    for callbacks in ([imp, imp], [imp, PruneAndRewind(1, 1)], [PruneAndRewind(2, 1), imp]):
        with pytest.raises(ValueError, match=r"^callbacks: PruneAndRewind is given twice to one"):
            model.fit(batches, epochs=3, verbose=0, callbacks=callbacks)
    assert int(model.optimizer.iterations) == 0
    # One after the other they may be: also after a fit that was refused.
    model.fit(batches, epochs=2, verbose=0, callbacks=[imp])
    other = build_model()
    other.fit(batches, epochs=2, verbose=0, callbacks=[imp])
    assert get_mask(model) == get_mask(other)


class Best(keras.callbacks.EarlyStopping):
    """Never stops, and gives the weights of the first epoch back in the end."""

    def __init__(self):
        super().__init__("loss", mode="max", patience=100, restore_best_weights=True)


def build_recurrent() -> keras.Model:
    inputs = keras.Input((6,))
    rows = keras.layers.Reshape((2, 3))(inputs)
    outputs = keras.layers.Dense(3, name="output")(keras.layers.SimpleRNN(4, name="rows")(rows))
    model = prunable(keras.Model(inputs, outputs))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


@pytest.mark.slow
@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("holds", ["wrapper", pytest.param("constraint", marks=pytest.mark.slow)])
def test_a_callback_that_gives_earlier_weights_back_is_told(build_model, batches, holds, place):
    """The wrapper's masks are among the weights that it gives back."""

    def fitted(*others: keras.callbacks.Callback) -> tuple[keras.Model, keras.callbacks.History]:
        keras.utils.set_random_seed(0)
        model = build_model() if holds == "wrapper" else build_recurrent()
        imp = PruneAndRewind(2, 1, pruning_rate=0.5)
        callbacks = [*others, imp] if place == "before" else [imp, *others]
        return model, model.fit(batches, epochs=3, verbose=0, callbacks=callbacks)

    alone, _ = fitted()
    with (
        pytest.warns(UserWarning, match="Best beside PruneAndRewind compares the epochs"),
        pytest.warns(UserWarning, match=r"another callback has set weights .*level_callbacks"),
    ):
        model, history = fitted(Best())
    assert get_mask(model) == get_mask(alone)
    assert_same_weights(weights_of(model), weights_of(alone))
    assert len(history.history["loss"]) == 3
    assert "on_train_end" not in vars(history)


@pytest.mark.parametrize("verbose", [pytest.param(0, marks=pytest.mark.slow), 2])
def test_a_line_for_each_level(build_model, batches, capsys, verbose):
    model = build_model()
    imp = PruneAndRewind(1, epochs_per_level=1, pruning_rate=0.5)
    model.fit(batches, epochs=imp.epochs(4), verbose=verbose, callbacks=[imp])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Level")]
    assert lines == [str(result) for result in imp.history.levels if verbose]
