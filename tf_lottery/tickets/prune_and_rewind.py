"""A Keras callback that runs a whole search in one `model.fit`."""

import math
import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import tf_keras as keras

from tf_lottery.config.arguments import check_whole
from tf_lottery.masking.keras_versions import keras_of
from tf_lottery.messages import tell
from tf_lottery.pruning.adaptive import AdaptiveRate
from tf_lottery.pruning.judging import prune_by_score, try_score
from tf_lottery.pruning.model_plan import pruning_plan
from tf_lottery.pruning.score import Score, find_method
from tf_lottery.tickets.callbacks import IterationCallback
from tf_lottery.tickets.empty_layer_warning import warn_of_empty_layers
from tf_lottery.tickets.fit_evidence import build_fit_evidence, no_batches
from tf_lottery.tickets.fit_length import resolve_rewind_step, steps_per_execution
from tf_lottery.tickets.history import LevelResult, SearchHistory
from tf_lottery.tickets.last_level import LastLevel
from tf_lottery.tickets.level_checks import (
    check_initial_weights,
    check_level,
    check_not_pruned,
    checked,
)
from tf_lottery.tickets.level_end import check_rewind_step_reached, kept_epoch
from tf_lottery.tickets.search_arguments import (
    check_callbacks,
    check_one_optimizer,
    check_search,
)
from tf_lottery.training.divergence import TrainingDivergedError
from tf_lottery.training.network import Network, NetworkState

Callbacks = Sequence[keras.callbacks.Callback]

