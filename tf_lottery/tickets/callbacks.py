"""Keras callbacks that count iterations, and that run a whole search in one `model.fit`."""

import math
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import tf_keras as keras

from tf_lottery.arguments import check_whole
from tf_lottery.pruning.adaptive import AdaptiveRate
from tf_lottery.pruning.judging import prune_by_score, try_score
from tf_lottery.pruning.planning import pruning_plan
from tf_lottery.pruning.prunable import get_mask, set_mask
from tf_lottery.pruning.scores import Score, find_method
from tf_lottery.tickets.empty_layer_warning import warn_of_empty_layers
from tf_lottery.tickets.fit_evidence import build_fit_evidence, no_batches
from tf_lottery.tickets.fit_length import resolve_rewind_step, steps_per_execution
from tf_lottery.tickets.history import LevelResult, SearchHistory
from tf_lottery.tickets.level_checks import check_initial_weights, check_level, checked
from tf_lottery.tickets.pruned_weights import check_pruned_weights
from tf_lottery.tickets.search_arguments import check_search
from tf_lottery.training.divergence import TrainingDivergedError, first_bad_index
from tf_lottery.training.network import Network, NetworkState


class IterationCallback(keras.callbacks.Callback):
    """Counts iterations without waiting for the device."""

    # Logs stay tensors: converting them at each batch would wait for it.
    _supports_tf_logs = True

    def __init__(self, first: int = 0):
        """Starts counting at `first`."""
        super().__init__()
        self.iteration = self._epoch_start = first
        self.steps_in_first_epoch: int | None = None
        self._losses: list[tuple[int, Any]] = []
        self._first_bad_step: int | None = None

    def first_bad_step(self) -> int | None:
        """First iteration, from 1, after which the loss was not finite; None if it always was."""
        if self._first_bad_step is None:
            bad = first_bad_index(loss for _, loss in self._losses)
            self._first_bad_step = None if bad is None else self._losses[bad][0]
        self._losses.clear()
        return self._first_bad_step

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Remembers the iteration at which the epoch starts."""
        self._epoch_start = self.iteration

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Counts; `batch` is the last one of an execution of several steps."""
        self.iteration = self._epoch_start + batch + 1
        if logs and "loss" in logs:
            self._losses.append((self.iteration, logs["loss"]))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Learns the length of an epoch, and whether its loss, a mean, is finite."""
        if not np.isfinite(np.asarray((logs or {}).get("loss", 0.0))).all():
            self.first_bad_step()
        self._losses.clear()
        if self.steps_in_first_epoch is None:
            self.steps_in_first_epoch = self.iteration - self._epoch_start

    def on_train_end(self, logs: Any = None) -> None:
        """Masks averages of weights, which Keras assigns at the end without constraints.

        Raises:
          ValueError: if others than Keras have changed pruned weights.
        """
        optimizer = getattr(self.model, "optimizer", None)
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        if not getattr(optimizer, "use_ema", False):
            check_pruned_weights(self.model)
        set_mask(self.model, get_mask(self.model))


class LevelWatch(IterationCallback):
    """Keeps one level to its iterations, and saves the state at the rewind step."""

    def __init__(
        self,
        first: int,
        last: int | None,
        save_at: int | None,
        save: Callable[[int], None],
    ):
        """Watches a level.

        Args:
          first: iteration at which it starts.
          last: iteration at which it ends; None: after the epochs that `fit` was told.
          save_at: iteration at which `save` is called with it; None: never.
          save: saves the state.
        """
        super().__init__(first)
        self._last, self._save_at, self._save = last, save_at, save

    def on_train_begin(self, logs: Any = None) -> None:
        """Saves the state if it is the initial one that is rewound to."""
        if self._save_at == self.iteration:
            self._save(self.iteration)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Saves and stops where it is time."""
        super().on_train_batch_end(batch, logs)
        if self._save_at == self.iteration:
            self._save(self.iteration)
        if self._last is not None and self.iteration >= self._last:
            self.model.stop_training = True


