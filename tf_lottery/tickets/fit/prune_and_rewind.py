"""A Keras callback that runs a whole search in one `model.fit`."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import tensorflow as tf

from tf_lottery.config.arguments import check_path, check_whole, refusal
from tf_lottery.masking.masks import Mask
from tf_lottery.pruning.adaptive import AdaptiveRate
from tf_lottery.pruning.score import Score
from tf_lottery.tickets.fit.arguments import check_level_callbacks, check_one_optimizer
from tf_lottery.tickets.fit.callbacks import Callbacks, IterationCallback
from tf_lottery.tickets.fit.carried_state import warn_of_files
from tf_lottery.tickets.fit.evidence import scoring_batches
from tf_lottery.tickets.fit.folder_journal import FolderJournal
from tf_lottery.tickets.fit.history import SearchHistory
from tf_lottery.tickets.fit.last_level import LastLevel
from tf_lottery.tickets.fit.length import (
    as_arrays,
    check_before_end,
    check_not_resumed,
    resolve_rewind_step,
    steps_per_execution,
)
from tf_lottery.tickets.fit.level_in_fit import LevelInFit
from tf_lottery.tickets.fit.levels_in_fit import LevelsInFit
from tf_lottery.tickets.fit.memory_journal import MemoryJournal
from tf_lottery.tickets.fit.one_per_fit import OnePerFit
from tf_lottery.tickets.fit.restored import check_finished, mask_of, restored
from tf_lottery.tickets.fit.search_arguments import SearchArguments, plain_rates
from tf_lottery.tickets.fit.stopping import StoppingRule
from tf_lottery.tickets.fit.surrounding_fit import check_surrounding_fit
from tf_lottery.tickets.fit.ticket_search import TicketSearch
from tf_lottery.tickets.journal import TicketWeights
from tf_lottery.tickets.variants import PruneFrom, Retraining


class PruneAndRewind(IterationCallback):
    """Iterative magnitude pruning inside one plain `model.fit`.

    ```python
    imp = tf_lottery.PruneAndRewind(levels=10, epochs_per_level=20, rewind_step="2ep")
    model.fit(train_ds, epochs=imp.epochs(steps_per_epoch), callbacks=[imp])
    ```

    It prints a line at the end of each level, unless `verbose=0`, and warns of levels at which a
    layer has no weight left (`EmptyLayerWarning`).

    Put it last among the callbacks: at the end of a level it rewinds the weights, which others may
    want to save first. To other callbacks all levels are one training: a `LearningRateScheduler`
    beside it counts its epochs on over all of them, with a warning. Give it as `level_callbacks=`,
    where it begins anew with each level, or give the optimizer a learning-rate schedule, which is
    rewound. Averages of weights (`use_ema=True`), which Keras assigns at the end of `fit`, are not
    what is pruned; where that matters, use `IterativeMagnitudePruning`. With a rewind step in the
    middle of an epoch, levels end in the middle of one too, and validation results of that epoch
    belong to no single level; whole epochs avoid it.

    With `folder=` the levels are kept: the same script, started again with a model made anew, goes
    on with the level in which it was interrupted. That level begins with the first epoch of the new
    `fit`, which ends, sooner than `epochs`, with the last level; no epoch is counted for levels
    that are finished, and where all are, Keras runs one batch, which is undone, and stops. It ends
    with the bits of a `fit` that was never interrupted if each epoch has the same data, as those of
    `tf.data` without `repeat()` or of arrays with `shuffle=False`. An `IterativeMagnitudePruning`
    with the same arguments goes on with the folder too.

    When `fit` has ended, `restore(level)` gives the tickets, as many side by side as you like.

    Attributes:
      history: results of the finished levels.
    """

    def __init__(
        self,
        levels: int,
        epochs_per_level: int,
        pruning_rate: float | Sequence[float] | AdaptiveRate | Literal["auto"] = 0.2,
        rewind_step: str | int = "0it",
        scope: str = "global",
        score: str | Score = "magnitude",
        rewind_optimizer: bool = False,
        *,
        structure: str = "weights",
        prune_from: PruneFrom = "previous_level",
        retraining: Retraining = "rewind_weights",
        fine_tune_learning_rate: float | None = None,
        stop_below: float | str | None = None,
        stop_metric: str | None = None,
        level_callbacks: Callbacks | Callable[[int], Callbacks] = (),
        score_data: Any = None,
        folder: str | Path | None = None,
    ):
        """Plans the search; the arguments are those of `IterativeMagnitudePruning`.

        Args:
          levels: number of prunings; the most there may be if `pruning_rate` is an
            `AdaptiveRate` with a density.
          epochs_per_level: length of training from iteration 0, in epochs. Levels after the first
            start at the rewind step and are shorter by it.
          pruning_rate: fraction of the remaining weights removed at each level, or those of level
            1, 2, ...; or an `AdaptiveRate`, or "auto", which need `score_data`.
          rewind_step: "500it", "2ep", "1%".
          scope: "global" or "layerwise".
          score: the lowest are pruned; "taylor", "snip" and "grasp" need `score_data`.
          rewind_optimizer: rewind the optimizer too, its slots and its step count.
          structure: "weights", "units", "2:4" or "1x4"; levels are trained masked.
          prune_from: "previous_level", "dense" or "rewind_step".
          retraining: "rewind_weights", "rewind_learning_rate" or "fine_tune".
          fine_tune_learning_rate: with "fine_tune", in place of the last learning rate.
          stop_below: the search, and `fit` with it, ends with the first level whose accuracy on
            validation data is below this: 0.9, or "2pt" below level 0; levels then are to begin and
            end with an epoch.
          stop_metric: the metric that it looks at.
          level_callbacks: callbacks that begin anew at each level, whose epochs are those of the
            level; or a function from level to them. EarlyStopping among them ends the level, not
            the search. If one stops within an epoch, tf_keras begins the next level with the
            batches of arrays that are left.
          score_data: training examples for scores and rates that look at some, as a callback does
            not see those of `fit`: arrays (x, y), or a `tf.data.Dataset` of both.
          folder: keeps the finished levels, which then are to begin and end with an epoch.

        Raises:
          ValueError: if an argument is out of range, arguments do not go together, there is no such
            score, or it needs data.
        """
        super().__init__()
        check_whole("levels", levels)
        self._arguments = SearchArguments(
            levels=levels,
            pruning_rate=plain_rates(pruning_rate),
            rewind_step=rewind_step,
            scope=scope,
            score=score,
            rewind_optimizer=rewind_optimizer,
            structure=structure,
            prune_from=prune_from,
            retraining=retraining,
            fine_tune_learning_rate=fine_tune_learning_rate,
            stopping=StoppingRule(stop_below, stop_metric),
        )
        check_whole("epochs_per_level", epochs_per_level, 1, example=10)
        check_before_end(rewind_step, epochs_per_level)
        check_level_callbacks("level_callbacks", level_callbacks)
        if folder is not None:
            check_path("folder", folder)
        self._level_callbacks, self._folder = level_callbacks, folder
        self._levels, self._epochs_per_level = levels, epochs_per_level
        self._read_batches = self._reader_of(score_data)
        if self._arguments.needs_data and score_data is None:
            self._read_batches()
        self._first_epoch: int | None = None
        self._one_per_fit = OnePerFit()
        self._journal: MemoryJournal | FolderJournal = MemoryJournal()
        self.history = SearchHistory()

    def __repr__(self) -> str:
        """How it is pruned, and what is finished."""
        summary = self._arguments.summary(self._levels, len(self.history.levels))
        return f"<PruneAndRewind: {summary}>"

    def epochs(self, steps_per_epoch: int) -> int:
        """Epochs that `model.fit` needs for all levels."""
        check_whole("steps_per_epoch", steps_per_epoch, 1, example=100)
        rewind_step, last = self._resolve(steps_per_epoch, steps_per_execution=1)
        return math.ceil((last + self._levels * (last - rewind_step)) / steps_per_epoch)

    def restore(self, level: int, weights: TicketWeights = "trained", *, into: Any = None) -> Any:
        """Gives a level's ticket as a model of its own, once `fit` has ended.

        Args:
          level: a finished level.
          weights: "trained", or "rewind" for those of the rewind step.
          into: a model that takes the ticket, in place of a copy of the trained one; models that
            Keras cannot copy need it, as in `IterativeMagnitudePruning.restore`.

        Returns:
          The copy; or the model that was given.

        Raises:
          ValueError: if `fit` has not ended, the level is not finished, `weights` is unknown, the
            model cannot be copied and none is given, or the one given is another network.
        """
        self._check_ended()
        check_finished(self._journal, level)
        return restored(self._levels_in_fit.search.network, self._journal, level, weights, into)

    def mask(self, level: int) -> Mask:
        """The mask of a finished level, once `fit` has ended.

        Raises:
          ValueError: if `fit` has not ended, or the level is not finished.
        """
        self._check_ended()
        return mask_of(self._journal, level)

    def set_model(self, model: Any) -> None:
        """Takes the model; Keras gives it to all callbacks before training begins for any."""
        super().set_model(model)
        self._one_per_fit.given_to(model)

    def on_train_begin(self, logs: Any = None) -> None:
        """Checks the arguments against the model and the length of training."""
        self._one_per_fit.begin(self.model)
        try:
            self._begin()
        except BaseException:
            # A search that an earlier `fit` has ended can still be restored.
            self._one_per_fit.end()
            raise

    def _begin(self) -> None:
        steps = self.params.get("steps")
        if not steps:
            raise ValueError(
                "the number of iterations in an epoch is unknown; say it, with "
                "dataset.apply(tf.data.experimental.assert_cardinality(number)), or pass "
                "steps_per_epoch to fit, with data that go on for all epochs."
            )
        check_not_resumed(self.model, steps, 0, "fit")
        rewind_step, train_steps = self._resolve(steps, steps_per_execution(self.model))
        for argument, given in (
            ("level_callbacks", self._level_callbacks),
            ("folder", self._folder),
            ("stop_below", self._arguments.stopping.below),
        ):
            if given and rewind_step % steps:
                raise ValueError(
                    f"{argument}: with rewind_step={self._arguments.rewind_step!r} levels end in "
                    'the middle of an epoch; rewind to the end of one, such as "2ep".'
                )
        check_one_optimizer(
            self.model,
            "use tf_lottery.IterativeMagnitudePruning, whose optimizer= takes the one that trains "
            "what is pruned, and set the others",
        )
        stopping = self._arguments.stopping
        check_surrounding_fit(self.model, self, self._levels, self._epochs_per_level, stopping)
        warn_of_files("level_callbacks", self._level_callbacks, self._levels)
        search = TicketSearch(self._arguments, self.model, self.model.optimizer, self._folder)
        search.set_steps_per_epoch(steps)
        self._journal, self.history = search.journal, search.history
        self._losses, self._first_bad_step = [], None
        self.iteration = self._epoch_start = 0
        self._first_epoch = None
        self._levels_in_fit = levels = LevelsInFit(
            search,
            (train_steps, rewind_step),
            self._arguments.retraining,
            self._level_callbacks,
            self.params,
            self.first_bad_step,
        )
        self._check_epochs(0)
        search.hold(self._epochs_per_level)
        try:
            levels.begin(self._read_batches)
        except BaseException:
            search.let_go()
            raise

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Checks that there are epochs enough, where training begins at a later one."""
        if self._first_epoch is None:
            self._first_epoch = epoch
            self._check_epochs(epoch)
        super().on_epoch_begin(epoch, logs)
        self._levels_in_fit.begin_epoch(logs)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Tells the callbacks of the level."""
        self._levels_in_fit.begin_batch(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Counts, and ends a level that ends within an epoch."""
        before = self.iteration
        if self._levels_in_fit.running is not None:
            super().on_train_batch_end(batch, logs)
        self._levels_in_fit.end_batch(batch, logs, self.iteration - before)

    def on_test_begin(self, logs: Any = None) -> None:
        """Has validation look at what tickets keep; tells the callbacks of the level."""
        super().on_test_begin(logs)
        self._levels_in_fit.validate("on_test_begin", logs)

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Tells the callbacks of the level."""
        self._levels_in_fit.validate("on_test_batch_begin", batch, logs)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Tells the callbacks of the level."""
        self._levels_in_fit.validate("on_test_batch_end", batch, logs)

    def on_test_end(self, logs: Any = None) -> None:
        """Tells the callbacks of the level."""
        self._levels_in_fit.validate("on_test_end", logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Ends a level that ends with the epoch, now that validation is done."""
        super().on_epoch_end(epoch, logs)
        running = self._levels_in_fit.running
        if running is None or (self.model.stop_training and not running.stopped):
            return
        if not running.stopped:
            self._check_length(running)
        self._levels_in_fit.end_epoch(running, logs)

    def on_train_end(self, logs: Any = None) -> None:
        """Checks that all levels were trained, and that the model keeps the last one.

        Raises:
          ValueError: if others than Keras have changed pruned weights, or another callback has
            ended the search.
        """
        search, running = self._levels_in_fit.search, self._levels_in_fit.running
        search.let_go()
        self._one_per_fit.end()
        self._levels_in_fit.put_last_back(trained=bool(self.iteration))
        super().on_train_end(logs)
        if running is not None:
            raise ValueError(
                f"training ended at level {running.level.number} of {search.levels}, at "
                f"iteration {running.iteration} of {running.last}: another callback stopped it, or "
                "the data ran out. Give EarlyStopping and others that stop training as "
                "PruneAndRewind(level_callbacks=[...]): there they end the level, not the search. "
                "Levels before are in history."
            )
        # Keras has assigned averages of weights only now.
        LastLevel(search.network).put_back_after_all()

    def _check_ended(self) -> None:
        if self._one_per_fit.begun:
            raise ValueError(
                "fit has not ended, or was interrupted: levels can be restored when it has ended. "
                "Those of a folder are also restored by an IterativeMagnitudePruning with the same "
                "arguments."
            )

    def _check_epochs(self, first: int) -> None:
        steps, finished = self.params["steps"], len(self.history.levels)
        levels, needed = self._levels_in_fit.search.levels, first + self.epochs(steps)
        if finished:
            rewind_step, last = self._resolve(steps, steps_per_execution=1)
            left = (levels + 1 - finished) * (last - rewind_step)
            needed = first + math.ceil(left / steps)
        if self.params["epochs"] < needed:
            start = f", as training begins at epoch {first}" if first else ""
            raise ValueError(
                f"epochs={self.params['epochs']}: {levels} levels need {needed} "
                f"epochs of this length{start}; see PruneAndRewind.epochs."
            )

    def _check_length(self, running: LevelInFit) -> None:
        steps, seen = self.params["steps"], self.iteration - self._epoch_start
        if seen < steps:
            raise ValueError(
                f"an epoch of level {running.level.number} had {seen} of its {steps} iterations: "
                "the data ran out. With steps_per_epoch, the data have to go on for "
                "all epochs: dataset.repeat(), or a generator that goes on by itself "
                "(`while True:`)."
            )

    def _resolve(self, steps_per_epoch: int, steps_per_execution: int) -> tuple[int, int]:
        rewind_step = resolve_rewind_step(
            self._arguments.rewind_step,
            epochs=self._epochs_per_level,
            steps_per_epoch=steps_per_epoch,
            steps_per_execution=steps_per_execution,
        )
        return rewind_step, self._epochs_per_level * steps_per_epoch

    def _reader_of(self, score_data: Any) -> Callable[[], Any]:
        if score_data is None:
            return self._arguments.no_data(
                "a callback does not see",
                "give some as score_data=, or use tf_lottery.IterativeMagnitudePruning.fit, or "
                "prune by something else",
            )
        if isinstance(score_data, tf.data.Dataset):
            return partial(scoring_batches, score_data, None, {})
        if not isinstance(score_data, tuple) or len(score_data) != 2:
            raise refusal("score_data", score_data, "give arrays (x, y) or a tf.data.Dataset")
        return partial(scoring_batches, *map(as_arrays, score_data), {})