# Of each model the search that was given it last; what it maps to must not keep it alive.
_SEARCH_OF: WeakKeyDictionary[Any, object] = WeakKeyDictionary()


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
        *,
        level_callbacks: Callbacks | Callable[[int], Callbacks] = (),
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
          level_callbacks: callbacks that begin anew at each level, whose epochs are those of the
            level; or a function from level to them. EarlyStopping among them ends the level, not
            the search. If one stops within an epoch, tf_keras begins the next level with the
            batches of arrays that are left.

        Raises:
          ValueError: if levels or epochs_per_level is out of range, there is no such score, or it
            needs data.
        """
        super().__init__()
        check_search(levels, pruning_rate, rewind_step, scope, rewind_optimizer)
        check_whole("epochs_per_level", epochs_per_level, 1, example=10)
        if not callable(level_callbacks):
            check_callbacks("level_callbacks", level_callbacks)
        self._level_callbacks = level_callbacks
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
        self._last_level: LastLevel | None = None
        self._token, self._running_fit = object(), False
        self.history = SearchHistory()

    def epochs(self, steps_per_epoch: int) -> int:
        """Epochs that `model.fit` needs for all levels."""
        check_whole("steps_per_epoch", steps_per_epoch, 1, example=100)
        rewind_step, last = self._resolve(steps_per_epoch, steps_per_execution=1)
        return math.ceil((last + self._levels * (last - rewind_step)) / steps_per_epoch)

    def set_model(self, model: Any) -> None:
        """Takes the model; Keras gives it to all callbacks before training begins for any."""
        super().set_model(model)
        self._running_fit, _SEARCH_OF[model] = False, self._token

    def on_train_begin(self, logs: Any = None) -> None:
        """Checks the arguments against the model and the length of training."""
        if self._running_fit or _SEARCH_OF.get(self.model) is not self._token:
            raise ValueError(
                "callbacks: PruneAndRewind is given twice to one fit, where each would prune and "
                "rewind what the other trains; give one, and the other to the fit of another model."
            )
        self._running_fit = True
        steps = self.params.get("steps")
        if not steps:
            raise ValueError(
                "the number of iterations in an epoch is unknown; say it, with "
                "dataset.apply(tf.data.experimental.assert_cardinality(number)), or pass "
                "steps_per_epoch to fit, with data that go on for all epochs."
            )
        self._plan = pruning_plan(self.model, self._pruning_rate, self._scope)
        self._plan.check(self._levels)
        self._rewind_step, self._last = self._resolve(steps, steps_per_execution(self.model))
        self._check_epochs(0)
        if self._level_callbacks and self._rewind_step % steps:
            raise ValueError(
                f"level_callbacks: with rewind_step={self._rewind_argument!r} levels end in the "
                'middle of an epoch; rewind to the end of one, such as "2ep".'
            )
        check_one_optimizer(
            self.model,
            "use tf_lottery.IterativeMagnitudePruning, whose optimizer= takes the one that trains "
            "what is pruned, and set the others",
        )
        with self.model.distribute_strategy.scope():
            self._network = Network(self.model, self.model.optimizer)
        self._evidence = build_fit_evidence(
            self.model, self._read_batches, lambda: self._rewind_state.weights, self._seed
        )
        check_not_pruned(self.model)
        self._mask = self._network.mask
        check_initial_weights(self._network)
        self._losses, self._first_bad_step = [], None
        self._first_epoch: int | None = None
        self._rewind_state = self._last_level = None
        self.iteration = self._epoch_start = self._level_iteration = self._level = 0
        self.history = SearchHistory()
        try_score(self._method, self._network.weights(), self._mask, self._evidence(0))
        self._save_at_rewind_step()
        self._begin_level()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Checks that there are epochs enough, where training begins at a later one."""
        if self._first_epoch is None:
            self._first_epoch = epoch
            self._check_epochs(epoch)
        super().on_epoch_begin(epoch, logs)
        self._running.on_epoch_begin(self._level_epoch, logs)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Tells the callbacks of the level."""
        self._running.on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Saves the state at the rewind step; ends a level that ends within an epoch."""
        before, stopped = self.iteration, self.model.stop_training
        super().on_train_batch_end(batch, logs)
        self._running.on_train_batch_end(batch, logs)
        # Keras then ends the epoch, and with it the level ends.
        self._stops_level |= self.model.stop_training and not stopped
        self._level_iteration += self.iteration - before
        self._save_at_rewind_step()
        at_epoch_end = batch + 1 == self.params["steps"]
        if self._level_iteration >= self._last and not at_epoch_end:
            self._end_level(logs, within_epoch=True)
            self.model.reset_metrics()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Ends a level that ends with the epoch, now that validation is done."""
        super().on_epoch_end(epoch, logs)
        if self.model.stop_training and not self._stops_level:
            return
        if not self._stops_level:
            self._check_length()
        self._epochs[self._level_epoch] = (self._level_iteration, dict(logs or {}))
        self._running.on_epoch_end(self._level_epoch, logs)
        ended, self.model.stop_training = self.model.stop_training, False
        self._level_epoch += 1
        if ended or self._level_iteration >= self._last:
            self._end_level(logs)

    def on_train_end(self, logs: Any = None) -> None:
        """Checks that all levels were trained, and that the model keeps the last one.

        Raises:
          ValueError: if others than Keras have changed pruned weights, or another callback has
            ended the search.
        """
        self._running_fit = False
        last_level, self._last_level = self._last_level, None
        if last_level and not self._averages_weights():
            last_level.put_back()
        super().on_train_end(logs)
        if len(self.history.levels) <= self._levels:
            raise ValueError(
                f"training ended at level {self._level} of {self._levels}, iteration "
                f"{self._level_iteration} of {self._last}: another callback stopped it, or the "
                "data ran out. Give EarlyStopping and others that stop training as "
                "PruneAndRewind(level_callbacks=[...]): there they end the level, not the search. "
                "Levels before are in history."
            )
        # Averages are there only now.
        LastLevel(self._network).put_back_after_all()

    def _check_epochs(self, first: int) -> None:
        needed = first + self.epochs(self.params["steps"])
        if self.params["epochs"] < needed:
            start = f", as training begins at epoch {first}" if first else ""
            raise ValueError(
                f"epochs={self.params['epochs']}: {self._levels} levels need {needed} epochs of "
                f"this length{start}; see PruneAndRewind.epochs."
            )

    def _check_length(self) -> None:
        steps = self.params["steps"]
        if self.iteration - self._epoch_start < steps:
            raise ValueError(
                f"an epoch of level {self._level} had {self.iteration - self._epoch_start} of its "
                f"{steps} iterations: the data ran out. With steps_per_epoch, the data have to go "
                "on for all epochs: dataset.repeat()."
            )

    def _begin_level(self) -> None:
        """Starts the callbacks of the level, as `fit` would."""
        given = self._level_callbacks
        callbacks = given(self._level) if callable(given) else given
        check_callbacks("level_callbacks", callbacks, self.model)
        self._level_epoch = self._level_iteration // self.params["steps"]
        self._epochs: dict[int, tuple[int, dict[str, Any]]] = {}
        self._stops_level = False
        params = {**self.params, "epochs": self._epochs_per_level}
        lists = keras_of(self.model).callbacks.CallbackList
        self._running = lists(list(callbacks), model=self.model, **params)
        self._running.on_train_begin()

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

    def _end_level(self, logs: Any, *, within_epoch: bool = False) -> None:
        self._running.on_train_end(logs)
        weights_at, metrics = self._level_iteration, logs or {}
        if not within_epoch:
            last = self._level_epoch - 1
            weights_at, metrics = self._epochs[
                kept_epoch(self.model, self._running.callbacks, last)
            ]
        self._record(
            {name: float(np.asarray(value)) for name, value in metrics.items()}, weights_at
        )
        if self._level == self._levels:
            self._last_level = LastLevel(self._network)
            self.model.stop_training = True
            return
        if self._rewind_state is None:
            check_rewind_step_reached(
                self._level_iteration, self._rewind_step, kept=False, stopped=True
            )
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
        self._begin_level()

    def _record(self, metrics: dict[str, float], weights_at: int) -> None:
        try:
            check_level(self._level, metrics, self._network, self.first_bad_step)
        except TrainingDivergedError as error:
            raise TrainingDivergedError(
                f"{error}. Look for NaN in the data, which a callback does not see, or try a lower "
                "learning rate. Build the model anew to train again."
            ) from error
        result = LevelResult(
            self._level,
            self._mask.density,
            self._mask.remaining,
            metrics,
            self._level_iteration,
            self._level_iteration < self._last,
            weights_at,
        )
        self.history.levels.append(result)
        if self.params.get("verbose"):
            # Below the progress bar of Keras, which ends without a new line.
            tell(f"\n{result}")
