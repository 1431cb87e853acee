"""A search whose levels are kept in a folder goes on in another process, here: another object."""

import keras as keras_3
import numpy as np
import pytest
import tf_keras

from tests.same_weights import assert_same_weights
from tests.tickets.folder_contents import contents
from tf_lottery.masking.prunable import prunable
from tf_lottery.tickets.fit.search import IterativeMagnitudePruning
from tf_lottery.training.network import weights_of


@pytest.mark.parametrize(
    ("level", "known"),
    [(2, False), *(pytest.param(level, True, marks=pytest.mark.slow) for level in (0, 2))],
)
def test_another_object_goes_on_where_one_was_interrupted(
    search_in, batches, make_counter, tmp_path, level, known
):
    if not known:
        batches = batches.filter(lambda image, label: True)
    straight = search_in(None)
    straight.fit(batches, epochs=2, verbose=0)
    with pytest.raises(KeyboardInterrupt):
        search_in(tmp_path / "search").fit(
            batches,
            epochs=2,
            verbose=0,
            callbacks=lambda now: [make_counter(4)] if now == level else [],
        )

    search = search_in(tmp_path / "search")
    assert [result.level for result in search.history.levels] == list(range(level))
    counters = {}

    def count(now: int):
        counters[now] = make_counter()
        return [counters[now]]

    search.fit(batches, epochs=2, verbose=0, callbacks=count)
    assert {now: counter.batches for now, counter in counters.items()} == {
        now: 5 if now else 8 for now in range(level, 4)
    }
    assert search.history.to_frame().equals(straight.history.to_frame())
    for now in range(4):
        assert search.mask(now) == straight.mask(now)
        for weights in ("trained", "rewind"):
            found, expected = (
                weights_of(s.restore(now, weights, into=s._network.model))
                for s in (search, straight)
            )
            assert_same_weights(found, expected)


def test_an_interruption_says_that_the_same_script_goes_on(
    search_in, batches, make_counter, tmp_path, capsys
):
    line = "Interrupted at level 1. The same script goes on with it."
    for folder in (None, tmp_path / "search"):
        with pytest.raises(KeyboardInterrupt):
            search_in(folder).fit(
                batches,
                epochs=2,
                verbose=0,
                callbacks=lambda now: [make_counter(4)] if now == 1 else [],
            )
        assert capsys.readouterr().out.splitlines() == (["", line] if folder else [])


def test_level_0_that_begins_anew_rewinds_to_its_own_weights(
    search_in, batches, make_counter, tmp_path
):
    with pytest.raises(KeyboardInterrupt):
        search_in(tmp_path / "search").fit(
            batches, epochs=2, verbose=0, callbacks=[make_counter(6)]
        )
    search = search_in(tmp_path / "search")
    model = search._network.model
    for weight in model.trainable_weights:
        weight.assign(weight * 2)
    early = []

    def note(batch, logs):
        if batch == 2 and not early:
            early.append(weights_of(model))

    callback = tf_keras.callbacks.LambdaCallback(on_train_batch_end=note)
    search.fit(batches, epochs=2, verbose=0, callbacks=[callback])
    search.restore(1, "rewind", into=model)
    for name, value in weights_of(model).items():
        kept = search.mask(1).get(name, True)
        np.testing.assert_array_equal(value, np.where(kept, early[0][name], np.float32(0)))


def test_a_finished_search_gives_its_tickets_without_training(search_in, finished, batches):
    before = contents(finished)
    search = search_in(finished, levels=1)
    ticket = weights_of(search.restore(1))
    assert not ticket["hidden/kernel"][~search.mask(1)["hidden/kernel"]].any()
    untrained = search_in(finished, levels=1)
    history = untrained.fit(batches, epochs=2, verbose=0)
    assert len(history.levels) == 2
    for name, value in weights_of(untrained._network.model).items():
        np.testing.assert_array_equal(value, ticket[name])
    assert contents(finished) == before


def test_what_another_process_has_done_meanwhile_is_taken_up(search_in, batches, tmp_path):
    late = search_in(tmp_path / "search", levels=1)
    early = search_in(tmp_path / "search", levels=1)
    early.fit(batches, epochs=2, verbose=0)
    history = late.fit(batches, epochs=2, verbose=0)
    assert history.to_frame().equals(early.history.to_frame())
    assert late.mask(1) == early.mask(1)


@pytest.mark.slow
def test_more_levels_go_on_and_fewer_leave_the_others(search_in, finished, batches):
    straight = search_in(None)
    straight.fit(batches, epochs=2, verbose=0)
    longer = search_in(finished)
    longer.fit(batches, epochs=2, verbose=0)
    assert [longer.mask(level) for level in range(4)] == [
        straight.mask(level) for level in range(4)
    ]
    shorter = search_in(finished, levels=0)
    assert len(shorter.fit(batches, epochs=2, verbose=0).levels) == 1
    assert (finished / "level_3" / "level.json").exists()


@pytest.mark.slow
def test_random_scores_follow_the_seed_of_the_search(search_in, batches, tmp_path):
    def masks(folder):
        tf_keras.utils.set_random_seed(7)
        search = search_in(folder, levels=2, score="random")
        search.fit(batches, epochs=1, verbose=0)
        return [search.mask(level) for level in (1, 2)]

    straight = masks(tmp_path / "straight")
    tf_keras.utils.set_random_seed(7)
    search_in(tmp_path / "two", levels=1, score="random").fit(batches, epochs=1, verbose=0)
    tf_keras.utils.set_random_seed(8)
    search = search_in(tmp_path / "two", levels=2, score="random")
    search.fit(batches, epochs=1, verbose=0)
    assert [search.mask(level) for level in (1, 2)] == straight


def test_a_loop_of_ones_own_and_keras_3(tmp_path):
    inputs = np.random.default_rng(0).normal(size=(8, 6)).astype(np.float32)

    def search():
        layers = [keras_3.Input((6,)), keras_3.layers.Dense(5, name="dense")]
        model = prunable(keras_3.Sequential(layers))
        model.compile(keras_3.optimizers.SGD(0.1), "mse")
        return model, IterativeMagnitudePruning(model, 2, 0.5, "1it", folder=tmp_path / "own")

    def loop(model, most):
        def train(steps):
            if (len(list(tmp_path.glob("own/level_*/level.json")))) == most:
                raise KeyboardInterrupt
            for _ in steps:
                model.train_on_batch(inputs, np.ones((8, 5), np.float32))

        return train

    model, first = search()
    with pytest.raises(KeyboardInterrupt):
        first.run(loop(model, most=2), iterations=3, verbose=False)
    one = first.mask(1)
    model, second = search()
    history = second.run(loop(model, most=9), iterations=3, verbose=False)
    assert [level.weights_remaining for level in history.levels] == [30, 15, 8]
    assert second.mask(1) == one
    assert not weights_of(model)["dense/kernel"][~second.mask(2)["dense/kernel"]].any()
