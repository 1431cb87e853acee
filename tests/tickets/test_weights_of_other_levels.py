"""What keeps the best weights of all levels must not give a level another one's mask."""

from typing import Any

import pytest
import tf_keras

import tf_lottery
from tests.tickets.small_searches import BATCHES, STEPS, network

OTHER_MASK = "^level 1 has the mask of another level: "
GROWN = "^training has changed pruned weights of hidden/kernel"


class KeepsFirst(tf_keras.callbacks.Callback):
    """Gives the weights of the first level back at the end of each."""

    kept: Any = None

    def on_epoch_end(self, epoch, logs=None):
        if self.kept is None:
            self.kept = self.model.get_weights()
        self.model.set_weights(self.kept)


@pytest.mark.parametrize("place", ["level_callbacks", "beside"])
@pytest.mark.parametrize(
    ("held_by", "message"),
    [("wrapper", OTHER_MASK), pytest.param("constraint", GROWN, marks=pytest.mark.slow)],
)
def test_a_callback_in_the_fit_of_prune_and_rewind(place, held_by, message, monkeypatch):
    if held_by == "constraint":
        monkeypatch.setattr("tf_lottery.masking.prunable.can_be_wrapped", lambda *_: False)
    keeps = KeepsFirst()
    imp = tf_lottery.PruneAndRewind(2, 1, level_callbacks=[keeps] * (place != "beside"))
    beside = [keeps] * (place == "beside")
    with pytest.raises(ValueError, match=message):
        network(tf_keras).fit(
            BATCHES, epochs=imp.epochs(STEPS), callbacks=[*beside, imp], verbose=0
        )
    assert [result.level for result in imp.history.levels] == [0]


def test_a_loop_of_the_users():
    model, kept = network(tf_keras), []
    search = tf_lottery.IterativeMagnitudePruning(model, 2)

    def train(steps):
        for _, batch in zip(steps, BATCHES, strict=True):
            model.train_on_batch(*batch)
        kept.append(model.get_weights())
        model.set_weights(kept[0])

    with pytest.raises(ValueError, match=OTHER_MASK):
        search.run(train, iterations=STEPS, verbose=False)
    assert [result.level for result in search.history.levels] == [0]
