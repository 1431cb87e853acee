"""One level of several that are trained within a single `model.fit`, with callbacks of its own."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import tf_keras

from tf_lottery.masking.keras_versions import is_of_keras, keras_of
from tf_lottery.tickets.fit.length import check_not_resumed
from tf_lottery.tickets.fit.level_end import kept_epoch
from tf_lottery.tickets.imp import LevelToTrain


class LevelInFit:
    """A level in training: how far it has come, and the callbacks that begin anew with it.

    Attributes:
      level: that is trained.
      iteration: up to which it has come.
      last: iteration at which it is planned to end.
      callbacks: that begin anew with it.
      stopped: whether one of its callbacks has stopped it.
    """

    def __init__(
        self,
        level: LevelToTrain,
        model: Any,
        callbacks: Sequence[Any],
        params: Mapping[str, Any],
        first: int,
        last: int,
    ):
        """Starts the callbacks, as a `fit` of its own would.

        Args:
          level: to be trained.
          model: that is trained.
          callbacks: of the level.
          params: of the `fit` around it, as Keras tells them to callbacks.
          first: iteration at which the level begins.
          last: iteration at which it ends.

        Raises:
          ValueError: if one of them restores a backup.
        """
        self.level, self.iteration, self.last = level, first, last
        self.stopped, self.callbacks = False, callbacks
        self._model = model
        self._epoch = first // params["steps"]
        # Number of an epoch to the iteration at which that epoch ended.
        self._ended: dict[int, int] = {}
        self._results = _Results()
        params = {**params, "epochs": math.ceil(last / params["steps"])}
        lists = keras_of(model).callbacks.CallbackList
        # Last, as the history of Keras: callbacks may add metrics of their own to the logs.
        self._callbacks = lists([*callbacks, self._results], model=model, **params)
        self._callbacks.on_train_begin()
        check_not_resumed(model, params["steps"], self._epoch, f"level {level.number}")

    @property
    def is_over(self) -> bool:
        """Whether all of its iterations are done, or it was stopped."""
        return self.stopped or self.iteration >= self.last

    @property
    def sets_within_epochs(self) -> bool:
        """Whether a callback that is not Keras's may act on batches."""
        return any(map(_acts_on_batches, self.callbacks))

    def begin_epoch(self, logs: Any) -> None:
        """Tells the callbacks, in the level's own count of epochs."""
        self._callbacks.on_epoch_begin(self._epoch, logs)

    def begin_batch(self, batch: int, logs: Any) -> None:
        """Tells the callbacks."""
        self._callbacks.on_train_batch_begin(batch, logs)

    def end_batch(self, batch: int, logs: Any, iterations: int) -> None:
        """Counts the iterations of a batch, of which an execution may have several."""
        self.iteration += iterations
        before = self._model.stop_training
        self._callbacks.on_train_batch_end(batch, logs)
        # Keras then ends the epoch, and with it the level ends.
        self.stopped |= self._model.stop_training and not before

    def validate(self, hook: str, *arguments: Any) -> None:
        """Calls a method of the callbacks that is about validation, such as `on_test_begin`."""
        getattr(self._callbacks, hook)(*arguments)

    def end_epoch(self, logs: Any) -> None:
        """Ends an epoch; a callback that now stops training stops the level alone."""
        self._ended[self._epoch] = self.iteration
        self._callbacks.on_epoch_end(self._epoch, logs)
        self.stopped |= self._model.stop_training
        self._model.stop_training = False
        self._epoch += 1

    def end(self, logs: Any) -> None:
        """Ends the callbacks, which may give the best weights back."""
        self._callbacks.on_train_end(logs)

    def kept(self) -> tuple[int, dict[str, Any]]:
        """Iteration and logs of the epoch whose weights the model has, at the end of the level."""
        epoch = kept_epoch(self._model, self.callbacks, self._epoch - 1)
        return self._ended[epoch], self._results.of_epoch[epoch]


class _Results(tf_keras.callbacks.Callback):
    """Keeps the logs of epochs; those between validations have the results of the last one."""

    def __init__(self):
        super().__init__()
        self.of_epoch: dict[int, dict[str, Any]] = {}
        self._validation: dict[str, Any] = {}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs = dict(logs or {})
        self._validation |= {name: logs[name] for name in logs if name.startswith("val_")}
        self.of_epoch[epoch] = {**logs, **self._validation}


def _acts_on_batches(callback: Any) -> bool:
    names = "on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end"
    # Those of a LambdaCallback are functions of the user's.
    methods = (getattr(getattr(callback, name), "__func__", None) for name in names)
    return not all(method is not None and is_of_keras(method) for method in methods)
