"""Trains the levels of a search by `model.fit`, each for the iterations that are its own."""

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from tf_lottery.masking.keras_versions import averages_weights
from tf_lottery.masking.masks import Mask
from tf_lottery.messages import warn_user
from tf_lottery.tickets.fit.arguments import check_callbacks
from tf_lottery.tickets.fit.callbacks import Callbacks, LevelWatch
from tf_lottery.tickets.fit.carried_state import CarriedState
from tf_lottery.tickets.fit.evidence import Batch, scoring_batches
from tf_lottery.tickets.fit.length import forget_resumed_epoch
from tf_lottery.tickets.fit.level_checks import naming_bad_data
from tf_lottery.tickets.fit.level_end import (
    LevelEnd,
    check_resumed,
    check_rewind_step_reached,
    level_end,
    naming_ended_generator,
)
from tf_lottery.tickets.fit.pruned_weights import (
    check_pruned_weights,
    check_restored_weights,
)
from tf_lottery.tickets.fit.ticket_search import TicketSearch
from tf_lottery.tickets.fit.validation import validate_again
from tf_lottery.tickets.imp import LevelToTrain
from tf_lottery.tickets.variants import Retraining, first_step, last_step


class TrainingByFit:
    """Calls `model.fit` for one level after the other.

    Attributes:
      steps_per_epoch: iterations in an epoch; None until Keras has learnt it in the first one.
    """

    def __init__(
        self,
        search: TicketSearch,
        retraining: Retraining,
        rewind_step: int,
        steps_per_epoch: int | None,
        *,
        epochs: int,
        callbacks: Callbacks | Callable[[int], Callbacks],
        data: tuple[Any, Any],
        fit_arguments: Mapping[str, Any],
    ):
        """Trains nothing yet.

        Args:
          search: whose levels are trained.
          retraining: as in `Variant`.
          rewind_step: iteration whose state level 0 keeps.
          steps_per_epoch: iterations in an epoch, where it is known.
          epochs: length of level 0.
          callbacks: of the user's, or a function from level to them.
          data: x and y of `fit`.
          fit_arguments: further arguments of `fit`.
        """
        self._retraining: Retraining = retraining
        self._search, self._rewind_step = search, rewind_step
        self.steps_per_epoch, self._epochs = steps_per_epoch, epochs
        self._callbacks, self._fit_arguments = callbacks, fit_arguments
        self._x, self._y = data
        self._model = search.network.model
        self._carried = CarriedState("callbacks")

    @property
    def train_steps(self) -> int | None:
        """Iteration at which training ends; None until the length of an epoch is known."""
        return self._epochs * self.steps_per_epoch if self.steps_per_epoch else None

    def read_batches(self) -> Iterable[Batch]:
        """The examples that pruning looks at."""
        return scoring_batches(self._x, self._y, self._fit_arguments)

    def train(self, level: LevelToTrain) -> dict[str, Any]:
        """Trains a level.

        Args:
          level: whose network is at its first step.

        Returns:
          What is to be recorded of it.

        Raises:
          ValueError: as `IterativeMagnitudePruning.fit`.
          TrainingDivergedError: if losses or weights are not finite.
        """
        given = self._callbacks
        own = given(level.number) if callable(given) else given
        check_callbacks("callbacks", own, self._model)
        first = first_step(level.number, self._retraining, self.train_steps, self._rewind_step)
        last = last_step(first, self.train_steps, self._rewind_step) if self.train_steps else None
        # What a function gives is as it is meant.
        kept = () if callable(given) else own
        watch = self._watch(level, first, last, kept)
        forget_resumed_epoch(self._model)
        data = {"x": self._x, "y": self._y, **self._fit_arguments}
        with naming_bad_data(data, self.steps_per_epoch, level.number):
            with naming_ended_generator(self._x, level.number, first, last, watch):
                logs = self._fit([watch, *own], first, last)
            self._carried.end(kept)
            self.steps_per_epoch = self.steps_per_epoch or watch.steps_in_first_epoch
            self._search.set_steps_per_epoch(self.steps_per_epoch)
            planned = last or self._epochs * self.steps_per_epoch
            end = level_end(level.number, planned, watch, logs, own, self._fit_arguments)
            if level.number == 0:
                check_rewind_step_reached(
                    end.iterations,
                    self._rewind_step,
                    kept=level.rewind_state_kept,
                    stopped=end.stopped_early,
                )
            complete = logs.keys() <= end.metrics.keys()
            metrics = self._metrics(
                level.number, end, trained=bool(watch.epochs_seen), complete=complete
            )
            return self._search.record(level.number, metrics, watch.first_bad_step, **end.record())

    def _watch(
        self, level: LevelToTrain, first: int, last: int | None, kept: Callbacks
    ) -> LevelWatch:
        mask = self._search.network.mask
        return LevelWatch(
            first,
            last,
            self.steps_per_epoch,
            None if level.number else self._rewind_step,
            state=self._search.state,
            save=level.save_rewind_state,
            resume=lambda iteration: self._resume(level, iteration, mask),
            check_metrics=partial(self._search.check_metrics, seldom=True),
            begun=lambda: self._carried.begin(level.number, kept),
        )

    def _fit(self, callbacks: Callbacks, first: int, last: int | None) -> dict[str, Any]:
        steps = self.steps_per_epoch
        history = self._model.fit(
            self._x,
            self._y,
            epochs=math.ceil(last / steps) if last and steps else self._epochs,
            initial_epoch=first // steps if steps else 0,
            callbacks=callbacks,
            **self._fit_arguments,
        )
        check_pruned_weights(self._model)
        return history.history

    def _resume(self, level: LevelToTrain, iteration: int, mask: Mask) -> None:
        """Goes on with a level that a callback has restored: the weights are there."""
        if not averages_weights(self._model):
            check_restored_weights(self._model, mask, level.number)
        if level.number or iteration < self._rewind_step:
            return
        if iteration == self._rewind_step:
            level.save_rewind_state(self._search.state())
            return
        check_resumed(iteration, self._rewind_step, kept=self._search.journal.has_rewind_state())
        level.rewind_state_kept = True

    def _metrics(
        self, level: int, end: LevelEnd, *, trained: bool, complete: bool
    ) -> dict[str, Any]:
        averages = averages_weights(self._model) and end.weights_at == end.iterations
        if trained and complete and not averages:
            return end.metrics
        metrics = end.metrics | validate_again(self._model, self._x, self._y, self._fit_arguments)
        if not trained:
            lost = f"level {level} was trained to its end before it was interrupted"
            try:
                self._search.check_metrics(metrics)
            except ValueError as error:
                raise ValueError(
                    f"{lost}, and its metrics on training data are lost: {error} Or call fit again "
                    "without the backup: the level begins anew."
                ) from error
            warn_user(
                f"{lost}, and is finished with the weights of the backup. Its metrics on training "
                "data are lost; those on validation data were computed anew.",
            )
        return metrics
