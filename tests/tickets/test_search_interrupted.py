"""A search that is interrupted and goes on ends as one that never was."""

import pytest
import tf_keras as keras

from tests.same_weights import assert_same_weights
from tf_lottery.tickets.fit.search import IterativeMagnitudePruning
from tf_lottery.training.network import weights_of


@pytest.mark.parametrize(
    ("level", "batches_done", "known"),
    [
        pytest.param(0, 7, True, marks=pytest.mark.slow),
        (2, 4, False),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in [(0, 1, True), (2, 1, True), (2, 4, True), (0, 5, False)]
        ),
    ],
)
def test_interrupted_anywhere(build_model, batches, make_counter, level, batches_done, known):
    if not known:
        batches = batches.filter(lambda image, label: True)
    straight = IterativeMagnitudePruning(build_model(), levels=3, rewind_step="3it")
    straight.fit(batches, epochs=2, verbose=0)

    search = IterativeMagnitudePruning(build_model(), levels=3, rewind_step="3it")
    with pytest.raises(KeyboardInterrupt):
        search.fit(
            batches,
            epochs=2,
            verbose=0,
            callbacks=lambda now: [make_counter(batches_done)] if now == level else [],
        )
    assert [result.level for result in search.history.levels] == list(range(level))
    counters = {}

    def count(now: int) -> list[keras.callbacks.Callback]:
        counters[now] = make_counter()
        return [counters[now]]

    search.fit(batches, epochs=2, verbose=0, callbacks=count)
    # Only the unfinished level and those after it, and each in full.
    expected_batches = {now: 5 if now else 8 for now in range(level, 4)}
    assert {now: counter.batches for now, counter in counters.items()} == expected_batches
    assert search.history.to_frame().equals(straight.history.to_frame())
    for now in range(4):
        assert search.mask(now) == straight.mask(now)
        assert_same_weights(weights_of(search.restore(now)), weights_of(straight.restore(now)))


def test_a_finished_search_trains_no_more(build_model, batches, make_counter):
    search = IterativeMagnitudePruning(build_model(), levels=1)
    search.fit(batches, verbose=0)
    counter = make_counter()
    history = search.fit(batches, verbose=0, callbacks=[counter])
    assert counter.batches == 0
    assert len(history.levels) == 2
