"""Keras callbacks that count iterations, and that watch over one level."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tf_keras as keras

from tf_lottery.masking.keras_versions import averages_weights
from tf_lottery.masking.prunable import get_mask, set_mask
from tf_lottery.tickets.fit.averages import mask_averages, masked_averages
from tf_lottery.tickets.fit.length import resumed_at
from tf_lottery.tickets.fit.pruned_weights import check_pruned_weights
from tf_lottery.training.divergence import first_bad_index
from tf_lottery.training.network import NetworkState, unite_statistics

Callbacks = Sequence[keras.callbacks.Callback]


class IterationCallback(keras.callbacks.Callback):
    """Counts iterations without waiting for the device."""

    # Logs stay tensors: converting them at each batch would wait for it.
    _supports_tf_logs = True

    def __init__(self, first: int = 0):
        """Starts counting at `first`."""
        super().__init__()
        self.iteration = self._epoch_start = first
        # 0 until it has ended.
        self.steps_in_first_epoch = 0
        self._losses: list[tuple[int, Any]] = []
        self._first_bad_step: int | None = None
        self._averages: list[tuple[Any, Any]] | None = None

    def first_bad_step(self) -> int | None:
        """First iteration, from 1, after which the loss was not finite; None if it always was."""
        if self._first_bad_step is None:
            bad = first_bad_index(loss for _, loss in self._losses)
            self._first_bad_step = None if bad is None else self._losses[bad][0]
        self._losses.clear()
        return self._first_bad_step

    def set_model(self, model: Any) -> None:
        """Takes the model."""
        super().set_model(model)
        self._averages = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remembers the iteration at which the epoch starts."""
        self._epoch_start = self.iteration

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Counts; `batch` is the last one of an execution of several steps."""
        if self._averages is None:
            self._averages = masked_averages(self.model)
        # Other callbacks may validate or save with them.
        mask_averages(self._averages)
        # Keras 3 gives an execution its full number of steps, also where the epoch ends within it.
        done = min(batch + 1, (self.params or {}).get("steps") or math.inf)
        self.iteration = self._epoch_start + int(done)
        if logs and "loss" in logs:
            self._losses.append((self.iteration, logs["loss"]))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Learns the length of an epoch, and whether its loss, a mean, is finite."""
        if not np.isfinite(np.asarray((logs or {}).get("loss", 0.0))).all():
            self.first_bad_step()
        self._losses.clear()
        if not self.steps_in_first_epoch:
            self.steps_in_first_epoch = self.iteration - self._epoch_start

    def on_test_begin(self, logs: Any = None) -> None:
        """Has validation look at the statistics that tickets keep."""
        unite_statistics(self.model)

    def on_train_end(self, logs: Any = None) -> None:
        """Masks averages of weights, which Keras assigns at the end without constraints.

        Raises:
          ValueError: if others than Keras have changed pruned weights.
        """
        if not averages_weights(self.model):
            check_pruned_weights(self.model)
        set_mask(self.model, get_mask(self.model))


class LevelWatch(IterationCallback):
    """Keeps one level to its iterations, and saves the state at the rewind step.

    Attributes:
      iteration: up to which the level has come.
      epochs_seen: numbers of the epochs, as Keras counts them.
    """

    def __init__(
        self,
        first: int,
        last: int | None,
        steps_per_epoch: int | None,
        save_at: int | None,
        *,
        state: Callable[[], NetworkState],
        save: Callable[[NetworkState], None],
        resume: Callable[[int], None],
        check_metrics: Callable[[Any], None],
        begun: Callable[[], None] = lambda: None,
    ):
        """Watches a level.

        Args:
          first: iteration at which it starts.
          last: iteration at which it ends; None: after the epochs that `fit` was told.
          steps_per_epoch: length of an epoch; None: Keras learns it in the first one.
          save_at: iteration whose state is saved; None: none is.
          state: returns the state of the network.
          save: saves it.
          resume: is called with the iteration if another callback begins the level later, as
            BackupAndRestore does after an interruption.
          check_metrics: is called with the logs of each epoch.
          begun: is called when all callbacks have begun.
        """
        super().__init__(first)
        self._first, self._last, self._steps = first, last, steps_per_epoch
        self._save_at, self._state, self._save = save_at, state, save
        self._resume, self._check_metrics, self._all_begun = resume, check_metrics, begun
        self._initial: NetworkState | None = None
        self._begun = False
        self.epochs_seen: list[int] = []

    @property
    def first_epoch(self) -> int:
        """Number of the epoch with which the level begins, unless it is resumed."""
        return self._first // self._steps if self._steps else 0

    def on_train_begin(self, logs: Any = None) -> None:
        """Takes the state if the initial one is saved; others may now restore what they have."""
        if self._save_at == self.iteration:
            self._initial = self._state()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remembers the iteration at which the epoch starts, also of a level that is resumed."""
        if not self.epochs_seen:
            self._all_begun()
            self.iteration += self._iterations_in(epoch - self.first_epoch)
        self.epochs_seen.append(epoch)
        super().on_epoch_begin(epoch, logs)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Finds out whether the level is resumed, perhaps within an epoch."""
        if not self._begun:
            self._begin(self._epoch_start + batch)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Saves and stops where it is time."""
        super().on_train_batch_end(batch, logs)
        if self._save_at == self.iteration:
            self._save(self._state())
        if self._last is not None and self.iteration >= self._last:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Checks that what the search looks at is among the metrics."""
        super().on_epoch_end(epoch, logs)
        self._check_metrics(logs)

    def on_train_end(self, logs: Any = None) -> None:
        """Finds out where a level was resumed that had nothing left to train."""
        if not self.epochs_seen:
            epoch, batch = resumed_at(self.model, self._steps, self.first_epoch)
            self.iteration += self._iterations_in(epoch - self.first_epoch) + batch
            self._begin(self.iteration)
        super().on_train_end(logs)

    def end_of_epoch(self, epoch: int) -> int:
        """The iteration at which an epoch of those seen ended."""
        if epoch == self.epochs_seen[-1] or not self._steps:
            return self.iteration
        return self._first + (epoch + 1 - self._first // self._steps) * self._steps

    def _begin(self, iteration: int) -> None:
        self._begun = True
        if iteration > self._first:
            self._resume(iteration)
        elif self._initial is not None:
            self._save(self._initial)
        self._initial = None

    def _iterations_in(self, epochs: int) -> int:
        if epochs > 0 and not self._steps:
            raise ValueError(
                f"a callback such as BackupAndRestore resumes training after {epochs} epochs, and "
                "how many iterations an epoch has is not known. Say it, with steps_per_epoch or "
                "dataset.apply(tf.data.experimental.assert_cardinality(number)), or delete the "
                "backup, so that the level begins anew."
            )
        return max(0, epochs) * (self._steps or 0)
