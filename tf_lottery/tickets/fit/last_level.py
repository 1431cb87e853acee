"""What the last level of a search in one `model.fit` has trained, until the very end of `fit`."""

from typing import Any

from tf_lottery.messages import warn_user
from tf_lottery.training.network import Network


class LastLevel:
    """The weights and the mask with which the last level ended."""

    def __init__(self, network: Network):
        """Copies the weights and the mask that the network has."""
        self._network, self._weights, self._mask = network, network.weights(), network.mask

    def put_back(self) -> None:
        """Gives weights and mask back, with a warning, if another callback has set others."""
        if self._network.mask == self._mask and self._has_weights():
            return
        self._network.set_weights(self._weights, self._mask)
        warn_user(
            "another callback has set weights at the end of training, as "
            "EarlyStopping(restore_best_weights=True) does: those of an earlier level, perhaps. "
            "The model was given those of the last level back. Put such callbacks into "
            "PruneAndRewind(level_callbacks=[...]), where they are those of a level.",
        )

    def put_back_after_all(self) -> None:
        """Gives weights and mask back once more, after the callbacks that come later."""
        # Keras puts its own last.
        history: Any = getattr(self._network.model, "history", None)
        if not hasattr(history, "on_train_end"):
            return
        end = history.on_train_end

        def end_and_put_back(logs: Any = None) -> None:
            del history.on_train_end
            end(logs)
            self.put_back()

        history.on_train_end = end_and_put_back

    def _has_weights(self) -> bool:
        weights = self._network.weights()
        return all(
            array.tobytes() == self._weights[name].tobytes() for name, array in weights.items()
        )