class PruneAndRewind(IterationCallback):
    """Iterative magnitude pruning inside one plain `model.fit`.

    ```python
    imp = tf_lottery.PruneAndRewind(levels=10, epochs_per_level=20, rewind_step="2ep")
    model.fit(train_ds, epochs=imp.epochs(steps_per_epoch), callbacks=[imp])
    ```

    It prints a line at the end of each level, unless `verbose=0`, and warns of levels at which a
    layer has no weight left (`EmptyLayerWarning`).

    Put it last among the callbacks: at the end of a level it rewinds the weights, which others may
    want to save first. To other callbacks all levels are one training: give the optimizer a
    learning-rate schedule, which is rewound, rather than a `LearningRateScheduler`, whose epochs
    count on; and averages of weights (`use_ema=True`), which Keras assigns at the end of `fit`,
    are not what is pruned. Where that matters, use `IterativeMagnitudePruning`. With a rewind step
    in the middle of an epoch, levels end in the middle of one too, and validation results of that
    epoch belong to no single level; whole epochs avoid it.

    Attributes:
      history: results of the finished levels.
    """

    def __init__(
        self,
        levels: int,
        epochs_per_level: int,
        pruning_rate: float = 0.2,
        rewind_step: str | int = "0it",
        scope: str = "global",
        score: str | Score = "magnitude",
        rewind_optimizer: bool = False,
    ):
        """Plans the search; the arguments are those of `IterativeMagnitudePruning`.

        Args:
          levels: number of prunings.
          epochs_per_level: length of training from iteration 0, in epochs. Levels after the first
            start at the rewind step and are shorter by it.
          pruning_rate: fraction of the remaining weights removed at each level.
          rewind_step: "500it", "2ep", "1%".
          scope: "global" or "layerwise".
          score: the lowest are pruned; not "taylor", "snip" and "grasp", which need the data.
          rewind_optimizer: rewind the optimizer too, its slots and its step count.

        Raises:
          ValueError: if levels or epochs_per_level is out of range, there is no such score, or it
            needs data.
        """
        super().__init__()
        check_search(levels, pruning_rate, rewind_step, scope, rewind_optimizer)
        check_whole("epochs_per_level", epochs_per_level, 1, example=10)
        self._levels, self._epochs_per_level = levels, epochs_per_level
        if isinstance(pruning_rate, str | AdaptiveRate):
            raise ValueError(
                f"pruning_rate={pruning_rate!r} takes the loss of training examples, which a "
                "callback does not see; use tf_lottery.IterativeMagnitudePruning or a number."
            )
        self._method = find_method(score, "score")
        self._read_batches = partial(no_batches, score)
        if self._method.needs_data:
            self._read_batches()
        self._pruning_rate, self._scope = pruning_rate, scope
        self._seed = random.getrandbits(64)
        self._rewind_argument, self._rewind_optimizer = rewind_step, rewind_optimizer
        self._level = 0
        self._rewind_state: NetworkState | None = None
        self.history = SearchHistory()

    def epochs(self, steps_per_epoch: int) -> int:
        """Epochs that `model.fit` needs for all levels."""
        check_whole("steps_per_epoch", steps_per_epoch, 1, example=100)
        rewind_step, last = self._resolve(steps_per_epoch, steps_per_execution=1)
        return math.ceil((last + self._levels * (last - rewind_step)) / steps_per_epoch)

    def on_train_begin(self, logs: Any = None) -> None:
        """Checks the arguments against the model and the length of training."""
        steps = self.params.get("steps")
        if not steps:
            raise ValueError(
                "the number of iterations in an epoch is unknown; pass steps_per_epoch to fit."
            )
        self._plan = pruning_plan(self.model, self._pruning_rate, self._scope)
        self._plan.check(self._levels)
        self._rewind_step, self._last = self._resolve(steps, steps_per_execution(self.model))
        if self.params["epochs"] < self.epochs(steps):
            raise ValueError(
                f"epochs={self.params['epochs']}: {self._levels} levels need {self.epochs(steps)} "
                "epochs of this length; see PruneAndRewind.epochs."
            )
        with self.model.distribute_strategy.scope():
            self._network = Network(self.model, self.model.optimizer)
        self._evidence = build_fit_evidence(
            self.model, self._read_batches, lambda: self._rewind_state.weights, self._seed
        )
        self._mask = self._network.mask
        if self._mask.density < 1:
            raise ValueError(f"the model is pruned already ({self._mask}); start from a dense one.")
        check_initial_weights(self._network)
        self._losses, self._first_bad_step = [], None
        self.iteration = self._epoch_start = self._level_iteration = self._level = 0
        self.history = SearchHistory()
        try_score(self._method, self._network.weights(), self._mask, self._evidence(0))
        self._save_at_rewind_step()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Saves the state at the rewind step; ends a level that ends within an epoch."""
        before = self.iteration
        super().on_train_batch_end(batch, logs)
        self._level_iteration += self.iteration - before
        self._save_at_rewind_step()
        at_epoch_end = batch + 1 == self.params["steps"]
        if self._level_iteration >= self._last and not at_epoch_end:
            self._end_level(logs)
            self.model.reset_metrics()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Ends a level that ends with the epoch, now that validation is done."""
        super().on_epoch_end(epoch, logs)
        if self._level_iteration >= self._last and not self.model.stop_training:
            self._end_level(logs)

    def _resolve(self, steps_per_epoch: int, steps_per_execution: int) -> tuple[int, int]:
        rewind_step = resolve_rewind_step(
            self._rewind_argument,
            epochs=self._epochs_per_level,
            steps_per_epoch=steps_per_epoch,
            steps_per_execution=steps_per_execution,
        )
        return rewind_step, self._epochs_per_level * steps_per_epoch

    def _save_at_rewind_step(self) -> None:
        if self._level == 0 and self._level_iteration == self._rewind_step:
            self._rewind_state = checked(self._network.state(), 0)

    def _end_level(self, logs: Any) -> None:
        metrics = {name: float(np.asarray(value)) for name, value in (logs or {}).items()}
        try:
            check_level(self._level, metrics, self._network, self.first_bad_step)
        except TrainingDivergedError as error:
            raise TrainingDivergedError(
                f"{error}. Look for NaN in the data, which a callback does not see, or try a lower "
                "learning rate. Build the model anew to train again."
            ) from error
        result = LevelResult(self._level, self._mask.density, self._mask.remaining, metrics)
        self.history.levels.append(result)
        if self.params.get("verbose"):
            # Below the progress bar of Keras, which ends without a new line.
            print(f"\n{result}", flush=True)
        if self._level == self._levels:
            self.model.stop_training = True
            return
        self._level += 1
        self._mask = prune_by_score(
            self._method,
            self._plan,
            self._network.weights(),
            self._mask,
            self._level,
            self._evidence(self._level),
        )
        warn_of_empty_layers(self._level, self._mask)
        self._network.rewind(
            self._rewind_state, self._mask, rewind_optimizer=self._rewind_optimizer
        )
        self._level_iteration = self._rewind_step
