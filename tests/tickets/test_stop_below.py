"""Searches of the library that end with the first level that is not accurate enough."""

import pytest
import tf_keras

from tests.tickets.small_searches import BATCHES, BOTH, STEPS, network
from tf_lottery.tickets.fit.prune_and_rewind import PruneAndRewind
from tf_lottery.tickets.fit.search import IterativeMagnitudePruning

DATA = {"x": BATCHES, "validation_data": BATCHES, "verbose": 0}


def compiled(keras):
    model = network(keras)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss, metrics=["accuracy"])
    return model


def plain(keras=tf_keras, **arguments):
    search = IterativeMagnitudePruning(compiled(keras), 2, 0.7, **arguments)
    search.fit(epochs=3, **DATA)
    return search


def val_accuracies(history):
    return [result.metrics["val_accuracy"] for result in history.levels]


@pytest.mark.slow
@BOTH
def test_both_searches_end_with_the_first_level_below(keras):
    whole = val_accuracies(plain(keras).history)
    level = next(n for n in (1, 2) if whole[n] < min(whole[:n]))
    rule = f"{100 * (whole[0] - whole[level]) - 1e-3:.4f}pt"
    search = plain(keras, stop_below=rule)
    assert val_accuracies(search.history) == whole[: level + 1]
    assert search.history.ended.startswith(f"The search ended with level {level}, whose val_acc")
    model = compiled(keras)
    callback = PruneAndRewind(2, 3, 0.7, stop_below=rule)
    history = model.fit(epochs=callback.epochs(STEPS), callbacks=[callback], **DATA)
    assert len(history.epoch) == 3 * (level + 1)
    assert [r.weights_remaining for r in callback.history.levels] == [
        r.weights_remaining for r in search.history.levels
    ]
    assert callback.history.ended is not None


def test_another_process_decides_the_same_and_may_go_on(tmp_path, capsys):
    folder = tmp_path / "search"
    search = plain(folder=folder, stop_below=0.999)
    assert len(search.history.levels) == 1
    again = plain(folder=folder, stop_below=0.999)
    assert again.history.levels == search.history.levels
    assert again.history.ended == search.history.ended
    assert "nothing was trained" in capsys.readouterr().out
    further = plain(folder=folder)
    assert len(further.history.levels) == 3
    assert further.history.levels[0] == search.history.levels[0]
    assert further.history.ended is None


def test_what_is_looked_at_is_known_before_it_is_too_late():
    with pytest.raises(ValueError, match=r"^stop_below=2: use an accuracy"):
        PruneAndRewind(1, 1, stop_below=2)
    with pytest.raises(ValueError, match=r"^stop_metric='val_x' is for stop_below"):
        PruneAndRewind(1, 1, stop_metric="val_x")
    search = IterativeMagnitudePruning(compiled(tf_keras), 1, stop_below=0.9)
    with pytest.raises(ValueError, match=r"stop_below=0\.9 looks at the accuracy on validation"):
        search.fit(BATCHES, epochs=1, verbose=0)
    search = IterativeMagnitudePruning(compiled(tf_keras), 1, stop_below=0.9, stop_metric="val_top")
    with pytest.raises(ValueError, match=r"looks at val_top, and the metrics are loss, accuracy"):
        search.fit(epochs=2, **DATA)
    callback = PruneAndRewind(1, 2, stop_below=0.9)
    with pytest.raises(ValueError, match=r"stop_below=0\.9 looks at the accuracy on validation"):
        compiled(tf_keras).fit(BATCHES, epochs=4, callbacks=[callback], verbose=0)
    seldom = {"validation_freq": 3, **DATA}
    match = r"^validation_freq=3: .* after epoch 3, and level 0 ends after epoch 2, .* more often"
    with pytest.raises(ValueError, match=match):
        compiled(tf_keras).fit(epochs=4, callbacks=[callback], **seldom)
    search = IterativeMagnitudePruning(compiled(tf_keras), 1, stop_below=0.9)
    with pytest.raises(ValueError, match=match):
        search.fit(epochs=2, **seldom)


def test_a_loop_of_ones_own_names_the_metric():
    def train(steps):
        assert list(steps)
        return {"accuracy": 0.5}

    search = IterativeMagnitudePruning(network(tf_keras), 3, stop_below="5pt")
    with pytest.raises(ValueError, match=r"the metrics are accuracy; give stop_metric="):
        search.run(train, iterations=2, verbose=False)
    search = IterativeMagnitudePruning(network(tf_keras), 3, stop_below=0.6, stop_metric="accuracy")
    assert len(search.run(train, iterations=2, verbose=False).levels) == 1
